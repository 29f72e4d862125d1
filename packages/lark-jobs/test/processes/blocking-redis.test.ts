import { describe, inject } from 'vitest'
import { blocking } from './blocking.ts'

describe('a worker that a handler blocks, on Redis', { timeout: 60_000 }, () => {
  blocking(() => inject('redisUrl'))
})
