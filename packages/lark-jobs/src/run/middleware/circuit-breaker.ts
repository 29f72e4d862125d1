/**
 * A middleware that stops jobs from calling a service that is down. `options/circuit.ts` describes the states
 * of a circuit. The store keeps the state for all workers.
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
  /** The number of failed attempts within `per` after which the circuit opens. Default 5, at most 1,000. */
  failures: whole(1, MAX_FAILURES).or(5),
  /** The period in which failed attempts are counted. Default 1 min. */
  per: duration().or('1m'),
  /** How long the circuit stays open before a job runs as a trial. Default 30 s. */
  pause: duration().or('30s'),
  /**
   * The name of the circuit. Classes with the same name share one circuit. Default: each class has a circuit
   * of its own.
   */
  name: sharedName,
  /** Whether an error counts as a failure. Default: every error counts. */
  when: func<(error: unknown) => boolean>('a function of the error'),
})

export interface CircuitBreakerOptions extends OptionsOf<typeof circuitBreakerOptions.entries> {}

/**
 * Stops jobs from calling a service that is down. The circuit opens after a number of failed attempts within
 * a period, counted over all workers. While the circuit is open, jobs are put back until the pause is over,
 * which uses no attempt. After the pause, one job runs as a trial: if the trial succeeds, the circuit closes;
 * if the trial fails, the pause starts over. With `dispatchNow()`, this middleware does nothing.
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
    // The random part of the delay spreads the jobs, so that not all of them come back for the same trial.
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
 * @param opening the opening that the run tests, if the run is a trial
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
  /** A timeout is reported at once, because the handler may ignore its signal and run on. */
  const aborted = () => {
    const { reason } = job.signal
    if (JobsError.is(reason, 'JOB_TIMED_OUT')) failed(reason)
  }
  const threw = (error: unknown) => {
    const { decision } = reachOf(job)
    if (decision?.kind === 'failed') failed(decision.error)
    // The job was put back, or its worker aborted the run: neither says anything about the service.
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
