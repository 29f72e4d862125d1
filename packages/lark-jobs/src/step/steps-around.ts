/**
 * What the steps of a run need of the run around them, and what that needs of the steps.
 */
import type { JobsError } from '../model/errors.ts'
import type { Journal, KeptSignal, Recorded } from '../model/journal.ts'
import type { ClaimedJob } from '../model/record.ts'
import type { Processing } from '../model/run/telemetry.ts'
import type { AbortSignalLike } from '../waiting/abort-signal.ts'
import type { ChildDraft, ReadyChild } from './child.ts'
import type { UndoneSteps } from './undoing.ts'
import type { WaitTimes } from './wait-times.ts'

/** What the run around them does with the steps of a run, in whatever process these are: see `Steps`. */
export interface StepsOfRun {
  readonly hasUndos: boolean
  readonly notAwaited: JobsError | undefined
  take(): { steps?: Recorded; heard?: number }
  answered(signals: readonly KeptSignal[], lost?: JobsError, known?: number): void
  unanswered(): void
  signalled(): void
  abort(reason: unknown): void
  end(thrown: unknown): Recorded | undefined
  undo(handled: Promise<unknown>): Promise<UndoneSteps>
}

/** What the run around the steps gives them. */
export interface StepsAround {
  readonly job: Pick<ClaimedJob, 'id' | 'queuedAt' | 'runs' | 'crashes' | 'failures' | 'journal'>
  /** Whether another run of the job may need what this one does: not without a store, nor in a fake. */
  readonly isKept: boolean
  /** The queue of the job. Absent: it is in none. */
  readonly queue?: string
  /** The name of the job's class. */
  readonly name: string
  /** Why the run was aborted. */
  readonly reason: unknown
  readonly signal: AbortSignalLike
  /** Milliseconds since 1970 by the store's clock. */
  now(): number
  /** Asks for a call that brings what is recorded to the store. */
  send(): void
  /** Reads more of the journal. */
  more(from: number): Promise<Journal | undefined>
  /** Milliseconds that the attempt has taken; undefined if it may take any time. */
  readonly spent: number | undefined
  /** Earlier runs of the attempt took so many milliseconds. */
  hadSpent(ms: number): void
  /** Undefined: the run cannot be suspended. */
  suspend: ((wait: { in: number; waits: string[]; heard: number }) => void) | undefined
  /** Makes the job of a draft ready to be begun. Undefined: the run cannot begin jobs. */
  readonly ready?: ((draft: ChildDraft, step: string) => Promise<ReadyChild>) | undefined
  /** Undefined: there is no telemetry. */
  readonly processing?: Pick<Processing, 'step'> | undefined
  /** How waits pass the time. Default: by timers. */
  times?: WaitTimes | undefined
  /** Told whether the run only waits, when that may have changed. */
  rests?: ((rests: boolean) => void) | undefined
}
