/**
 * One run of one job, as the steps it passes: its class, its payload, handle, and what became of it.
 *
 * A run ends in exactly one outcome. Nothing that a handler does makes this page throw.
 */
import { pauseAfter } from '../backoff.ts'
import { JobsError } from '../errors.ts'
import { currentRun, type JobClass } from '../job-class.ts'
import { decode, encode } from '../payload.ts'
import type { JobError, Outcome } from '../record.ts'
import type { Running } from './running.ts'

/** Milliseconds: the pause of a job that no class here runs, doubled with every meeting up to the second. */
const UNKNOWN_PAUSE = { from: 1_000, to: 60_000 }
/** Characters of a stack kept with an error. */
const MAX_STACK = 4_000
/** Characters of a message kept with an error. */
const MAX_MESSAGE = 2_000
/** What the frames of this folder have in them; in a bundle there is no such folder. */
const here = /^.*\/worker\/(?=runner\.)/.exec(import.meta.url ?? '')?.[0] ?? 'node:internal'

/** Most runs end so. */
const COMPLETED: Outcome = { kind: 'completed' }

/**
 * Runs a job, and tells its outcome to `ended`, never before the next microtask.
 *
 * Written with callbacks, because each `async` function on the way of a job costs as much as all the rest of this
 * page (measured: 0.4 µs of 1.9 for a handler that does nothing).
 */
export function runJob(running: Running, ended: (running: Running, outcome: Outcome) => void): void {
  const { lease, jobClass } = running
  if (jobClass === undefined) {
    queueMicrotask(() => ended(running, { kind: 'released', in: unknownPause(lease.releases) }))
    return
  }
  handle(running, jobClass).then(
    (value) => ended(running, returned(value, running, jobClass)),
    (error) => ended(running, thrown(error, running, jobClass)),
  )
}

/** The work is done, whoever asked meanwhile for an end; but a result that comes after the timeout is too late. */
function returned(value: unknown, running: Running, jobClass: JobClass): Outcome {
  return isTooLate(running) ? stopped(running, jobClass) : success(value, running, jobClass)
}

function thrown(error: unknown, running: Running, jobClass: JobClass): Outcome {
  return running.run.reason === undefined ? failure(error, running, jobClass) : stopped(running, jobClass)
}

/** Milliseconds. A newer worker may be on its way, so the job waits and burns no attempt. */
function unknownPause(releases: number): number {
  return Math.min(UNKNOWN_PAUSE.to, UNKNOWN_PAUSE.from * 2 ** releases)
}

/** What `handle` returns, as a promise, whatever it is and whatever it throws. */
function handle(running: Running, jobClass: JobClass): Promise<unknown> {
  try {
    const job = new jobClass.make()
    job[currentRun] = running.run
    return Promise.resolve(job.handle(decode(running.lease.payload)))
  } catch (error) {
    return Promise.reject(error)
  }
}

function success(value: unknown, running: Running, jobClass: JobClass): Outcome {
  if (value === true || value === undefined) return COMPLETED
  if (value === false)
    return failure(new JobsError('HANDLE_RETURNED_FALSE', 'handle() returned false'), running, jobClass)
  try {
    return { kind: 'completed', result: encode(value, jobClass.name, 'result') }
  } catch (error) {
    // The work is done: a result that cannot be kept must not make it be done again.
    running.run.write('warn', `The result was not kept: ${(error as Error | null)?.message ?? error}`)
    return { kind: 'completed' }
  }
}

function isTooLate({ run }: Running): boolean {
  return (run.reason as JobsError | undefined)?.code === 'JOB_TIMED_OUT'
}

/** The run was told to end, and ended without success, or does not end. */
export function stopped(running: Running, jobClass: JobClass): Outcome {
  const reason = running.run.reason as JobsError
  if (reason.code === 'WORKER_STOPPED') return { kind: 'released', in: 0 }
  if (reason.code === 'JOB_CANCELLED') return { kind: 'cancelled', reason: running.cancelled ?? 'user' }
  return failure(reason, running, jobClass)
}

function failure(thrown: unknown, running: Running, jobClass: JobClass): Outcome {
  const { lease } = running
  const error = jobError(thrown, lease.runs, performance.now() - running.startedAt)
  const failures = lease.failures + 1
  const tries = lease.options?.tries ?? jobClass.tries
  if (failures >= tries) return { kind: 'failed', error }
  return { kind: 'failed', error, retryIn: pauseAfter(failures, lease.options?.backoff ?? jobClass.backoff) }
}

function jobError(thrown: unknown, run: number, ms: number): JobError {
  const took = Number(ms.toFixed(1))
  try {
    if (!(thrown instanceof Error))
      return { run, name: 'Error', message: String(thrown).slice(0, MAX_MESSAGE), took }
    const { name, message, stack, code } = thrown as Error & { code?: unknown }
    return {
      run,
      name: String(name).slice(0, MAX_MESSAGE),
      message: String(message).slice(0, MAX_MESSAGE),
      ...(typeof code === 'string' && { code: code.slice(0, MAX_MESSAGE) }),
      ...(typeof stack === 'string' && !(thrown instanceof JobsError) && { stack: ownFrames(stack) }),
      took,
    }
  } catch {
    // A getter that throws, an object without a text: handlers may throw anything.
    return { run, name: 'Error', message: 'something was thrown that has no text', took }
  }
}

/** The stack without the frames of this package and of Node, which are the same for every job. */
function ownFrames(stack: string): string {
  const isOther = (line: string) =>
    /^ {4}at /.test(line) && (line.includes(here) || line.includes('node:internal'))
  const lines = stack.split('\n').filter((line) => !isOther(line))
  return lines.join('\n').slice(0, MAX_STACK)
}
