/**
 * A middleware that stops jobs from calling a service that is down. `circuit.ts` describes the states. The
 * store keeps them for all workers.
 */

import { JobsError } from '../../model/errors.ts'
import { newId } from '../../model/id.ts'
import { returnedFalse } from '../../model/run/run.ts'
import { storedName } from '../../model/stored-name.ts'
import { type CircuitEvent, isOpenWords, MAX_FAILURES } from '../../options/circuit.ts'
import { type Middleware, type MiddlewareJob, sharedName } from '../../options/middleware.ts'
import { duration, func, type OptionsOf, Schema, voiceOf, whole } from '../../options/schema.ts'
import { textOf } from '../../words/thrown.ts'
import { reachOf } from './permits.ts'

export const circuitBreakerOptions = new Schema('an object', {
  /** The circuit opens after this many failed attempts … Default 5, at most 1,000. */
  failures: whole(1, MAX_FAILURES).or(5),
  /** … within this time. Default 1 min. */
  per: duration().or('1m'),
  /** How long the circuit stays open before a job runs as a trial. Default 30 s. */
  pause: duration().or('30s'),
  /** Classes with the same name share one circuit. Default: each class has its own. */
  name: sharedName,
  /** Whether an error counts. Default: every error counts. */
  when: func<(error: unknown) => boolean>('a function of the error'),
})

export interface CircuitBreakerOptions extends OptionsOf<typeof circuitBreakerOptions.entries> {}

/**
 * The circuit opens after a number of failed attempts within a time, over all workers. While it is open, jobs
 * are put back until the pause is over, which uses no attempt. Then one job runs as a trial: if it succeeds,
 * the circuit closes; if it fails, the pause starts over. Under `dispatchNow()` this middleware does nothing.
 *
 * @throws JOB_INVALID for unknown options and wrong values
 * @example middleware() { return [circuitBreaker({ failures: 5, per: '1m', pause: '30s', name: 'stripe' })] }
 */
// biome-ignore lint/suspicious/noExplicitAny: see Middleware
export function circuitBreaker(options: CircuitBreakerOptions = {}): Middleware<any> {
  const voice = voiceOf('JOB_INVALID', 'circuitBreaker()')
  const { name, when, ...rule } = circuitBreakerOptions.readAll(options, voice)

  return async function circuitBreaker(job, next) {
    const { permits } = reachOf(job)
    if (permits === undefined) return next()
    const place = name === undefined ? `class:${storedName(job.key)}` : `circuit:${storedName(name)}`
    const key = name === undefined ? undefined : job.key
    const circuit = await permits.circuit(place, rule, { kind: 'begins' }, job.signal, key)
    // The random part spreads the jobs, so that not all of them come back for the same trial.
    if (circuit.kind === 'open') {
      const wait = circuit.wait + (Math.random() * rule.pause) / 10
      return job.release(wait, isOpenWords(name, job.key))
    }
    const opening = circuit.kind === 'trial' ? circuit.opening : undefined
    const report = reportOf(job, opening, when, (event) => permits.circuit(place, rule, event))
    try {
      const value = await next()
      if (value === false) report.threw(returnedFalse())
      else report.succeeded()
      return value
    } catch (error) {
      report.threw(error)
      throw error
    } finally {
      await report.over()
    }
  }
}

/**
 * Reports the end of one run to the circuit, once.
 *
 * @param opening if the run is a trial: the opening that it tests
 */
function reportOf(
  job: MiddlewareJob,
  opening: number | undefined,
  when: ((error: unknown) => boolean) | undefined,
  tell: (event: CircuitEvent) => Promise<unknown>,
) {
  let told: Promise<unknown> | undefined
  const say = (event: CircuitEvent) => {
    told ??= tell(event).catch((error) =>
      job.warn(`circuitBreaker(): could not record how the run ended: ${textOf(error)}`),
    )
  }
  const undecided = () => {
    if (opening !== undefined) say({ kind: 'undecided', opening })
  }
  /** If `when` throws, the error counts. */
  const counts = (error: unknown) => {
    try {
      return when?.(error) !== false
    } catch (thrown) {
      job.warn(`circuitBreaker(): when threw: ${textOf(thrown)}`)
      return true
    }
  }
  const failed = (error: unknown) => {
    if (counts(error)) say({ kind: 'failed', id: newId(), opening })
    else undecided()
  }
  /** Reports a timeout at once, because the handler may ignore its signal. */
  const aborted = () => {
    const { reason } = job.signal
    if (JobsError.is(reason, 'JOB_TIMED_OUT')) failed(reason)
  }
  const threw = (error: unknown) => {
    const { decision } = reachOf(job)
    if (decision?.kind === 'failed') failed(decision.error)
    // The job was put back, or its worker ended it: this says nothing about the service.
    else if (decision !== undefined || job.signal.aborted) undecided()
    else failed(error)
  }
  const succeeded = () => {
    if (reachOf(job).decision !== undefined) threw(undefined)
    else if (opening !== undefined) say({ kind: 'passed', opening })
  }
  const over = async () => {
    job.signal.removeEventListener('abort', aborted)
    await told
  }
  job.signal.addEventListener('abort', aborted, { once: true })
  return { threw, succeeded, over }
}
