import { describe } from 'vitest'
import { blocking } from './blocking.ts'

describe('a worker that a handler blocks, on the embedded store', { timeout: 60_000 }, () => {
  blocking(() => undefined)
})
