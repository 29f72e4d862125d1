import { describe } from 'vitest'
import { supervising } from './supervising.ts'

describe('a supervisor on the embedded store', { timeout: 60_000 }, () => {
  supervising(() => undefined)
})
