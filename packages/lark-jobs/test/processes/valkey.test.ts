import { describe, inject } from 'vitest'
import { wholeWay } from './program.ts'

// The rest does not depend on which of both servers gives the same answers: Redis shows it.
describe('on Valkey', { timeout: 60_000 }, () => wholeWay(() => inject('valkeyUrl')))
