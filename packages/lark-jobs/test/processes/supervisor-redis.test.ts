import { describe, inject } from 'vitest'
import { supervising } from './supervising.ts'

describe('a supervisor on Redis', { timeout: 60_000 }, () => {
  supervising(() => inject('redisUrl'))
})
