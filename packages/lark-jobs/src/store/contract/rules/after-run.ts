/**
 * The consequence for a job when its run has ended, or when its worker has died: the rules that every store
 * follows. SQLite and the model of the conformance tests call these functions; `after-run.lua` says the
 * same in Lua.
 *
 * New state: add which outcomes lead to it. New outcome: add what becomes of the job.
 */
import { defined } from '@s18i/lark/internal'
import type { EventKind } from '../../../model/event.ts'
import type { Counters, JobError, JobOptions, Outcome, State } from '../../../model/record.ts'
import type { RecoverOptions } from '../recovery.ts'
import { MAX_CRASHES, MAX_CRASHES_UNSURE, WORKER_DIED } from './capacity.ts'
import { endedFor, untimed } from './reason.ts'

/** What the rules need to know of an active job. Its `runs` include the one that has ended. */
export interface Running extends Counters {
  /** The option of the job about its own crashes. */
  options?: Pick<JobOptions, 'maxCrashes'> | undefined
  /** Why somebody has asked to cancel the job: see `reason.ts`. */
  asked?: string | null
  /** False for a prefetched job, and for a suspect, until the worker says that the job has started. */
  hasStarted: boolean
  /** Whether the job is a suspect that ran beside other jobs in its process. */
  isBeside: boolean
}

/**
 * The consequence for the job. Absent fields stay as they are; `error` is added to its errors, with the time.
 */
export interface Consequence extends Counters {
  state: 'pending' | Extract<State, 'completed' | 'failed' | 'cancelled'>
  /** Milliseconds since 1970. Absent: a pending job keeps its place. */
  dueAt?: number
  /** Why the job was cancelled: see `reason.ts`. */
  reason?: string
  /** Why the run put the job back. */
  because?: string
  /** See `Outcome`. */
  isStranded?: true
  /** For a suspended job: the signals for which it waits. */
  waits?: readonly string[]
  /** For a job that must be undone first: how it ends afterwards (`undoing.ts`). */
  undo?: string
  error?: JobError
  /** See `Outcome`. */
  alike?: string
  result?: string
  /** From now on, the job is not prefetched. */
  noPrefetch?: true
  /**
   * No handler ran, so the class does not know yet that its job ended, and must be told (`model/effect.ts`).
   */
  isUntold?: true
  /** The event for listeners, beside the end of the job (`events.ts`). */
  event?: EventKind
  /** The count of the current minute to which the end of the run belongs. */
  counts?: 'completed' | 'failed' | 'retried'
}

/**
 * The number of crashes from which on a job is a suspect. A job that may crash only once is never a suspect.
 */
export function suspectFrom(options: Running['options']): number {
  return Math.max(1, (options?.maxCrashes ?? MAX_CRASHES) - 1)
}

/** Whether a job must run alone in its process. */
export function isSuspect({ crashes, options }: Pick<Running, 'crashes' | 'options'>): boolean {
  return crashes >= suspectFrom(options)
}

/**
 * Whether a job may be prefetched, or handed out with a ring. A job that may crash only once may not: if its
 * worker died after the start, and before the `extend` which says so, the crash would not count.
 */
export function mayPrefetch(options: Running['options']): boolean {
  return options?.maxCrashes !== 1
}

/** A worker has settled the job. @param now milliseconds since 1970 */
export function afterRun(
  outcome: Outcome,
  job: Pick<Running, keyof Counters | 'asked' | 'hasStarted'>,
  now: number,
): Consequence {
  const { runs, failures, crashes, releases } = job
  const counters = { runs, failures, crashes, releases }
  if (outcome.steps?.isProgress) counters.failures = counters.crashes = 0
  switch (outcome.kind) {
    case 'completed': {
      const { result } = outcome
      return { ...counters, state: 'completed', counts: 'completed', ...defined({ result }) }
    }
    case 'failed': {
      const { error, retryIn, untold, alike } = outcome
      counters.failures += 1
      if (retryIn === undefined)
        return {
          ...{ ...counters, state: 'failed', error, counts: 'failed' },
          ...(untold && { isUntold: true }),
          ...defined({ alike }),
        }
      return unlessAsked(job, {
        ...counters,
        state: 'pending',
        dueAt: now + retryIn,
        error,
        event: 'retrying',
        counts: 'retried',
      })
    }
    case 'released': {
      const { because } = outcome
      counters.releases += 1
      const keepsPlace = !outcome.isStranded && outcome.keepsPlace
      return unlessAsked(job, {
        ...counters,
        state: 'pending',
        ...(!keepsPlace && { dueAt: now + outcome.in }),
        event: 'released',
        ...defined({ because }),
        ...(outcome.isStranded && { isStranded: true }),
      })
    }
    case 'suspended': {
      const { waits, undoing } = outcome
      const dueAt = now + outcome.in
      const after = undoing === undefined ? { waits } : { undo: undoing, failures: 0, crashes: 0 }
      return unlessAsked(job, { ...counters, state: 'pending', dueAt, ...after, event: 'suspended' })
    }
    case 'unstarted': {
      counters.runs -= 1
      const dueAt = outcome.in === undefined ? {} : { dueAt: now + outcome.in }
      const event = job.hasStarted ? { event: 'returned' as const } : {}
      return unlessAsked(job, { ...counters, state: 'pending', ...dueAt, ...event })
    }
    case 'cancelled': {
      const { error } = outcome
      const reason = endedFor(outcome.reason, job.asked)
      return { ...counters, state: 'cancelled', reason, ...defined({ error }) }
    }
  }
}

/**
 * The lease of the job was taken back. A job that had started counts a crash: when a process dies, the store
 * cannot know which of its jobs was the cause, or whether somebody killed it. A suspect ran alone, so it is
 * certainly the cause if the process ended from within. If others ran beside it, or the end may have come
 * from outside, more crashes are needed. A limit that the class has chosen holds for a job that was alone,
 * whatever the cause; a limit of one crash holds in any case.
 */
export function afterDeath(
  job: Running,
  { forgiving, cause, fromWithin }: Pick<RecoverOptions, 'forgiving' | 'cause' | 'fromWithin'>,
): Consequence {
  const { runs, failures, crashes, releases, hasStarted } = job
  const counters = { runs, failures, crashes, releases }
  if (!hasStarted) counters.runs -= 1
  if (!hasStarted || forgiving) {
    const event = hasStarted ? { event: 'returned' as const } : {}
    return unlessAsked(job, { ...counters, state: 'pending', noPrefetch: true, ...event })
  }
  counters.crashes += 1
  const most = job.options?.maxCrashes ?? (fromWithin ? MAX_CRASHES : MAX_CRASHES_UNSURE)
  const error = { run: runs, ...WORKER_DIED, ...(cause !== undefined && { message: `its process ${cause}` }) }
  if (counters.crashes >= (job.isBeside ? Math.max(most, MAX_CRASHES_UNSURE) : most))
    return { ...counters, state: 'failed', error, event: 'crashed', isUntold: true, counts: 'failed' }
  return unlessAsked(job, { ...counters, state: 'pending', error, event: 'crashed', noPrefetch: true })
}

/** A job that somebody has asked to cancel does not go back to its line. */
function unlessAsked({ asked }: Pick<Running, 'asked'>, put: Consequence): Consequence {
  if (asked === undefined || asked === null) return put
  const { event, ...rest } = put
  const crash = event === 'crashed' ? { event } : {}
  return { ...rest, state: 'cancelled', reason: untimed(asked), isUntold: true, ...crash }
}
