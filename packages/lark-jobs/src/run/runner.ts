/**
 * One run of one job, step by step: find the class, read the payload, call `handle` (through
 * `middleware/through.ts` if there is middleware), decide the outcome, and call `failed` or `cancelled` if
 * there is no further attempt (`last-hook.ts`). `retry-policy.ts` decides whether a failed attempt is
 * followed by a retry.
 *
 * A run ends in exactly one outcome. No behaviour of a handler makes the functions of this file throw.
 */
import { defined } from '@s18i/lark/internal'
import { inContext } from '../model/context.ts'
import { JobsError } from '../model/errors.ts'
import { resultText, whyDropped } from '../model/payload.ts'
import { hasPayload, type Outcome } from '../model/record.ts'
import { inRunOf } from '../model/run/current-member.ts'
import type { Decision } from '../model/run/decision.ts'
import { jobError, restored } from '../model/run/job-error.ts'
import { returnedFalse } from '../model/run/run.ts'
import { limitsFrom } from '../model/tick.ts'
import type { JobClass, JobLike } from '../options/job-class.ts'
import { insideOfJob } from '../options/job-inside.ts'
import { newerVersion, readPayload } from '../options/payload-rules.ts'
import { type LaterEnd, laterEnd, readLaterEnd } from '../store/contract/rules/undoing.ts'
import { readable } from '../words/duration.ts'
import { CommandJob } from './command-job.ts'
import { type Execution, type Isolation, limitOf } from './execution.ts'
import { fingerprintOf } from './fingerprint.ts'
import { hears, type LastWord, tell } from './last-hook.ts'
import { withMade } from './made-job.ts'
import { SeenJob } from './middleware/seen-job.ts'
import { through } from './middleware/through.ts'
import { isInTime, retryIn } from './retry-policy.ts'
import { undoFailed } from './undo-error.ts'

/**
 * How long a job is put back if this worker does not know its class, in milliseconds. The time begins at
 * `from` and doubles up to `to`.
 */
const UNKNOWN_PAUSE = { from: 1_000, to: 60_000 }
/** The number of characters of a damaged field that a message shows. */
const SHOWN = 200
/** The text that messages show instead of a text with data that people may not be allowed to see. */
const NOT_SHOWN = '[redacted] (an export of the job has it)'

type Failed = Outcome & { kind: 'failed' }

/** The outcome of most runs. */
const COMPLETED: Outcome = { kind: 'completed' }

/**
 * The outcome of a run. The outcome is a promise only if the time of the retry comes from an async `backoff`.
 */
type RunOutcome = Outcome | Promise<Outcome>

/** A function that is called with the outcome of a run. */
type WhenEnded<E extends Execution> = (execution: E, outcome: Outcome) => void

/**
 * Runs a job, and calls `ended` with the outcome. The call of `ended` never comes before the next microtask.
 *
 * This code uses callbacks, because each `async` function that a job passes costs as much as the rest of this
 * file (measured: 0.4 µs of 1.9 µs for a handler that does nothing).
 */
export function runJob<E extends Execution>(execution: E, ended: WhenEnded<E>): void {
  const { job, jobClass } = execution
  if (job.unreadable?.kind === 'damaged') {
    const { field } = job.unreadable
    const text = hasPayload(job.unreadable) ? NOT_SHOWN : job.unreadable.text
    queueMicrotask(() =>
      conclude(execution, jobClass, failedForGood(damage(execution, field, text), execution), ended),
    )
    return
  }
  if (jobClass === undefined) {
    const isMarked = job.unreadable?.kind === 'marked'
    const because = isMarked ? 'the worker does not know its format' : 'the worker has no class with this key'
    queueMicrotask(() => ended(execution, stranded(execution, because)))
    return
  }
  const newer = newerVersion(job.payload, jobClass.rules)
  if (newer !== undefined) {
    const because = `its payload is of version ${newer}, and its class here is of version ${jobClass.rules?.version ?? 1}`
    queueMicrotask(() => ended(execution, stranded(execution, because)))
    return
  }
  inRunOf(job.id, inContext, job.options?.context, run<E>, execution, jobClass, ended)
}

