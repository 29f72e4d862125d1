/**
 * Reads the standing of a partition: its counts, how long its jobs have been waiting, and which jobs run
 * next.
 */
import { MINUTE, type Minute, type Standing } from '../../contract/store.ts'
import { hasPauses } from '../claim/lane.ts'
import { droppedIn } from '../end/failed-jobs.ts'
import type { Partition } from '../partition.ts'
import { counts, nextKeys, noCounts, waitingSince } from './read.ts'
import { strandedIn } from './stranded.ts'

/** The standing of a partition that does not exist. */
export const noStanding: Standing = {
  ...{ counts: noCounts, retrying: 0, suspended: 0, isPaused: false },
  ...{ arrived: 0, minutes: [], keys: [] },
}

/**
 * @param next for how many of the next jobs the keys are read. Undefined: neither keys nor waiting times are
 *   read
 */
export function standingOf(partition: Partition, minutes: Minute[], next: number | undefined): Standing {
  const dropped = droppedIn(partition)
  return {
    counts: counts(partition),
    retrying: partition.retrying,
    suspended: partition.suspended,
    ...(dropped && { dropped }),
    isPaused: partition.paused || hasPauses(partition),
    ...(next === undefined ? { arrived: 0 } : waitingIn(partition)),
    minutes,
    keys: next ? nextKeys(partition, next) : [],
  }
}

/** Reads how long jobs have been waiting, and the stranded jobs. */
function waitingIn(partition: Partition): Pick<Standing, 'oldest' | 'arrived' | 'stranded'> {
  const waiting = waitingSince(partition, partition.now - MINUTE)
  const stranded = strandedIn(partition)
  if (stranded === undefined) return waiting
  return { ...waiting, stranded, oldest: Math.min(waiting.oldest ?? stranded.since, stranded.since) }
}
