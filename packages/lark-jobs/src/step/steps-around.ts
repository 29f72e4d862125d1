/** The interface between a run and its steps, in both directions. */
import type { JobsError } from '../model/errors.ts'
import type { Journal, KeptSignal, Recorded } from '../model/journal.ts'
import type { ClaimedJob } from '../model/record.ts'
import type { Processing } from '../model/run/telemetry.ts'
import type { AbortSignalLike } from '../waiting/abort-signal.ts'
import type { ChildDraft, ReadyChild } from './child.ts'
import type { UndoneSteps } from './undoing.ts'
import type { WaitTimes } from './wait-clock.ts'

/** The part of the steps that their run uses (see `Steps`). The steps may be in another process. */
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

/** The part of the run that its steps use. */
export interface StepsAround {
  readonly job: Pick<ClaimedJob, 'id' | 'queuedAt' | 'runs' | 'crashes' | 'failures' | 'journal'>
  /**
   * Whether the entries of the steps are kept for a later run of the job. False without a store, and in the
   * test kit.
   */
  readonly isKept: boolean
  /** The queue of the job. Absent if the job is not in a queue. */
  readonly queue?: string
  /** The name of the job's class. */
  readonly name: string
  /** The reason of the abort. Undefined while the run may continue. */
  readonly reason: unknown
  readonly signal: AbortSignalLike
  /** Milliseconds since 1970 by the store's clock. */
  now(): number
  /** Asks for a call that sends the entries to the store. */
  send(): void
  /** Reads more of the journal. */
  more(from: number): Promise<Journal | undefined>
  /** How long the attempt has taken so far, in milliseconds. Undefined if the attempt has no timeout. */
  readonly spent: number | undefined
  /** Tells the run how many milliseconds earlier runs of the attempt took. */
  hadSpent(ms: number): void
  /** Suspends the run. Undefined if the run cannot be suspended. */
  suspend: ((wait: { in: number; waits: string[]; heard: number; awaits?: string[] }) => void) | undefined
  /** Makes the child of a draft ready to start. Undefined if the run cannot start jobs. */
  readonly ready?: ((draft: ChildDraft, step: string) => Promise<ReadyChild>) | undefined
  /** The telemetry of the run. Undefined without telemetry. */
  readonly processing?: Pick<Processing, 'step'> | undefined
  /** The clock and timers of waits. Default: the clock and timers of the process. */
  times?: WaitTimes | undefined
  /**
   * Called when the run may have nothing left to do but wait, or may work again. `rests`: whether it only
   * waits now.
   */
  rests?: ((rests: boolean) => void) | undefined
}
