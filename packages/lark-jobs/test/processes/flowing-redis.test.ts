import { describe, inject } from 'vitest'
import { flowing } from './flowing.ts'

// What a deploy knows of classes is the same on every store: the embedded one shows it.
describe('flows on Redis', { timeout: 120_000 }, () => flowing(() => inject('redisUrl')))
