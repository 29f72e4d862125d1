/**
 * A job that a worker has begun and whose end it has not yet handed to the store.
 */

import type { CancelReason, LeasedJob, LogLevel, LogLine } from '../record.ts'
import { Run } from '../run.ts'
import { MAX_LOG_LINES } from '../store/store.ts'
import type { Claimer } from './claimer.ts'

export class Running {
  readonly lease: LeasedJob
  readonly claimer: Claimer
  readonly run: Run
  /** By `performance.now()`. */
  readonly startedAt = performance.now()
  /** When its time is over, by `performance.now()`; set once its class is known. */
  deadline = Number.POSITIVE_INFINITY
  /** Its end no longer counts: the lease is lost, or the job was given back. */
  abandoned = false
  /** Why someone asked for it to be cancelled. */
  cancelled: CancelReason | undefined
  #log: LogLine[] | undefined

  constructor(lease: LeasedJob, claimer: Claimer, wrote: (line: LogLine) => void) {
    this.lease = lease
    this.claimer = claimer
    this.run = new Run(lease.id, lease.failures + 1, (level, text) => wrote(this.#keep(level, text)))
  }

  get isLost(): boolean {
    return (this.run.reason as { code?: string } | undefined)?.code === 'LEASE_LOST'
  }

  /** Keeps a line for the store. */
  #keep(level: LogLevel, text: string): LogLine {
    const line: LogLine = { at: Date.now(), level, text }
    this.#log ??= []
    this.#log.push(line)
    // The store keeps no more than these; a handler that writes without end must not fill the memory first.
    if (this.#log.length > MAX_LOG_LINES) this.#log.shift()
    return line
  }

  /** The lines not yet handed over. */
  takeLog(): LogLine[] | undefined {
    const log = this.#log
    this.#log = undefined
    return log
  }

  /** Puts lines back whose handing over failed. */
  keepLog(log: LogLine[]): void {
    this.#log = [...log, ...(this.#log ?? [])].slice(-MAX_LOG_LINES)
  }
}
