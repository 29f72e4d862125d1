import { describe, inject } from 'vitest'
import { supervisingDeaths } from './supervising-deaths.ts'

// The stop of a supervisor, and behaviour that does not depend on the store, are tested only on the embedded
// store.
describe('a supervisor on Redis', { timeout: 60_000 }, () => supervisingDeaths(() => inject('redisUrl')))
