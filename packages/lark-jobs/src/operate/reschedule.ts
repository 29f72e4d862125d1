/**
 * Changes when jobs are due that do not run: now (`runNow`), or after some time (`reschedule`).
 */
import { type Duration, milliseconds } from '../model/duration.ts'
import { JobsError } from '../model/errors.ts'
import { duration, type OptionsOf } from '../options/schema.ts'
import type { Change } from '../store/contract/store.ts'
import {
  all,
  type ChangeOptions,
  type Chosen,
  checkFilter,
  conditions,
  type Flags,
  isIds,
  type JobFilter,
  jobConditions,
  readChosen,
} from './filter.ts'
import { alterAll, idsOf, locateAll, type OpenQueues, partitionsToLookIn } from './stored-jobs.ts'

const pending = ['waiting', 'delayed'] as const
const conditionEntries = jobConditions(pending)
const pendingConditions = conditions({ ...conditionEntries, all })

/** The conditions that choose jobs. A job must meet all of them. */
export interface PendingConditions extends OptionsOf<typeof conditionEntries> {}

/** At least one condition, or `{ all: true }` for every job of the store that waits or is delayed. */
export type PendingFilter = JobFilter<PendingConditions>

/** `dryRun`: only counts the jobs that would be changed now. `queue`: of ids. */
export interface RescheduleOptions extends ChangeOptions {}

export interface Rescheduled {
  /** Jobs whose due time is changed. */
  rescheduled: number
}

type TimeChange = Extract<Change, { kind: 'run-now' | 'reschedule' }>

/** Checks the arguments of `runNow`. @throws FILTER_INVALID, JOB_ID_INVALID */
export function readRunNow(which: unknown, options: unknown, flags?: Flags): Chosen<PendingFilter> {
  return readChosen('Jobs.runNow()', pendingConditions, which, options, flags) as Chosen<PendingFilter>
}

/** Checks the arguments of `reschedule`. @throws FILTER_INVALID, JOB_ID_INVALID */
export function readReschedule(
  which: unknown,
  delay: unknown,
  options: unknown,
  flags?: Flags,
): [Chosen<PendingFilter>, TimeChange] {
  const chosen = readChosen(
    'Jobs.reschedule()',
    pendingConditions,
    which,
    options,
    flags,
  ) as Chosen<PendingFilter>
  checkFilter('Jobs.reschedule()', { delay }, conditions({ delay: duration(0) }), { flags })
  return [chosen, { kind: 'reschedule', in: milliseconds(delay as Duration)! }]
}

/**
 * Changes the due times of the jobs with these ids, or of all jobs that match a filter when it reads them.
 *
 * @throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_PENDING, before any job is changed; UNKNOWN_QUEUE
 */
export async function reschedule(
  open: OpenQueues,
  which: Chosen<PendingFilter>,
  change: TimeChange,
  { dryRun = false, queue: queueOfIds }: RescheduleOptions,
): Promise<Rescheduled> {
  const { store } = open
  const states = change.kind === 'run-now' ? (['delayed'] as const) : pending
  let rescheduled = 0
  const act = async (partition: string, ids: readonly string[]) => {
    const verdicts = dryRun ? [] : await alterAll(store, partition, ids, change)
    rescheduled += dryRun ? ids.length : verdicts.filter((verdict) => verdict === 'done').length
  }
  if (isIds(which)) {
    // A job that is due already runs as soon as it can.
    for (const { id, partition, state } of await locateAll(
      open,
      which,
      queueOfIds,
      'lark jobs:status',
      check,
    ))
      if (states.some((each) => each === state)) await act(partition, [id])
    return { rescheduled }
  }
  const { key, queue, state } = which
  for (const partition of await partitionsToLookIn(open, queue)) {
    // It reads all ids first, because a job that is changed takes another place in the list that is being read.
    const ids: string[] = []
    for (const each of states.filter((each) => state === undefined || each === state))
      for await (const page of idsOf(store, partition, each, key)) ids.push(...page)
    await act(partition, ids)
  }
  return { rescheduled }
}

function check({ id, state }: { id: string; state: string }): void {
  if (pending.some((each) => each === state)) return
  const message = `${id} is ${state}; only a job that waits or is delayed can be rescheduled`
  throw new JobsError('JOB_NOT_PENDING', message, { id })
}
