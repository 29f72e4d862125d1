import { describe } from 'vitest'
import { growing } from './growing.ts'

describe('a queue that gets more partitions on the embedded store', { timeout: 60_000 }, () => {
  growing(() => undefined)
})
