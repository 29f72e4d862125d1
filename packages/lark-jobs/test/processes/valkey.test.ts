import { describe, inject } from 'vitest'
import { accounting } from './accounting.ts'
import { wholeWay } from './program.ts'

const url = () => inject('valkeyUrl')

// The other texts and mistakes of commands do not depend on which of both servers gives the same answers: the embedded
// store and Redis show them.
describe('on Valkey', { timeout: 60_000 }, () => {
  accounting(url)
  wholeWay(url)
})
