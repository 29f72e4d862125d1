import { describe, inject } from 'vitest'
import { accounting } from './accounting.ts'

// What a user sees does not depend on which of both servers answers the same commands: the commands and their messages are
// tested on Redis and on the embedded store.
describe('on Valkey', { timeout: 60_000 }, () => {
  accounting(() => inject('valkeyUrl'))
})
