/**
 * A row of the table of job changes (`job-changes.ts`): the data of one change by hand. The methods of `Jobs`
 * and of handles, the filter that they take, the dry run and the audit entry are derived from the row.
 */
import { defined } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import type { JobRecord, State } from '../../model/record.ts'
import { type OptionOf, type Voice, voiceOf } from '../../options/schema.ts'
import type { AlterVerdict, Change } from '../../store/contract/store.ts'
import type { OpenFlows } from '../flows/flow-info.ts'
import {
  type ChangeOptions,
  type Chosen,
  changeEntries,
  checkFilter,
  conditions,
  type Flags,
  isIds,
  readChosen,
} from '../look/filter.ts'
import { Passage } from '../look/passage.ts'
import { stillIn } from '../look/seen-state.ts'
import {
  alterAll,
  alterAt,
  type JobPlace,
  type Located,
  locateAt,
  type OpenQueues,
} from '../look/stored-jobs.ts'
import { RECORDS, wholeRecords } from '../look/whole-records.ts'
import { changeJobs, type VerdictCounts } from './change.ts'
import type { UndoableOptions } from './changed.ts'

/** The open store that a change acts on. */
export type OpenChange = OpenQueues & OpenFlows

/**
 * How a change is undone. `in place`: the job still exists, and gets back the state in its record. `put
 * back`: the job no longer exists, and is restored from its record. `in place or put back`: the job has
 * ended, so the store may or may not still keep the job.
 */
export type WayBack = 'in place' | 'put back' | 'in place or put back'

/** @typeParam Value the argument besides jobs and options, such as a priority */
export interface ChangeRow<Options extends ChangeOptions, Answer, Value = undefined> {
  /** The states that a filter may name. */
  states: readonly State[]
  /** The states in which jobs are looked for, if these differ from `states`. Default: `states`. */
  finds?: readonly State[]
  /** The options of this change in addition to those that all changes have. */
  options?: { [Name in Exclude<keyof Options, keyof ChangeOptions>]-?: OptionOf<Options[Name]> }
  /** The value that the change sets, and its name in messages. */
  value?: readonly [name: string, option: OptionOf<Value>]
  /**
   * The options that the method of a handle also takes, and how messages describe the argument of this
   * method. Default: no options.
   */
  ofHandle?: { options: readonly (keyof Options)[]; form?: string }
  /**
   * The error for a job that was named by its id and cannot be changed. Undefined if the job can be changed.
   */
  refusal(job: Located, value: Value, options: Options): JobsError | undefined
  /**
   * Predicts the store's answer for a job, if the job does not change meanwhile. A dry run counts the
   * predicted answers.
   */
  verdict(job: Pick<Located, 'state' | 'runs'> & Partial<Located>, options: Options): AlterVerdict
  /** Whether `verdict` uses the `runs` of a job. Only then are the `runs` read from the store. */
  readsRuns?(options: Options): boolean | undefined
  /**
   * Makes the change for the store. @param records the records of the jobs that the call changes, if the
   * records were read before
   */
  change?(value: Value, options: Options, records?: readonly JobRecord[]): Change
  /**
   * Whether a job that a filter has found by its state is changed only if the job is still in that state.
   * (Another person may have retried the job meanwhile, and may wait for its result.) Absent if the change
   * does no harm in another state, or if the store refuses the change in any other state.
   */
  rechecks?: true
  /**
   * Returns a function that changes the jobs, if `change` alone is not enough. Returns undefined if `change`
   * is enough.
   */
  act?(call: ChangeCall<Options, Value>): Promise<Act | undefined>
  /**
   * Checks the value against the store before any job is looked for. @throws an error if the value is wrong
   */
  checks?(open: OpenChange, value: Value): Promise<void>
  /**
   * Leaves out some of the chosen jobs before the search, such as jobs that are already in the target queue.
   */
  narrows?(open: OpenChange, which: Chosen, value: Value, options: Options): Promise<Chosen>
  /** Whether the jobs that a filter finds are changed in reverse order. */
  isReversed?: true
  /** Makes the complete change, if it needs more than one pass over the jobs. */
  whole?(open: OpenChange, which: Chosen, options: Options): Promise<Answer>
  answer(counts: VerdictCounts, options: Options): Answer
  /** Returns how many jobs were changed, for the audit. */
  count(answer: Answer): number
  /** How `operate().undo()` undoes the change. Absent if the change cannot be undone. */
  undo?: WayBack
  /** Returns the queue to which the jobs are moved, for the audit. */
  to?(value: Value): string
}

