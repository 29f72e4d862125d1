import { describe } from 'vitest'
import { limiters } from './limiters.ts'

describe('limiters between processes, on the embedded store', { timeout: 60_000 }, () => {
  limiters(() => undefined)
})
