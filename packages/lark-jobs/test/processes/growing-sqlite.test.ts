import { describe } from 'vitest'
import { growing } from './growing.ts'

describe('a queue that grows on the embedded store', { timeout: 60_000 }, () => {
  growing(() => undefined)
})
