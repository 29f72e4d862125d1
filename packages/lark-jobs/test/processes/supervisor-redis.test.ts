import { describe, inject } from 'vitest'
import { supervisingDeaths } from './supervising-deaths.ts'

// The stop of a supervisor, and its behaviour without the store, are only tested on the embedded store.
describe('a supervisor on Redis', { timeout: 60_000 }, () => supervisingDeaths(() => inject('redisUrl')))