function run<E extends Execution>(execution: E, jobClass: JobClass, ended: WhenEnded<E>): void {
  if (!execution.undoes && isExpired(execution, jobClass)) {
    queueMicrotask(() => conclude(execution, jobClass, { kind: 'cancelled', reason: 'expired' }, ended))
    return
  }
  execution.hasBegun = true
  const handled = handle(execution, jobClass)
  if (execution.undoes) {
    void undone(execution, jobClass, handled).then((outcome) => {
      execution.through()
      conclude(execution, jobClass, outcome, ended)
    })
    return
  }
  handled.then(
    (value) => {
      execution.through()
      conclude(execution, jobClass, returned(value, execution, jobClass), ended)
    },
    (error) => {
      execution.through()
      conclude(execution, jobClass, thrown(error, execution, jobClass), ended)
    },
  )
}

/** Whether the job is too late to begin (`expiresIn`). Only the first run of a job can be too late. */
function isExpired({ job, environment }: Execution, jobClass: JobClass): boolean {
  const limit = job.options?.expiresIn ?? jobClass.expiresIn
  return !!limit && job.runs === 1 && environment.clock.now() > limitsFrom(job) + limit
}

/** The error of a job that can never run. The store keeps the damaged content. */
function damage({ job, claimer }: Execution, field: string, text: string): JobsError {
  const { id } = job
  const shown = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
  const what = field === 'record' ? 'is' : `has as its ${field}`
  const message = `The record of job ${id} in ${claimer.partition} is damaged: it ${what} ${shown}`
  return new JobsError('RECORD_DAMAGED', message, { id })
}

/**
 * The last part of a run. If the job has failed for good or was cancelled, the hook of the class is called
 * first, and the outcome is reported after that.
 */
export function conclude<E extends Execution>(
  execution: E,
  jobClass: JobClass | undefined,
  outcome: RunOutcome,
  ended: WhenEnded<E>,
): void {
  if (outcome instanceof Promise) {
    void outcome.then((then) => conclude(execution, jobClass, then, ended))
    return
  }
  // A stuck handler may end while the hook of the class runs: then the run is already concluded.
  if (execution.isConcluded) return
  const undoing = undoneFirst(outcome, execution)
  if (undoing !== undefined) {
    ended(execution, undoing)
    return
  }
  const word = lastWord(outcome, execution)
  // If the lease is lost or the job was given back, the next worker of the job calls the hook.
  if (
    word === undefined ||
    jobClass === undefined ||
    !hears(jobClass, word.kind) ||
    execution.isLost ||
    execution.abandoned
  ) {
    ended(execution, outcome)
    return
  }
  execution.isConcluded = true
  // The context of the job is set explicitly, because the timer makes this call if the handler is stuck.
  const telling = () => inContext(execution.job.options?.context, told, execution, jobClass, word, outcome)
  const all = execution.processing?.within(telling) ?? telling()
  void all.then((then) => ended(execution, then))
}

/** The outcome that replaces `failed` or `cancelled` for a job that must undo steps first. */
function undoneFirst(outcome: Outcome, execution: Execution): Outcome | undefined {
  const { stepsIfAny, job } = execution
  if (stepsIfAny?.hasUndos !== true && job.journal?.undo !== '') return undefined
  if (outcome.kind === 'cancelled')
    return later(laterEnd({ ...outcome, ...execution.whyCancelled(outcome.reason) }), 0)
  const isLast = outcome.kind === 'failed' && outcome.retryIn === undefined
  return isLast ? later(laterEnd(outcome), 0) : undefined
}

/** @param undoing how the job will end after its steps were undone */
function later(undoing: string, ms: number): Outcome {
  return {
    kind: 'suspended',
    in: Math.max(0, Math.ceil(ms)),
    waits: [],
    heard: Number.MAX_SAFE_INTEGER,
    undoing,
  }
}

/** The outcome of a run that undoes the steps of earlier runs. */
async function undone(execution: Execution, jobClass: JobClass, handled: Promise<unknown>): Promise<Outcome> {
  const undoing = execution.job.journal!.undo!
  const found = await execution
    .steps!.undo(handled)
    .catch((error: unknown) => ({ kind: 'thrown', error }) as const)
  if (execution.drop !== undefined) {
    execution.drop(new JobsError('JOB_UNDONE', `${execution.name} ends, and its steps are undone`))
    await handled.catch(() => {})
  }
  if (found.kind === 'later') return later(undoing, found.in)
  if (found.kind === 'undone') return endOf(readLaterEnd(undoing), execution)
  const { decision, reason } = execution.run
  if (decision?.kind === 'released') return await decided(decision, execution, jobClass)
  if (reason !== undefined) return later(undoing, 0)
  const error = undoFailed(jobClass.name, found, readLaterEnd(undoing))
  return found.kind === 'failed' ? failedForGood(error, execution) : await failure(error, execution, jobClass)
}

