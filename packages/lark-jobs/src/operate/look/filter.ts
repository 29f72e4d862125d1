/**
 * Checks the filter of a call that acts on many jobs or on a queue. A condition that is misspelled or has no
 * value is refused, because a call that ignored the condition would act on all jobs or queues.
 */

import { isDeepStrictEqual } from 'node:util'
import { JobsError, type JobsErrorCode } from '../../model/errors.ts'
import { readIds } from '../../model/id.ts'
import type { JobRecord, State } from '../../model/record.ts'
import { notName } from '../../model/stored-name.ts'
import {
  type Entries,
  flag,
  isObject,
  isText,
  type Option,
  type OptionsOf,
  oneOf,
  option,
  type Read,
  Schema,
} from '../../options/schema.ts'
import { isKind } from '../../run/fingerprint.ts'
import type { AbortSignalLike } from '../../waiting/abort-signal.ts'
import { sinceCondition } from './since.ts'

/** The command-line flag for each condition: `{ key: '--job' }`. */
export type Flags = Readonly<Record<string, string>>

export function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}

/** The condition of `{ all: true }`, which chooses everything. */
export const all = option<true>('true', (value) => value === true)

export const queueName = option<string>('the name of a queue', isText)

export const group = option<string | number>(
  'the name of a group: a text that is not empty, or a number',
  (value) => value !== '' && notName(value) === undefined,
)

/**
 * Makes the schema of a filter. A condition that is present must have a value, and a condition that is
 * `needed()` must be present.
 */
export function conditions<E extends Entries>(entries: E, right = 'an object'): Schema<E> {
  const all = Object.entries(entries).map(([name, each]) => [
    name,
    each.traits.refusesUndefined === undefined ? each.with({ refusesUndefined: 'written' }) : each,
  ])
  return new Schema(right, Object.fromEntries(all) as E)
}

/** The maximum number of conditions on payloads. */
const MOST_PATHS = 10

const someOf = <T extends string>(right: string, isRight: (value: unknown) => boolean) =>
  option<T | readonly T[]>(`${right}, or a list of these`, (value) =>
    Array.isArray(value) ? value.length > 0 && value.every(isRight) : isRight(value),
  )

/** The schema of the conditions that choose jobs in some of these states. A job must meet all conditions. */
export function jobConditions<S extends State>(states: readonly S[]) {
  return {
    /** One queue or several. Default: every queue. */
    queue: someOf<string>('the name of a queue', isText),
    /** One state or several. Default: all states that the call allows. */
    state: someOf<S>(oneOf(states).right, (value) => states.includes(value as S)),
    /** Only jobs whose ids begin with this text. */
    idPrefix: option<string>('the beginning of an id', isText),
    /** The key of the job's class. */
    key: option<string>('the key of a job class', isText),
    /** The group of the job. */
    group,
    /** One of the tags of the job. */
    tag: option<string>('a tag', isText),
    /**
     * Only jobs whose last error is of this kind: the name that `operate().failures()` returns, or a longer
     * beginning of the kind's hash.
     */
    kind: option<string>("the name of a kind of failure, such as '3f2a'", isKind),
    /**
     * Only jobs that ended since then or, if they have not ended, were queued since then: an instant, or how
     * long ago.
     */
    since: sinceCondition,
    /**
     * Only jobs that ended before then or, if they have not ended, were queued before then: an instant, or
     * how long ago.
     */
    until: sinceCondition,
    /**
     * The values that a payload must have: a JSON value for each path, such as `{ tenant: 7, 'card.type':
     * 'visa' }`.
     */
    where: option<Readonly<Record<string, unknown>>>(
      `an object with one to ${MOST_PATHS} paths of the payload, such as 'card.type', and a JSON value for each`,
      isWhere,
    ),
  }
}

function isWhere(value: unknown): boolean {
  if (!isObject(value)) return false
  const paths = Object.keys(value)
  try {
    const isJson = isDeepStrictEqual(JSON.parse(JSON.stringify(value)), value)
    return isJson && paths.length > 0 && paths.length <= MOST_PATHS && paths.every(isText)
  } catch {
    return false
  }
}

/** The conditions that choose jobs. A job must meet all of them. */
export interface JobConditions<S extends State = State>
  extends OptionsOf<ReturnType<typeof jobConditions<S>>> {}

/** At least one condition, or `{ all: true }`. */
export type JobFilter<S extends State = State> =
  | {
      [Name in keyof JobConditions]-?: JobConditions<S> & Required<Pick<JobConditions<S>, Name>>
    }[keyof JobConditions]
  | ({ all: true } & { [Name in keyof JobConditions]?: never })

/**
 * The type of the `signal` option. It is declared here because the compiler would otherwise write
 * `AbortSignal` into the declarations, and not every project has that type.
 */
