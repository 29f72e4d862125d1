import { describe } from 'vitest'
import { flowing } from './flowing.ts'

describe('flows on the embedded store', { timeout: 120_000 }, () => {
  flowing(() => undefined)
})
