/**
 * The object that middleware receives for a running job. The object is created only for jobs that have
 * middleware.
 */
import { failing, releasing } from '../../model/run/decision.ts'
import type { Run } from '../../model/run/run.ts'
import type { MiddlewareJob } from '../../options/middleware.ts'
import type { Duration } from '../../words/duration.ts'
import { type Permits, type Reach, reach } from './permits.ts'

export class SeenJob implements MiddlewareJob {
  readonly key: string
  readonly name: string
  readonly queue: string
  readonly payload: unknown
  readonly #run: Run
  readonly #permits: Permits | undefined

  /** @param permits the permits of the worker. Undefined without a worker */
  constructor(
    run: Run,
    jobClass: { key: string; name: string },
    queue: string,
    payload: unknown,
    permits?: Permits,
  ) {
    this.#run = run
    this.#permits = permits
    this.key = jobClass.key
    this.name = jobClass.name
    this.queue = queue
    this.payload = payload
  }

  get [reach](): Reach {
    const { decision, job } = this.#run
    return { permits: this.#permits, decision, job, abort: (reason) => this.#run.abort(reason) }
  }

  get id(): string {
    return this.#run.id
  }

  get attempt(): number {
    return this.#run.attempt
  }

  get signal(): AbortSignal {
    return this.#run.signal
  }

  info(text: string): void {
    this.#run.write('info', String(text))
  }

  success(text: string): void {
    this.#run.write('success', String(text))
  }

  warn(text: string): void {
    this.#run.write('warn', String(text))
  }

  error(text: string): void {
    this.#run.write('error', String(text))
  }

  release(delay: Duration = 0, because?: string): never {
    this.#run.decide(releasing(delay, this.name, undefined, because))
  }

  pauseGroup(delay: Duration): never {
    this.#run.decide(releasing(delay, this.name, 'group'))
  }

  pauseQueue(delay: Duration, because?: string): never {
    this.#run.decide(releasing(delay, this.name, 'queue', because))
  }

  fail(error?: unknown): never {
    this.#run.decide(failing(error))
  }
}
