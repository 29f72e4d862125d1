import { describe, inject } from 'vitest'
import { flowing } from './flowing.ts'
import { flowingThroughDeploys } from './flowing-deploys.ts'

describe('flows on Redis', { timeout: 120_000 }, () => {
  flowing(() => inject('redisUrl'))
  flowingThroughDeploys(() => inject('redisUrl'))
})
