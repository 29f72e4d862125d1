import { describe, inject } from 'vitest'
import { accounting } from './accounting.ts'
import { freezing } from './freezing.ts'
import { wholeWay } from './program.ts'
import { stepping } from './stepping.ts'
import { unawaited } from './unawaited.ts'

const url = () => inject('redisUrl')

// What commands print, and what a worker does by itself, is the same on every store: the embedded one shows
// it.
describe('on Redis', { timeout: 60_000 }, () => {
  accounting(url)
  freezing(url)
  wholeWay(url)
  stepping(url)
  unawaited(url)
})
