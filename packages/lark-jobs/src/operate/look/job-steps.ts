/**
 * Reads the steps of a job: what its journal has recorded about each step, and the signals that the job
 * received. The results of steps and the values of signals are returned only on demand, without the parts
 * that the class's `redact` hides.
 */
import { defined } from '@s18i/lark/internal'
import { childId } from '../../flow/child.ts'
import { JobsError } from '../../model/errors.ts'
import type { Journal } from '../../model/journal.ts'
import { queueOf } from '../../model/partition.ts'
import type { JobRecord, State } from '../../model/record.ts'
import { flag, type OptionsOf } from '../../options/schema.ts'
import { type SeenStep, type StepState, seeSteps } from '../../step/look.ts'
import { isOwnSignal } from '../../step/signal.ts'
import { getFollowed } from '../../store/contract/moved.ts'
import { isChildSignal } from '../../store/contract/rules/signal-room.ts'
import type { Store } from '../../store/contract/store.ts'
import { checkFilter, conditions, queueName } from './filter.ts'
import { JOB_GONE, locate, type OpenQueues, partitionsToLookIn, shownPayload } from './stored-jobs.ts'

const stepsConditions = conditions({
  /** The queue of the job. Default: every queue. Needed only if several queues have a job with this id. */
  queue: queueName,
  /**
   * Whether to return the results of steps and the values of signals. The paths in the job's `redact` are
   * hidden in them, too. By default, only their sizes are returned.
   */
  values: flag(),
})

export interface StepsOptions extends OptionsOf<typeof stepsConditions.entries> {}

/**
 * More about the state of a child job that has not ended. `suspended`: the child sleeps or waits. `retrying`:
 * the child has failed and will be retried. `undoing`: the steps of the child are being undone.
 */
export type ChildNote = 'suspended' | 'retrying' | 'undoing'

/** A step of a job, or a wait. */
export interface JobStep {
  /** The name for people: `mail 7`. */
  name: string
  /** The name that `forget()` takes: a text, or a list as JSON. */
  key: string
  /**
   * `done`: the step has a result, or the wait is over. `failed`: the step has failed for good, and the
   * handler caught the error. `waiting`: the step is a sleep or a wait for signals that is not over. `begun`:
   * the step is running, or the worker died during the step. The store knows this only if the step can be
   * undone, or if the job has crashed before. `retrying`: a try has failed, and another try will follow.
   * `undoing`: a try to undo the step has failed, and another try will follow. `undone`: the step was undone.
   * `forgotten`: the record of the step was removed. If the job is retried, `undone` and `forgotten` steps
   * run again.
   */
  state: StepState
  /** Whether this is a sleep or a wait for signals. */
  isWait: boolean
  /** How many tries of the step have failed. Absent if no failed try was recorded. */
  failed?: number
  /** If the step is `begun`: the numbers of the runs in which the step began. */
  runs?: number[]
  /**
   * Until when the step waits: milliseconds since 1970. Absent if the step does not wait, or waits without a
   * limit.
   */
  until?: number
  /** How many milliseconds the last try of the step took. Absent if the step has not ended, or is a wait. */
  took?: number
  /**
   * When the step ended: milliseconds since 1970, rounded to the second. Absent if the step has not ended.
   */
  at?: number
  /** The name of the signal that ended the wait. Absent if no signal has ended it. */
  signal?: string
  /**
   * For `runJob()`: the child job. `state` is absent if the child is no longer kept, or is not among the
   * first 100 children that the job waits for. `note` says why a delayed child is delayed.
   */
  child?: { id: string; queue: string; state?: State; note?: ChildNote }
  /** The size of the result or the error, in bytes. Absent if the step has neither a result nor an error. */
  size?: number
  /** The result or the error, if the call requested values. */
  value?: unknown
}

/** A signal that was sent to a job. */
export interface JobSignal {
  name: string
  /** Whether a wait of the job has received the signal. */
  isTaken: boolean
  /** The size of the signal's value, in bytes. Absent if the signal has no value. */
  size?: number
  /** The signal's value, if the call requested values. */
  value?: unknown
}

/** What the store knows about the steps of a job. */
export interface JobSteps {
  id: string
  queue: string
  state: JobRecord['state']
  /** The steps, in the order in which they last changed. */
  steps: JobStep[]
  /** The signals, in the order in which they arrived. */
  signals: JobSignal[]
  /** For a suspended job: the names of the signals that make it continue before it is due. */
  waitsFor?: string[]
  /** Present if the steps are being undone before the job ends as failed or cancelled. */
  undoing?: true
  /** The size of all records of the job's steps, in bytes. */
  size: number
  /** How many entries of the journal cannot be read. Absent if all entries can be read. */
  damaged?: number
}

