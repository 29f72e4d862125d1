import { describe, inject } from 'vitest'
import { flowing } from './flowing.ts'

describe('flows on Redis', { timeout: 120_000 }, () => {
  flowing(() => inject('redisUrl'))
})
