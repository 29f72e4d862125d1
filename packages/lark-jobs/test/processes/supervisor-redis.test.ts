import { describe, inject } from 'vitest'
import { supervisingDeaths } from './supervising-deaths.ts'

// How a supervisor stops is the same on every store: the embedded one shows it.
describe('a supervisor on Redis', { timeout: 60_000 }, () => supervisingDeaths(() => inject('redisUrl')))
