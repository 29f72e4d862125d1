/** What the steps of a run need from the run around them, and what the run needs from its steps. */
import type { JobsError } from '../model/errors.ts'
import type { Journal, KeptSignal, Recorded } from '../model/journal.ts'
import type { ClaimedJob } from '../model/record.ts'
import type { Processing } from '../model/run/telemetry.ts'
import type { AbortSignalLike } from '../waiting/abort-signal.ts'
import type { ChildDraft, ReadyChild } from './child.ts'
import type { UndoneSteps } from './undoing.ts'
import type { WaitTimes } from './wait-clock.ts'

/** What the run does with its steps, in whichever process they are: see `Steps`. */
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

/** What the run gives to its steps. */
export interface StepsAround {
  readonly job: Pick<ClaimedJob, 'id' | 'queuedAt' | 'runs' | 'crashes' | 'failures' | 'journal'>
  /** Whether a later run of the job may need what the steps record. False without a store, and in a fake. */
  readonly isKept: boolean
  /** The queue of the job. Absent: it is not in a queue. */
  readonly queue?: string
  /** The name of the job's class. */
  readonly name: string
  /** Why the run was aborted. */
  readonly reason: unknown
  readonly signal: AbortSignalLike
  /** Milliseconds since 1970 by the store's clock. */
  now(): number
  /** Asks for a call that sends the entries to the store. */
  send(): void
  /** Reads more of the journal. */
  more(from: number): Promise<Journal | undefined>
  /** Milliseconds that the attempt has taken so far; undefined if it has no timeout. */
  readonly spent: number | undefined
  /** Tells the run how many milliseconds earlier runs of the attempt took. */
  hadSpent(ms: number): void
  /** Undefined: the run cannot be suspended. */
  suspend: ((wait: { in: number; waits: string[]; heard: number; awaits?: string[] }) => void) | undefined
  /** Makes the child of a draft ready to start. Undefined: the run cannot start jobs. */
  readonly ready?: ((draft: ChildDraft, step: string) => Promise<ReadyChild>) | undefined
  /** Undefined: there is no telemetry. */
  readonly processing?: Pick<Processing, 'step'> | undefined
  /** The clock and timers of waits. Default: those of the process. */
  times?: WaitTimes | undefined
  /** Called with whether the run only waits, when that may have changed. */
  rests?: ((rests: boolean) => void) | undefined
}