function endOf(end: LaterEnd, execution: Execution): Outcome {
  if (end.kind === 'failed') {
    execution.thrown = restored(end.error)
    return forGood({ kind: 'failed', error: end.error }, execution)
  }
  execution.cancelled = end
  return { kind: 'cancelled', reason: end.reason }
}

function lastWord(outcome: Outcome, execution: Execution): LastWord | undefined {
  if (outcome.kind === 'cancelled') return { kind: 'cancelled', ...execution.whyCancelled(outcome.reason) }
  return outcome.kind === 'failed' && outcome.retryIn === undefined
    ? { kind: 'failed', error: execution.thrown }
    : undefined
}

/**
 * Calls the last hook of the job (`failed()` or `cancelled()`), and then returns the outcome to report. If
 * the worker stops before the hook has ended, the attempt is repeated, and the hook is called again: it is
 * called at least once.
 */
async function told(
  execution: Execution,
  jobClass: JobClass,
  word: LastWord,
  outcome: Outcome,
): Promise<Outcome> {
  execution.environment.goesOn(execution)
  const { run, job, environment } = execution
  const isTold = await tell(jobClass, run, word, job.payload, environment.make)
  return isTold || !JobsError.is(run.reason, 'WORKER_STOPPED') ? outcome : { kind: 'released', in: 0 }
}

/**
 * The outcome of a run whose `handle` has returned. The result counts even if somebody has asked to cancel
 * the job meanwhile, but not after the timeout.
 */
function returned(value: unknown, execution: Execution, jobClass: JobClass): RunOutcome {
  const { decision } = execution.run
  if (decision !== undefined) return decided(decision, execution, jobClass)
  return isTooLate(execution) ? stopped(execution, jobClass) : success(value, execution, jobClass)
}

function thrown(error: unknown, execution: Execution, jobClass: JobClass): RunOutcome {
  const { decision, reason } = execution.run
  if (decision !== undefined) return decided(decision, execution, jobClass)
  return reason === undefined ? failure(error, execution, jobClass) : stopped(execution, jobClass)
}

/**
 * The outcome of a job that has called `fail()` or `release()`. After the timeout or a cancellation, a
 * release does not count.
 */
function decided(decision: Decision, execution: Execution, jobClass: JobClass): RunOutcome {
  if (decision.kind === 'failed') return failedForGood(decision.error, execution)
  if (decision.kind === 'suspended') return decision.outcome
  if (decision.kind === 'stranded') return stranded(execution, decision.because)
  if (isTooLate(execution) || JobsError.is(execution.run.reason, 'JOB_CANCELLED'))
    return stopped(execution, jobClass)
  const limit = limitOf(execution.job, jobClass)
  if (isInTime(execution, limit, decision.in))
    return {
      kind: 'released',
      in: decision.in,
      ...defined({ pauses: decision.pauses, because: decision.because, keepsPlace: decision.keepsPlace }),
    }
  const until = `its retryUntil, which ends ${readable(limit!)} after it was queued`
  const error = new JobsError('RETRY_UNTIL_PASSED', `${jobClass.name}: released to a time past ${until}`)
  return failedForGood(error, execution)
}

/**
 * Puts back a job that this worker cannot read. The job loses no attempt, because a newer worker that can
 * read the job may come.
 */
function stranded({ job: { releases } }: Execution, because: string): Outcome {
  const pause = Math.min(UNKNOWN_PAUSE.to, UNKNOWN_PAUSE.from * 2 ** releases)
  return { kind: 'released', in: pause, because, isStranded: true }
}

/** Calls `handle`, through the middleware if there is any. @returns a promise of the result or the error */
export function handle(execution: Execution, jobClass: JobClass): Promise<unknown> {
  try {
    const { run, environment } = execution
    if (jobClass.isolate !== undefined && environment.isolation !== undefined)
      return isolated(execution, jobClass, environment.isolation)
    const payload = payloadOf(execution, jobClass)
    // The application's `make` cannot make the job that runs commands, because that class is Lark's own.
    if (environment.make !== undefined && jobClass.Class !== CommandJob) {
      const use = (job: JobLike) => called(job, payload, execution, jobClass)
      return withMade(environment.make, jobClass, run, payload, use)
    }
    const job = new jobClass.Class()
    insideOfJob(job).run = run
    return Promise.resolve(called(job, payload, execution, jobClass))
  } catch (error) {
    return Promise.reject(error)
  }
}

/**
 * Runs the handler in another process. The middleware runs in this process, so it can still finish after the
 * process of the handler was killed.
 */