/** A row and its name. The audit uses the same name, such as `run-now`. */
export type JobChange<Options extends ChangeOptions, Answer, Value = undefined> = ChangeRow<
  Options,
  Answer,
  Value
> & { what: string }

/** The arguments of `act`. */
interface ChangeCall<Options, Value> {
  open: OpenChange
  value: Value
  options: Options
  /** Whether the jobs were named by their ids. */
  isNamed: boolean
  /**
   * The states in which a job must be when it is changed. Absent if the job may be in any state that the
   * change allows.
   */
  only?: readonly State[]
}

/** The name of the method for a change: `run-now` → `runNow`. */
function methodOf({ what }: { what: string }): string {
  return what.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}

/** Checks the arguments of a method of `Jobs`. @throws FILTER_INVALID, JOB_ID_INVALID */
export function readChange<Options extends ChangeOptions, Answer, Value>(
  change: JobChange<Options, Answer, Value>,
  which: unknown,
  given: unknown,
  options: unknown,
  flags?: Flags,
): [which: Chosen, value: Value] {
  const call = `Jobs.${methodOf(change)}()`
  const known = { ...changeEntries, ...change.options }
  const chosen = readChosen(call, change.states, which, options, flags, known)
  if (change.value === undefined) return [chosen, undefined as Value]
  const [name, option] = change.value
  return [chosen, checkFilter(call, { [name]: given }, conditions({ [name]: option }), { flags })[name]!]
}

/** Changes jobs. @throws the errors of the row, and of `changeJobs` */
export async function makeChange<Options extends ChangeOptions, Answer, Value>(
  change: JobChange<Options, Answer, Value>,
  open: OpenChange,
  chosen: Chosen,
  value: Value,
  options: Options,
): Promise<Answer> {
  await change.checks?.(open, value)
  if (change.whole !== undefined) return await change.whole(open, chosen, options)
  const which = (await change.narrows?.(open, chosen, value, options)) ?? chosen
  const isNamed = isIds(which)
  const own = await actOf(change, { open, value, options, isNamed, ...(change.rechecks && onlyOf(which)) })
  const { before } = options as UndoableOptions
  const act = before === undefined ? own : afterRecords(open, change, options, before, own)
  const counts = await changeJobs(
    open,
    which,
    {
      states: change.finds ?? change.states,
      verdict: (job) => change.verdict(job, options),
      readsRuns: change.readsRuns?.(options) ?? false,
      refusal: (job) => change.refusal(job, value, options),
      act: (partition, jobs, passage) =>
        act(partition, change.isReversed && !isNamed ? jobs.toReversed() : jobs, passage),
    },
    options,
  )
  return change.answer(counts, options)
}

/**
 * Changes the job of a handle.
 *
 * @param opens opens the store; called after the arguments have been checked
 * @param given the arguments of the handle's method
 * @returns whether the job was changed
 * @throws JOB_INVALID, and the errors of the row
 */
export async function changeAt<Options extends ChangeOptions, Answer, Value>(
  change: JobChange<Options, Answer, Value>,
  place: JobPlace,
  opens: () => Promise<OpenChange>,
  given: unknown,
  givenOptions: object = {},
): Promise<boolean> {
  const { ofHandle, value: [name, option] = [], options: known } = change
  const { id } = place
  const voice: Voice = {
    ...voiceOf('JOB_INVALID', `${id}: ${methodOf(change)}()`),
    error: (message, hint) => new JobsError('JOB_INVALID', message, { id, hint }),
  }
  const entries = Object.entries<OptionOf<unknown>>(known ?? {})
  const taken = entries.filter(([each]) => ofHandle?.options.includes(each as keyof Options))
  const options = conditions(Object.fromEntries(taken), ofHandle?.form).readAll(
    givenOptions,
    voice,
  ) as Options
  const value = (
    name === undefined ? undefined : conditions({ [name]: option! }).readAll({ [name]: given }, voice)[name]
  ) as Value
  const open = await opens()
  await change.checks?.(open, value)
  const act = await change.act?.({ open, value, options, isNamed: true })
  const [verdict] =
    act === undefined
      ? [await alterAt(open, place, change.change!(value, options))]
      : await actAt(open, place, act)
  return verdict === 'done' || verdict === 'asked'
}

