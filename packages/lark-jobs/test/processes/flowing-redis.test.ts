import { describe, inject } from 'vitest'
import { flowing } from './flowing.ts'

// Deploys do not depend on the store, so they are only tested on the embedded store.
describe('flows on Redis', { timeout: 120_000 }, () => flowing(() => inject('redisUrl')))