export interface SignalOption extends Option<AbortSignalLike, AbortSignalLike, 'optional'> {}

export const signal: SignalOption = option<AbortSignalLike>(
  'an AbortSignal',
  (value) => value instanceof AbortSignal,
)

export const changeEntries = {
  /** Only counts the jobs that would be changed now. Nothing is changed. */
  dryRun: flag(),
  /** The queue of the jobs with these ids. Default: every queue. */
  queue: queueName,
  /**
   * When this signal is aborted, the call ends before the next lot of jobs. The answer counts the jobs that
   * were already changed.
   */
  signal,
  /**
   * Called after each lot with the number of jobs that were processed and the number of jobs that were found
   * so far.
   */
  onProgress: option<(done: number, found: number) => void>('a function', isFunction),
}

/** The second argument of calls that change many jobs. */
export interface ChangeOptions extends OptionsOf<typeof changeEntries> {}

/** Receives the records of jobs before the jobs are changed, so that the records can be kept. */
export const before = option<(jobs: readonly JobRecord[]) => unknown>('a function', isFunction)

/** Only jobs that have not begun. */
export const ifNotBegun = flag()

/** Removes the records of the jobs' steps, so that the jobs start from the beginning. */
export const fromStart = flag()

/** Includes jobs whose steps have recorded something. */
export const force = flag()

/**
 * The reason that a person gives for a change. A call with a reason that is not a text is refused, and
 * nothing is changed.
 */
export const because = option<string | undefined>('a text', (value) => typeof value === 'string').with({
  refusesUndefined: 'never',
})

/** Chooses jobs: by their ids, or by a filter. */
export type Chosen = readonly string[] | JobConditions

export function isIds(which: Chosen): which is readonly string[] {
  return Array.isArray(which)
}

/**
 * Checks the arguments of a call that changes jobs by their ids or by a filter.
 *
 * @param states the states in which this change is possible
 * @param entries the options of this change
 * @throws FILTER_INVALID, JOB_ID_INVALID
 */
export function readChosen(
  call: string,
  states: readonly State[],
  which: unknown,
  options: unknown,
  flags?: Flags,
  entries: Entries = changeEntries,
): Chosen {
  checkFilter(call, options, conditions(entries), { whole: 'the last argument', flags })
  const isFilter = typeof which === 'object' && which !== null && !(Symbol.iterator in which)
  if (!isFilter) return readIds(which)
  if ((options as ChangeOptions).queue !== undefined)
    throw new JobsError(
      'FILTER_INVALID',
      `${call}: the option 'queue' cannot be used together with a filter`,
      {
        exit: 2,
        hint: 'Write it in the filter, which is the first argument.',
      },
    )
  const known = jobConditions(states)
  checkFilter(call, which, conditions({ ...known, all }), { needed: Object.keys(known), flags })
  const { all: _, ...filter } = which as JobConditions & { all?: true }
  return filter
}

export interface FilterOptions {
  /** The filter must have at least one of these conditions, or `all`. Default: no condition is required. */
  needed?: readonly string[]
  /**
   * If a command makes the call: the flag for each condition. Messages name the flag instead of the
   * condition.
   */
  flags?: Flags | undefined
  /** The name of the whole object in messages. Default: "the filter". */
  whole?: string
  /** The error code for an invalid value. Default: FILTER_INVALID. */
  codeOf?: (path: string) => JobsErrorCode
}

/**
 * @param call the beginning of the message: `Jobs.cancel()`
 * @returns the conditions with normalized values
 * @throws FILTER_INVALID naming the condition, its value, and what would be right
 */
export function checkFilter<E extends Entries>(
  call: string,
  filter: unknown,
  schema: Schema<E>,
  { needed = [], flags, whole = 'the filter', codeOf }: FilterOptions = {},
): Read<E> {
  const named = (path: string) => flags?.[path] ?? `${call}: ${path || whole}`
  const error = (message: string, hint?: string, path = '') => {
    const code = codeOf?.(path) ?? 'FILTER_INVALID'
    return new JobsError(code, message, { hint, exit: 2 })
  }
  const read = schema.readAll(filter, { name: named, error })
  const given = Object.keys(filter as object)
  if (given.includes('all') && given.length > 1) {
    const others = given.filter((name) => name !== 'all').map((name) => flags?.[name] ?? name)
    throw error(
      `${named('all')} must be the only condition, but ${others.join(', ')} came with it`,
      'Leave out one of them.',
    )
  }
  if (needed.length === 0 || given.some((name) => name === 'all' || needed.includes(name))) return read
  throw error(
    `${call}: the filter has no condition`,
    `Give ${needed.join(' or ')}, or { all: true } for everything.`,
  )
}
