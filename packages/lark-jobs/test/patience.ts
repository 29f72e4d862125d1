/**
 * What tests wait for may take its time: on a busy machine the default of a second is over before a worker
 * has begun. (`expect.poll` has the same limit, in `vitest.config.ts`.)
 */
import { vi } from 'vitest'

/** Milliseconds. Shorter than the limit of a test, so that the error says what did not come. */
const PATIENCE = 30_000

const { waitFor } = vi
vi.waitFor = (condition, options) =>
  waitFor(condition, typeof options === 'number' ? options : { timeout: PATIENCE, ...options })
