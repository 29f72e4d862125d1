import { describe } from 'vitest'
import { killing } from './killing.ts'

describe('jobs that kill their process, on the embedded store', { timeout: 60_000 }, () => {
  killing(() => undefined, true)
})
