/**
 * Finds out when an incident began. It uses only data that the store keeps in any case: how many runs ended
 * by minute, hour and day, how long runs had waited, and the newest ended jobs. Nothing is written for an
 * incident, so a queue without an incident costs nothing, and the answer is the same on every surface and
 * after a restart.
 */
import { defined } from '@s18i/lark/internal'
import {
  DAY,
  DAYS,
  type History,
  HOUR,
  HOURS,
  MAX_STANDINGS,
  MINUTE,
  MINUTES,
  type Store,
} from '../../store/contract/store.ts'
import type { OpenQueues } from '../look/stored-jobs.ts'
import type { EndedWithin } from '../measures/history.ts'
import type { QueueStatus } from '../measures/status.ts'

interface KeptStep {
  at: number
}

/**
 * Returns when the last uninterrupted row of bad steps began. A good step ends a row of bad steps. A step
 * without data does not end it.
 *
 * @param steps the steps of a history (minutes, hours or days), the oldest first. @returns `isWhole`: whether
 *   a good step comes before the row
 */
function rowOf<S extends KeptStep>(
  steps: readonly S[],
  isBad: (step: S) => boolean | undefined,
): { began?: number; isWhole: boolean } {
  let began: number | undefined
  for (const step of [...steps].reverse()) {
    const bad = isBad(step)
    if (bad) began = step.at
    else if (bad === false && began !== undefined) return { began, isWhole: true }
  }
  return { isWhole: false, ...defined({ began }) }
}

/**
 * The steps of one length that the store keeps. `reach`: how many milliseconds the history reaches back.
 * `length`: the length of a step in milliseconds.
 */
export interface KeptSteps<S extends KeptStep> {
  steps: () => readonly S[] | Promise<readonly S[]>
  reach: number
  length: number
}

/**
 * Returns when a row of bad steps began. If all minutes in the store are bad, this function also looks at the
 * hours, and then at the days.
 *
 * @param units the histories, the one with the shortest steps first. In each history, the oldest step comes
 *   first
 */
export async function beganIn<S extends KeptStep>(
  units: readonly KeptSteps<S>[],
  now: number,
  isBad: (step: S) => boolean | undefined,
): Promise<number | undefined> {
  let earliest: number | undefined
  for (const { steps, reach, length } of units) {
    const { began, isWhole } = rowOf(await steps(), isBad)
    if (began === undefined) break
    earliest = Math.min(earliest ?? began, began)
    // If the row begins after the oldest step that could be kept, the queue had no runs before the row.
    if (isWhole || began > now - reach + 2 * length) break
  }
  return earliest
}

export const reaches = {
  minutes: { reach: MINUTES * MINUTE, length: MINUTE },
  hours: { reach: HOURS * HOUR, length: HOUR },
  days: { reach: DAYS * DAY, length: DAY },
} as const

/** How the runs of a queue ended, over all its partitions. */
export async function historyOf(store: Store, { partitions }: QueueStatus): Promise<History> {
  const parts = await store.history(partitions.slice(0, MAX_STANDINGS).map(({ partition }) => partition))
  const merged = (unit: keyof History): EndedWithin[] => {
    const sums = new Map<number, EndedWithin>()
    for (const { at, completed, failed, retried } of parts.flatMap((part) => part[unit])) {
      const sum = sums.get(at) ?? { at, completed: 0, failed: 0, retried: 0 }
      sums.set(at, {
        at,
        completed: sum.completed + completed,
        failed: sum.failed + failed,
        retried: sum.retried + retried,
      })
    }
    return [...sums.values()].sort((one, other) => one.at - other.at)
  }
  return { minutes: merged('minutes'), hours: merged('hours'), days: merged('days') }
}

/**
 * When the last run of a queue ended. If the store no longer keeps the job of this run, the result is the
 * minute, hour or day in which the run ended. Undefined if the store knows of no run.
 */
export async function lastRunEnded(
  { store }: Pick<OpenQueues, 'store'>,
  { partitions }: QueueStatus,
  { minutes, hours, days }: History,
): Promise<number | undefined> {
  const newest = await Promise.all(
    partitions.slice(0, MAX_STANDINGS).flatMap(({ partition, counts }) =>
      (['completed', 'failed'] as const).map(async (state) => {
        if (counts[state] === 0) return []
        const { jobs } = await store.list(partition, { state, limit: 1, isLean: true })
        return jobs.flatMap(({ finishedAt }) => finishedAt ?? [])
      }),
    ),
  )
  const lasts = [minutes, hours, days].flatMap((steps) => steps.at(-1)?.at ?? [])
  const all = [...newest.flat(), ...lasts]
  return all.length === 0 ? undefined : Math.max(...all)
}

/** The shortest unit of a history that reaches back to an instant. */
export function unitSince(since: number, now: number): 'minutes' | 'hours' | 'days' {
  if (now - since < HOUR - 5 * MINUTE) return 'minutes'
  return now - since < 3 * DAY - HOUR ? 'hours' : 'days'
}
