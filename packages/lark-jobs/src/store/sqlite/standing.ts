/**
 * How a partition stands: its counts, since when its jobs wait, and what comes next there.
 */
import { MINUTE, type Minute, type Standing } from '../contract/store.ts'
import { droppedIn } from './failed-jobs.ts'
import { hasPauses } from './lane.ts'
import type { Partition } from './partition.ts'
import { counts, nextKeys, noCounts, waitingSince } from './read.ts'

/** Of a partition that does not exist. */
export const noStanding: Standing = {
  ...{ counts: noCounts, retrying: 0, isPaused: false },
  ...{ arrived: 0, minutes: [], keys: [] },
}

/** @param next how many keys of the next jobs; undefined: neither these nor what waits is looked for */
export function standingOf(partition: Partition, minutes: Minute[], next: number | undefined): Standing {
  const dropped = droppedIn(partition)
  return {
    counts: counts(partition),
    retrying: partition.retrying,
    ...(dropped && { dropped }),
    isPaused: partition.paused || hasPauses(partition),
    ...(next === undefined ? { arrived: 0 } : waitingSince(partition, partition.now - MINUTE)),
    minutes,
    keys: next ? nextKeys(partition, next) : [],
  }
}