async function actAt(open: OpenChange, place: JobPlace, act: Act): Promise<AlterVerdict[]> {
  const job = await locateAt(open, place)
  return job === undefined ? [] : await act(job.partition, [job], new Passage())
}

/** The states in which a job must still be when it is changed: those that the filter names. */
export function onlyOf(which: Chosen): { only?: State[] } {
  return isIds(which) || which.state === undefined ? {} : { only: stillIn([which.state].flat()) }
}

/** Changes jobs of a partition. @param records the record of each job, if the records were read before */
type Act = (
  partition: string,
  jobs: readonly Located[],
  passage: Passage,
  records?: readonly JobRecord[],
) => Promise<AlterVerdict[]>

async function actOf<Options extends ChangeOptions, Answer, Value>(
  { act, change }: Pick<ChangeRow<Options, Answer, Value>, 'act' | 'change'>,
  call: ChangeCall<Options, Value>,
): Promise<Act> {
  const { open, value, options, only } = call
  const own = await act?.(call)
  if (own !== undefined) return own
  return (partition, jobs, passage, records) => {
    const ids = jobs.map(({ id }) => id)
    const its = { ...change!(value, options, records), ...defined({ only }) }
    return alterAll(open.store, partition, ids, its, passage)
  }
}

/** The part of a row that a change at a pace uses (`operate/pace`). */
export type LotRow = ChangeRow<ChangeOptions & { fromStart?: true }, unknown, unknown>

/** Returns how a change at a pace changes the jobs that its filter has found. */
export function lotActor(
  row: LotRow,
  open: OpenChange,
  value: unknown,
  options: { fromStart?: true },
): Promise<Act> {
  return actOf<ChangeOptions & { fromStart?: true }, unknown, unknown>(row, {
    ...{ open, value, options, isNamed: false },
  })
}

/**
 * Passes the records of jobs to `before`, and then changes the jobs. An interruption does not stop the call
 * between these two steps: if the caller has kept the record of a job, that job is also changed. If the
 * change removes records, a job is changed only after `before` has received its record. When `before`
 * resolves to `'enough'`, it is not called again, and the other jobs are changed without this call.
 */
function afterRecords<Options extends ChangeOptions, Answer, Value>(
  { store }: OpenQueues,
  change: JobChange<Options, Answer, Value>,
  options: Options,
  before: NonNullable<UndoableOptions['before']>,
  act: Act,
): Act {
  const goes = change.undo === 'put back'
  let isEnough = false
  return async (partition, jobs, passage) => {
    const verdicts: AlterVerdict[] = []
    for (let at = 0; at < jobs.length && !passage.isOver; at += RECORDS) {
      if (isEnough) return [...verdicts, ...(await act(partition, jobs.slice(at), passage))]
      const lot = jobs.slice(at, at + RECORDS)
      const found = await wholeRecords(store, partition, lot)
      const met = new Map(lot.map((job) => [job.id, job.state]))
      // A job that has begun or ended since it was found no longer meets the filter.
      const records = found.filter(
        (job) =>
          job.unreadable === undefined &&
          isStill(met.get(job.id)!, job.state) &&
          change.verdict(job, options) === 'done',
      )
      if (records.length > 0) isEnough = (await before(records)) === 'enough'
      if (!goes) verdicts.push(...(await passage.bound(() => act(partition, lot, passage))))
      else {
        if (records.length > 0)
          verdicts.push(...(await passage.bound(() => act(partition, records, passage, records))))
        const left = new Array<AlterVerdict>(found.length - records.length).fill('refused')
        verdicts.push(...left)
        await passage.passed(lot.length - records.length, left)
      }
    }
    return verdicts
  }
}

/**
 * Whether a job has neither begun nor ended between two reads. A delayed job may have become waiting, because
 * it is due.
 */
function isStill(before: State, now: State): boolean {
  const due = (state: State) => (state === 'delayed' ? 'waiting' : state)
  return due(before) === due(now)
}
