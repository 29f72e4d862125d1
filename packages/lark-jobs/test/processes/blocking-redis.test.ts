import { describe, inject } from 'vitest'
import { blocking } from './blocking.ts'

describe('a worker whose event loop is blocked by a handler, on Redis', { timeout: 60_000 }, () => {
  blocking(() => inject('redisUrl'))
})
