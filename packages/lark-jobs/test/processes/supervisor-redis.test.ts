import { describe, inject } from 'vitest'
import { supervisingDeaths } from './supervising-deaths.ts'
import { supervisingEnds } from './supervising-ends.ts'

describe('a supervisor on Redis', { timeout: 60_000 }, () => {
  supervisingDeaths(() => inject('redisUrl'))
  supervisingEnds(() => inject('redisUrl'))
})
