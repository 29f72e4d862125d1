import { describe, inject } from 'vitest'
import { limiters } from './limiters.ts'

describe('limiters between processes, on Redis', { timeout: 60_000 }, () => {
  limiters(() => inject('redisUrl'))
})
