import { describe, inject } from 'vitest'
import { limited } from './limited.ts'

describe('limited queues on Redis', { timeout: 60_000 }, () => {
  limited(() => inject('redisUrl'))
})
