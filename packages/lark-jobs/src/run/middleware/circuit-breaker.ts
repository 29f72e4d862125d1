/**
 * A middleware that stops jobs from calling a service that is down. `circuit.ts` describes the states. The store keeps
 * them for all workers.
 */

import type { Duration } from '../../model/duration.ts'
import { JobsError } from '../../model/errors.ts'
import { newId } from '../../model/id.ts'
import { isCount } from '../../model/limit.ts'
import { returnedFalse } from '../../model/run.ts'
import { notName, storedName } from '../../model/stored-name.ts'
import { textOf } from '../../model/thrown.ts'
import { type CircuitEvent, type CircuitRule, MAX_FAILURES } from '../../options/circuit.ts'
import type { Middleware, MiddlewareJob } from '../../options/middleware.ts'
import { checkOptions, refused, span } from './option.ts'
import { reachOf } from './permits.ts'

export interface CircuitBreakerOptions {
  /** The circuit opens after this many failed attempts … Default 5, at most 1,000. */
  failures?: number
  /** … within this time. Default 1 min. */
  per?: Duration
  /** How long the circuit stays open before a job runs as a trial. Default 30 s. */
  pause?: Duration
  /** Classes with the same name share one circuit. Default: each class has its own. */
  name?: string
  /** Whether an error counts. Default: every error counts. */
  when?: (error: unknown) => boolean
}

/**
 * The circuit opens after a number of failed attempts within a time, over all workers. While it is open, jobs are put
 * back until the pause is over, which burns no attempt. Then one job runs as a trial: if it succeeds, the circuit
 * closes; if it fails, the pause begins anew. Under `dispatchNow()` this middleware does nothing.
 *
 * @throws JOB_INVALID for unknown options and wrong values
 * @example middleware() { return [circuitBreaker({ failures: 5, per: '1m', pause: '30s', name: 'stripe' })] }
 */
// biome-ignore lint/suspicious/noExplicitAny: see Middleware
export function circuitBreaker(options: CircuitBreakerOptions = {}): Middleware<any> {
  const rule = ruleOf(options)
  const { name, when } = options

  return async function circuitBreaker(job, next) {
    const { permits } = reachOf(job)
    if (permits === undefined) return next()
    const place = name === undefined ? `class:${storedName(job.key)}` : `circuit:${storedName(name)}`
    const circuit = await permits.circuit(place, rule, { kind: 'begins' }, job.signal)
    // The random part spreads the jobs, so that not all of them come back for one trial.
    if (circuit.kind === 'open') {
      const wait = circuit.wait + (Math.random() * rule.pause) / 10
      return job.release(wait, `the circuit ${name ?? `of ${job.key}`} is open`)
    }
    const opening = circuit.kind === 'trial' ? circuit.opening : undefined
    const watch = new CircuitReport(job, opening, when, (event) => permits.circuit(place, rule, event))
    try {
      const value = await next()
      if (value === false) watch.threw(returnedFalse())
      else watch.succeeded()
      return value
    } catch (error) {
      watch.threw(error)
      throw error
    } finally {
      await watch.over()
    }
  }
}

/** Reports the end of one run to the circuit, once. */
class CircuitReport {
  readonly #job: MiddlewareJob
  readonly #opening: number | undefined
  readonly #when: CircuitBreakerOptions['when']
  readonly #tell: (event: CircuitEvent) => Promise<unknown>
  #told: Promise<unknown> | undefined
  /** Reports a timeout at once, because the handler may ignore its signal. */
  readonly #aborted = () => {
    const { reason } = this.#job.signal
    if (JobsError.is(reason, 'JOB_TIMED_OUT')) this.#failed(reason)
  }

  /** @param opening if the run is a trial: the opening that it tests */
  constructor(
    job: MiddlewareJob,
    opening: number | undefined,
    when: CircuitBreakerOptions['when'],
    tell: (event: CircuitEvent) => Promise<unknown>,
  ) {
    this.#job = job
    this.#opening = opening
    this.#when = when
    this.#tell = tell
    job.signal.addEventListener('abort', this.#aborted, { once: true })
  }

  succeeded(): void {
    const { decision } = reachOf(this.#job)
    if (decision !== undefined) this.threw(undefined)
    else if (this.#opening !== undefined) this.#say({ kind: 'passed', opening: this.#opening })
  }

  threw(error: unknown): void {
    const { decision } = reachOf(this.#job)
    if (decision?.kind === 'failed') this.#failed(decision.error)
    // The job was put back, or its worker ended it: this says nothing about the service.
    else if (decision !== undefined || this.#job.signal.aborted) this.#undecided()
    else this.#failed(error)
  }

  async over(): Promise<void> {
    this.#job.signal.removeEventListener('abort', this.#aborted)
    await this.#told
  }

  #failed(error: unknown): void {
    if (this.#counts(error)) this.#say({ kind: 'failed', id: newId(), opening: this.#opening })
    else this.#undecided()
  }

  #undecided(): void {
    if (this.#opening !== undefined) this.#say({ kind: 'undecided', opening: this.#opening })
  }

  #say(event: CircuitEvent): void {
    this.#told ??= this.#tell(event).catch((error) =>
      this.#job.warn(`circuitBreaker(): could not record how the run ended: ${textOf(error)}`),
    )
  }

  /** If `when` throws, the error counts. */
  #counts(error: unknown): boolean {
    try {
      return this.#when?.(error) !== false
    } catch (thrown) {
      this.#job.warn(`circuitBreaker(): when threw: ${textOf(thrown)}`)
      return true
    }
  }
}

function ruleOf(options: CircuitBreakerOptions): CircuitRule {
  checkOptions('circuitBreaker', options, ['failures', 'per', 'pause', 'name', 'when'])
  const { failures = 5, per = '1m', pause = '30s', name, when } = options
  if (!isCount(failures) || failures > MAX_FAILURES)
    throw refused('circuitBreaker', 'failures', failures, `a whole number from 1 to ${MAX_FAILURES}`)
  if (name !== undefined && (typeof name !== 'string' || name === '' || notName(name) !== undefined))
    throw refused('circuitBreaker', 'name', name, "a text, such as 'stripe'")
  if (when !== undefined && typeof when !== 'function')
    throw refused('circuitBreaker', 'when', when, 'a function of the error')
  return {
    failures,
    per: span('circuitBreaker', 'per', per),
    pause: span('circuitBreaker', 'pause', pause),
  }
}