/** @throws FILTER_INVALID */
export function checkSteps(options: unknown): void {
  checkFilter('operate().steps.list()', options, stepsConditions, { whole: 'the second argument' })
}

/**
 * @returns undefined if the job has recorded nothing and received no signal
 * @throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, UNKNOWN_QUEUE
 */
export async function jobSteps(
  open: OpenQueues,
  id: string,
  { queue, values = false }: StepsOptions,
): Promise<JobSteps | undefined> {
  const job = await located(open, id, queue)
  const journal = await journalFrom(open.store, job)
  if (journal === undefined) return undefined
  const { steps, taken, damaged } = seeSteps(journal)
  const redact = job.options?.redact
  const shown = (text: string) => ({
    ...(text !== '' && {
      size: Buffer.byteLength(text),
      ...(values && { value: shownPayload(text, redact) }),
    }),
  })
  const signals = journal.signals.map(({ name, text }, n) => ({
    name,
    isTaken: taken.has(n),
    ...shown(text),
  }))
  const states = await childStates(open.store, steps)
  return {
    ...{ id, queue: queueOf(job.partition), state: job.state },
    steps: steps.map((step) => ({ ...seen(step, states), ...shown(step.text ?? '') })),
    // Signals that report the end of a child job are left out, because the step that started the child shows
    // this end.
    signals: signals.filter(({ name }) => !isChildSignal(name)),
    ...defined({
      waitsFor: job.suspended?.filter((name) => !isOwnSignal(name)),
      undoing: job.undoing,
      damaged: damaged || undefined,
    }),
    size: journal.bytes,
  }
}

function seen(
  { text: _, was: __, isWait, child, ...step }: SeenStep,
  states: ReadonlyMap<string, ChildState>,
): JobStep {
  const its = child && { id: childId(child), queue: queueOf(child.home) }
  const state = child?.state === undefined ? its && states.get(its.id) : { state: child.state }
  return { ...step, isWait: isWait === true, ...(its && { child: { ...its, ...state } }) }
}

/** The maximum number of children whose state is looked up. */
const CHILDREN = 100

interface ChildState {
  state: State
  note?: ChildNote
}

/** The states of the child jobs, by id. Children whose end the parent already knows are left out. */
async function childStates(
  store: Pick<Store, 'moves' | 'get'>,
  steps: readonly SeenStep[],
): Promise<Map<string, ChildState>> {
  const open = steps
    .flatMap(({ state, child }) => (child && state === 'waiting' ? child : []))
    .slice(0, CHILDREN)
  const found = open.map(async (child): Promise<[string, ChildState][]> => {
    const id = childId(child)
    const job = await getFollowed(store, child.home, id, true)
    return job === undefined ? [] : [[id, { state: job.state, ...defined({ note: noteOf(job) }) }]]
  })
  return new Map((await Promise.all(found)).flat())
}

export function noteOf({ state, suspended, undoing, failures }: JobRecord): ChildNote | undefined {
  if (undoing) return 'undoing'
  if (suspended !== undefined) return 'suspended'
  return state === 'delayed' && failures > 0 ? 'retrying' : undefined
}

/** @throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, UNKNOWN_QUEUE */
export async function located(open: OpenQueues, id: string, queue: string | undefined): Promise<JobRecord> {
  const job = await locate(open, await partitionsToLookIn(open, queue), id, true)
  if (job === undefined) throw new JobsError('JOB_NOT_FOUND', `There is no job ${id}`, { id, hint: JOB_GONE })
  return job
}

/**
 * The journal entries of a job from an index on, and all its signals. Undefined if the job has no journal.
 */
export async function journalFrom(
  { journals }: Pick<Store, 'journals'>,
  { partition, id }: Pick<JobRecord, 'partition' | 'id'>,
  place = 0,
): Promise<Journal | undefined> {
  const first = await journals.read(partition, id, 0)
  if (first === undefined) return undefined
  const entries = first.entries.slice(place)
  for (let at = Math.max(place, first.entries.length); at < first.count; ) {
    const more = await journals.read(partition, id, at)
    if (more === undefined || more.entries.length === 0) break
    entries.push(...more.entries)
    at += more.entries.length
  }
  return { ...first, entries }
}

/** How many of the last entries of a journal are read to find the waits of a job. */
const LAST = 100

/** The steps in the last entries of a journal. The current waits of a job are mostly among these entries. */
export async function lastSteps(
  { journals }: Pick<Store, 'journals'>,
  partition: string,
  id: string,
): Promise<SeenStep[]> {
  const first = await journals.read(partition, id, 0)
  if (first === undefined) return []
  const isWhole = first.entries.length === first.count
  const last = isWhole ? first : await journals.read(partition, id, Math.max(0, first.count - LAST))
  return seeSteps({ entries: last?.entries ?? [], signals: first.signals }).steps
}
