import { describe, inject } from 'vitest'
import { supervisingDeaths } from './supervising-deaths.ts'

// How a supervisor stops, and what it does without the store, is the same everywhere: the embedded one shows
// it.
describe('a supervisor on Redis', { timeout: 60_000 }, () => supervisingDeaths(() => inject('redisUrl')))
