import { describe } from 'vitest'
import { killing } from './killing.ts'

describe('killers on the embedded store', { timeout: 60_000 }, () => {
  killing(() => undefined, true)
})