function isolated(execution: Execution, jobClass: JobClass, isolation: Isolation): Promise<unknown> {
  const { run, claimer, environment } = execution
  const { middleware, permits } = environment
  const handle = () => isolation.handle(execution, jobClass)
  if (middleware.length + jobClass.middleware.length === 0) return handle()
  const payload = payloadOf(execution, jobClass)
  const seen = new SeenJob(run, jobClass, claimer.queue, payload, permits)
  return through([...middleware, ...jobClass.middleware], seen, () => droppable(execution, handle()))
}

function called(job: JobLike, payload: unknown, execution: Execution, jobClass: JobClass): unknown {
  const { middleware, permits } = execution.environment
  if (middleware.length + jobClass.middleware.length === 0) {
    const handled = job.handle(payload)
    return execution.environment.make === undefined ? handled : droppable(execution, handled)
  }
  const seen = new SeenJob(execution.run, jobClass, execution.claimer.queue, payload, permits)
  return through([...middleware, ...jobClass.middleware], seen, () =>
    droppable(execution, job.handle(payload)),
  )
}

/**
 * Lets `execution.drop` reject the promise of `handle`. So the code around `handle` ends when the job is
 * suspended: the middleware, and the `dispose` of the application.
 */
function droppable(execution: Execution, handled: unknown): unknown {
  if (!(handled instanceof Promise)) return handled
  return new Promise((resolve, reject) => {
    execution.drop = reject
    handled.then(resolve, reject)
  })
}

/**
 * @throws RECORD_DAMAGED, PAYLOAD_INVALID, PAYLOAD_VERSION. With these errors, the job fails without a retry
 */
function payloadOf(execution: Execution, jobClass: JobClass): unknown {
  const { payload, options } = execution.job
  try {
    return readPayload(payload, jobClass)
  } catch (problem) {
    const text = options?.redact === undefined ? payload : 'no JSON'
    const error = JobsError.is(problem) ? problem : damage(execution, 'payload', text)
    return execution.run.decide({ kind: 'failed', error })
  }
}

function success(value: unknown, execution: Execution, jobClass: JobClass): RunOutcome {
  if (value === false) return failure(returnedFalse(), execution, jobClass)
  const unawaited = execution.stepsIfAny?.notAwaited
  if (unawaited !== undefined) return failure(unawaited, execution, jobClass)
  const { crossed } = execution
  const isCrossed = crossed !== undefined && crossed.value === value
  const result = isCrossed ? crossed.text : resultText(value, jobClass.name)
  if (result === undefined) return COMPLETED
  // The work of the job is done, so a result that cannot be kept must not cause a retry.
  const why = whyDropped(result)
  if (why !== undefined) execution.run.write('warn', `The result was not kept: ${why}`)
  return { kind: 'completed', result }
}

function isTooLate({ run }: Execution): boolean {
  return JobsError.is(run.reason, 'JOB_TIMED_OUT')
}

/** The outcome of a run whose signal was aborted. The handler has ended without success, or does not end. */
export function stopped(execution: Execution, jobClass: JobClass): RunOutcome {
  const reason = execution.run.reason as JobsError
  if (reason.code === 'WORKER_STOPPED') return { kind: 'released', in: 0 }
  if (reason.code === 'JOB_CANCELLED')
    return { kind: 'cancelled', reason: execution.cancelled?.reason ?? 'user' }
  return failure(reason, execution, jobClass)
}

function failure(thrown: unknown, execution: Execution, jobClass: JobClass): RunOutcome {
  const outcome = failed(thrown, execution)
  const pause = retryIn(thrown, execution, jobClass)
  const ending = (retryIn: number | undefined) =>
    retryIn === undefined ? forGood(outcome, execution) : { ...outcome, retryIn }
  return pause instanceof Promise ? pause.then(ending) : ending(pause)
}

function failedForGood(thrown: unknown, execution: Execution): Failed {
  return forGood(failed(thrown, execution), execution)
}

function failed(thrown: unknown, execution: Execution): Failed {
  execution.thrown = thrown
  const error = jobError(thrown, execution.job.runs, performance.now() - execution.startedAt)
  const { release } = execution.environment
  return { kind: 'failed', error: release === undefined ? error : { ...error, release } }
}

/**
 * Adds the kind of the failure, because the store keeps the newest failed jobs of each kind longest. An
 * attempt that is retried needs no kind.
 */
function forGood(outcome: Failed, { job: { id, key } }: Execution): Failed {
  return { ...outcome, alike: fingerprintOf({ id, key, errors: [outcome.error] })!.hash }
}
