import { describe, inject } from 'vitest'
import { accounting } from './accounting.ts'
import { freezing } from './freezing.ts'
import { wholeWay } from './program.ts'
import { stepping } from './stepping.ts'
import { steppingDeploys } from './stepping-deploys.ts'
import { unawaited } from './unawaited.ts'

const url = () => inject('redisUrl')

// The output of commands and the behaviour of a worker alone do not depend on the store, so they are only
// tested on the embedded store.
describe('on Redis', { timeout: 60_000 }, () => {
  accounting(url)
  freezing(url)
  wholeWay(url)
  stepping(url)
  steppingDeploys(url)
  unawaited(url)
})

describe('on Valkey', { timeout: 60_000 }, () => steppingDeploys(() => inject('valkeyUrl')))
