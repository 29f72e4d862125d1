import { describe } from 'vitest'
import { flowing } from './flowing.ts'
import { flowingThroughDeploys } from './flowing-deploys.ts'

describe('flows on the embedded store', { timeout: 120_000 }, () => {
  flowing(() => undefined)
  flowingThroughDeploys(() => undefined)
})
