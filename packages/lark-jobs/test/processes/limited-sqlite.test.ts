import { describe } from 'vitest'
import { limited } from './limited.ts'

describe('limited queues on the embedded store', { timeout: 60_000 }, () => {
  limited(() => undefined)
})
