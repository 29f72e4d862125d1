/**
 * A look at a store that all who ask share: scrapes and health checks may come as often as they like, and the
 * store is asked at most once a second.
 */

import { JobsError } from '../model/errors.ts'
import { type Measurement, measure } from '../operate/measures/measurement.ts'
import type { Operated } from '../operate/operated.ts'
import { inTime } from '../waiting/bounded-wait.ts'

/** Milliseconds for which a look is shared. */
const SHARED = 1_000
/** Milliseconds that a look may take. A prober gives up after ten seconds. */
const PATIENCE = 5_000

/** The states of jobs that a partition counts. */
export const counted = ['waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled'] as const

export interface Look extends Measurement {
  /** Milliseconds that the oldest job of a queue should wait at most, as configured. */
  targets: ReadonlyMap<string, number>
}

interface SharedLook {
  at: number
  look: Promise<Look>
}

const kept = new WeakMap<Operated, SharedLook>()

/** @throws what the store throws; STORE_UNREACHABLE if it does not answer in time */
export function lookAt(jobs: Operated): Promise<Look> {
  const now = performance.now()
  const last = kept.get(jobs)
  if (last !== undefined && now < last.at + SHARED) return last.look
  const look = inTime(PATIENCE, lookAnew(jobs), () => {
    throw new JobsError('STORE_UNREACHABLE', `The store has not answered for ${PATIENCE / 1_000} s`)
  })
  kept.set(jobs, { at: now, look })
  return look
}

async function lookAnew(jobs: Operated): Promise<Look> {
  const { store, settings } = await jobs.open()
  const { partitions: queues, targets } = settings
  return { ...(await measure({ store, queues })), targets }
}
