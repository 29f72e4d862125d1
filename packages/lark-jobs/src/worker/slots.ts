/**
 * The jobs that a worker runs now: each begins with a lease and ends with an outcome for its partition's claimer.
 *
 * A job that was given back, or whose lease is lost, leaves its slot with nothing to settle, whatever its handler
 * still does.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { timedOut } from '../dispatch/run-now.ts'
import { JobsError } from '../errors.ts'
import type { LeasedJob, Outcome } from '../record.ts'
import type { Claimer } from './claimer.ts'
import { Deadline } from './deadline.ts'
import type { Registry } from './registry.ts'
import { type Report, Tally } from './report.ts'
import { runJob } from './runner.ts'
import { Running } from './running.ts'

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
  readonly #deadline = new Deadline(this.running)

  /** @param changed called when a slot is free again */
  constructor(registry: Registry, report: Report, changed: () => void) {
    this.#registry = registry
    this.#report = report
    this.#changed = changed
  }

  begin(lease: LeasedJob, claimer: Claimer): void {
    this.tally.started()
    const name = this.#registry.find(lease.key)?.name ?? lease.key
    const running = new Running(lease, claimer, (line) => this.#report.wrote(lease, name, line))
    this.running.add(running)
    void runJob(running, this.#registry, (jobClass) => {
      const timeout = lease.options?.timeout ?? jobClass.timeout
      this.#deadline.set(running, timeout, () => timedOut(name, timeout))
    }).then((outcome) => {
      this.running.delete(running)
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
  async giveBack(stopped: Promise<void> | undefined): Promise<void> {
    const reason = new JobsError('WORKER_STOPPED', 'The worker stops; the job is given back')
    for (const running of this.running) running.run.abort(reason)
    if (this.running.size > 0) await Promise.race([pause(LAST_WORDS), stopped])
    for (const running of [...this.running]) {
      this.running.delete(running)
      this.abandoned++
      if (!running.abandoned) this.#settle(running, { kind: 'released', in: 0 })
      running.abandoned = true
    }
    this.#changed()
  }

  stop(): void {
    this.#deadline.stop()
  }

  #settle(running: Running, outcome: Outcome): void {
    const { lease, claimer } = running
    const log = running.takeLog()
    claimer.settle(lease.id, lease.token, log === undefined ? outcome : { ...outcome, log })
    this.tally.ended(outcome)
    const jobClass = this.#registry.find(lease.key)
    this.#report.ended({
      lease,
      name: jobClass?.name ?? lease.key,
      queue: claimer.partition,
      outcome,
      took: performance.now() - running.startedAt,
      ...(jobClass !== undefined && { tries: lease.options?.tries ?? jobClass.tries }),
    })
  }
}
