/**
 * Makes `vi.waitFor` and `vi.waitUntil` wait longer, because on a busy machine the default of a second is
 * over before a worker has begun. (`expect.poll` has the same limit, in `vitest.config.ts`.)
 */
import { vi } from 'vitest'

/**
 * How long tests wait, in milliseconds. The time is shorter than the time limit of a test, so that the error
 * names the condition that was not met.
 */
const PATIENCE = 30_000

const { waitFor } = vi
vi.waitFor = (condition, options) =>
  waitFor(condition, typeof options === 'number' ? options : { timeout: PATIENCE, ...options })
