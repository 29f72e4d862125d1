/** The interface through which operations, handles and schedules use an instance of `Jobs`. */
import type { Settings } from '../config/config.ts'
import type { RecordedNow, SentNow } from '../run/steps-now.ts'
import type { NewSignal, Store } from '../store/contract/store.ts'
import type { KnownActor } from './audit/actor.ts'
import type { Perform } from './audit/hand-change.ts'
import type { ByHand } from './change/dispatch.ts'
import type { WatchedStore } from './events/watcher.ts'
import type { Flags } from './look/filter.ts'

/** The part of an instance of `Jobs` that its operations and handles use. @internal */
export interface Operated {
  /** A signal that is aborted when the instance is closed. */
  readonly closing: AbortSignal
  readonly byHand: ByHand
  /** Opens the store, unless it is open. */
  watcher(): Promise<WatchedStore>
  /** Opens the store, unless it is open. */
  open(): Promise<{ store: Store; settings: Settings }>
  /** Makes a separate store object that is not opened. Such an object can only be inspected and closed. */
  unopened(): Promise<Store>
  /** Returns the configuration with its defaults, without opening the store. */
  settings(): Promise<Settings>
  /**
   * The records of the steps of a job that `dispatchNow` is running. Undefined if `dispatchNow` runs no job
   * with this id.
   */
  recordedNow(id: string): RecordedNow | undefined
  /**
   * Sends a signal to a job that `dispatchNow` is running. @returns undefined if `dispatchNow` runs no job
   * with this id
   */
  sentNow(id: string, signal: NewSignal): SentNow | undefined
  /**
   * Calls a function after some milliseconds. If this method is absent, a timer is used. @returns a function
   * that cancels the call
   */
  after?(ms: number, act: () => void): () => void
}

/** The objects that operations use, and the person for whom the operations act. @internal */
export interface Operating {
  readonly jobs: Operated
  /**
   * The names that messages use for the conditions of a filter, if these are not the names of the options.
   */
  readonly names?: Flags | undefined
  /** Who changes something, for the audit. */
  readonly actor?: KnownActor
  /** The person who changes something, if there is one. */
  readonly person?: string | undefined
  /** Makes a change by hand, and records the change in the audit if necessary. */
  readonly perform: Perform
}
