import { describe, inject } from 'vitest'
import { killing } from './killing.ts'

describe('jobs that kill their process, on Redis', { timeout: 60_000 }, () => {
  killing(() => inject('redisUrl'))
})
