import { describe, inject } from 'vitest'
import { killing } from './killing.ts'

describe('killers on Redis', { timeout: 60_000 }, () => {
  killing(() => inject('redisUrl'))
})
