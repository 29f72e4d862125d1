import { describe, inject } from 'vitest'
import { growing } from './growing.ts'

describe('a queue that grows on Redis', { timeout: 60_000 }, () => {
  growing(() => inject('redisUrl'))
})
