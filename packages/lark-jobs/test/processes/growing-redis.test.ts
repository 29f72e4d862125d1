import { describe, inject } from 'vitest'
import { growing } from './growing.ts'

describe('a queue that gets more partitions on Redis', { timeout: 60_000 }, () => {
  growing(() => inject('redisUrl'))
})
