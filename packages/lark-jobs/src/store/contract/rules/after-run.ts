/**
 * The rules that every store follows when the run of a job has ended, or when the worker of a job has died.
 * The rules compute the consequence for the job. SQLite and the model of the conformance tests call these
 * functions; `after-run.lua` says the same in Lua.
 *
 * New state: add which outcomes lead to it. New outcome: add what becomes of the job.
 */
import { defined } from '@s18i/lark/internal'
import type { EventKind } from '../../../model/event.ts'
import type { Counters, JobError, JobOptions, Outcome, State } from '../../../model/record.ts'
import type { RecoverOptions } from '../recovery.ts'
import { MAX_CRASHES, MAX_CRASHES_UNSURE, WORKER_DIED } from './capacity.ts'
import { endedFor, untimed } from './reason.ts'

/** The data of an active job that the rules need. `runs` includes the run that has ended. */
export interface Running extends Counters {
  /** The option with which the job's class limits its crashes. */
  options?: Pick<JobOptions, 'maxCrashes'> | undefined
  /** The notice to cancel the job, if somebody has asked to cancel it: see `reason.ts`. */
  asked?: string | null
  /**
   * Whether the job counts as started. For a prefetched job and for a suspect this is false until the worker
   * reports the start.
   */
  hasStarted: boolean
  /** Whether the job is a suspect that ran beside other jobs in its process. */
  isBeside: boolean
}

/**
 * The changes that a store must write for the job. A field that is absent here stays unchanged in the job.
 * The store adds `error`, with the time, to the errors of the job.
 */
export interface Consequence extends Counters {
  state: 'pending' | Extract<State, 'completed' | 'failed' | 'cancelled'>
  /**
   * When the job is due: milliseconds since 1970; if absent, the job keeps its place in the order of jobs.
   */
  dueAt?: number
  /** The reason for which the job is cancelled: see `reason.ts`. */
  reason?: string
  /** The reason for which the run put the job back. */
  because?: string
  /** Present if the worker could not read the job (see `Outcome`). */
  isStranded?: true
  /** The names of the signals for which a suspended job waits. */
  waits?: readonly string[]
  /**
   * Present if a run must undo the steps of the job before the job ends: how the job ends after that
   * (`undoing.ts`).
   */
  undo?: string
  error?: JobError
  /** The fingerprint that the job shares with jobs that failed for the same reason (see `Outcome`). */
  alike?: string
  result?: string
  /** The job must not be prefetched any more. */
  noPrefetch?: true
  /** The class does not know yet that its job has ended, so an effect must tell it (`model/effect.ts`). */
  isUntold?: true
  /** The event that listeners get in addition to the end of the job (`events.ts`). */
  event?: EventKind
  /** Which count of the current minute rises by one. */
  counts?: 'completed' | 'failed' | 'retried'
}

/**
 * The number of crashes from which on a job is a suspect. A job that may crash only once never becomes a
 * suspect, because its first crash ends the job.
 */
export function suspectFrom(options: Running['options']): number {
  return Math.max(1, (options?.maxCrashes ?? MAX_CRASHES) - 1)
}

/** Whether a job must run alone in its process. */
export function isSuspect({ crashes, options }: Pick<Running, 'crashes' | 'options'>): boolean {
  return crashes >= suspectFrom(options)
}

/**
 * Whether a job may be prefetched or handed out with a ring. A job that may crash only once must not: if its
 * worker died after the start and before the `extend` that reports the start, the crash would not count.
 */
export function mayPrefetch(options: Running['options']): boolean {
  return options?.maxCrashes !== 1
}

/** The consequence for a job that a worker has settled. @param now milliseconds since 1970 */
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
 * The consequence for a job whose lease was taken back, because its worker has died. Every job of the dead
 * process that had started counts a crash, because the store cannot know which job was the cause, or whether
 * somebody killed the process. The job fails at `MAX_CRASHES` crashes if the process ended from within, and
 * at `MAX_CRASHES_UNSURE` crashes if somebody may have killed the process. If the class has a limit
 * (`maxCrashes`), this limit replaces both numbers. For a suspect that ran beside other jobs, the limit is at
 * least `MAX_CRASHES_UNSURE`.
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

/**
 * Returns the consequence `put`, with which a job goes back to its line. If somebody has asked to cancel the
 * job, returns the consequence of a cancel.
 */
function unlessAsked({ asked }: Pick<Running, 'asked'>, put: Consequence): Consequence {
  if (asked === undefined || asked === null) return put
  const { event, ...rest } = put
  const crash = event === 'crashed' ? { event } : {}
  return { ...rest, state: 'cancelled', reason: untimed(asked), isUntold: true, ...crash }
}
