/**
 * The jobs that a worker runs now: each begins with a lease and ends with an outcome for its partition's claimer.
 *
 * A job whose lease is lost keeps its slot until its handler ends, and then has nothing to settle. One that is given
 * back leaves its slot at once, whatever its handler still does.
 */
import { JobsError } from '../errors.ts'
import type { LeasedJob, LogLine, Outcome } from '../record.ts'
import { timedOut } from '../run.ts'
import type { Claimer } from './claimer.ts'
import { Deadline } from './deadline.ts'
import type { Registry } from './registry.ts'
import { type Report, Tally } from './report.ts'
import { runJob } from './runner.ts'
import { Running } from './running.ts'
import { within } from './within.ts'

/** Milliseconds that handlers get to hear their signal before their jobs are given back. */
const LAST_WORDS = 1_000

export class Slots {
  readonly running = new Set<Running>()
  readonly tally = new Tally()
  /** Handlers that still run though their jobs were given back: they ignored their signal. */
  abandoned = 0
  readonly #registry: Registry
  readonly #report: Report
  readonly #changed: () => void
  /** One function for all jobs: most write nothing. */
  readonly #wrote = ({ lease, name }: Running, line: LogLine) => this.#report.wrote(lease, name, line)
  readonly #deadline = new Deadline(this.running, (running) => this.#stuck(running))

  /** @param changed called when a slot is free again */
  constructor(registry: Registry, report: Report, changed: () => void) {
    this.#registry = registry
    this.#report = report
    this.#changed = changed
  }

  begin(lease: LeasedJob, claimer: Claimer): void {
    this.tally.started()
    const jobClass = this.#registry.find(lease.key)
    const running = new Running(lease, claimer, jobClass, this.#wrote)
    this.running.add(running)
    if (jobClass !== undefined) {
      const timeout = lease.options?.timeout ?? jobClass.timeout
      this.#deadline.set(running, timeout, () => timedOut(jobClass.name, timeout))
    }
    void runJob(running).then((outcome) => {
      // It may have been given back meanwhile.
      if (!this.running.delete(running)) return
      if (!running.abandoned) this.#settle(running, outcome)
      else if (running.isLost) this.lost(lease.id)
      this.#changed()
    })
  }

  /** The store said that a job was no longer ours. @param outcome how it was counted, if it was */
  lost(id: string, outcome?: Outcome): void {
    this.tally.lost(outcome)
    this.#report.warn(`The lease on ${id} was lost: how it ended here does not count`)
  }

  /** Abort, give back, in that order. What a handler does after its last words no longer counts. */
  async giveBack(stopped: Promise<void>): Promise<void> {
    const reason = new JobsError('WORKER_STOPPED', 'The worker stops; the job is given back')
    for (const running of this.running) running.run.abort(reason)
    if (this.running.size > 0) await within(LAST_WORDS, stopped)
    for (const running of [...this.running]) {
      this.running.delete(running)
      this.abandoned++
      if (!running.abandoned) this.#settle(running, { kind: 'released', in: 0 })
      running.abandoned = true
    }
    this.#changed()
  }

  #stuck({ name, lease }: Running): void {
    this.#report.warn(
      `${name} ${lease.id} is stuck: it ignores its signal since its timeout, and keeps its slot`,
    )
  }

  stop(): void {
    this.#deadline.stop()
  }

  #settle(running: Running, outcome: Outcome): void {
    const { lease, claimer, jobClass, name } = running
    const log = running.takeLog()
    claimer.settle(lease.id, lease.token, log === undefined ? outcome : { ...outcome, log })
    this.tally.ended(outcome)
    this.#report.ended({
      lease,
      name,
      queue: claimer.partition,
      outcome,
      took: performance.now() - running.startedAt,
      ...(jobClass !== undefined && { tries: lease.options?.tries ?? jobClass.tries }),
    })
  }
}
