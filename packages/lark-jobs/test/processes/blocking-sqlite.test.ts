import { describe } from 'vitest'
import { blocking } from './blocking.ts'

describe('a worker whose event loop is blocked by a handler, on the embedded store', {
  timeout: 60_000,
}, () => {
  blocking(() => undefined)
})
