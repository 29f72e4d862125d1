/** What operations work with: the inside of an instance of `Jobs`, as everything below `api/` knows it. */
import type { Settings } from '../config/config.ts'
import type { RecordedNow, SentNow } from '../run/steps-now.ts'
import type { NewSignal, Store } from '../store/contract/store.ts'
import type { Perform } from './audit/hand-change.ts'
import type { ByHand } from './change/dispatch.ts'
import type { WatchedStore } from './events/watcher.ts'
import type { Flags } from './look/filter.ts'

/** What an instance of `Jobs` gives to its operations and to handles. @internal */
export interface Operated {
  /** Aborted when the instance is closed the next time. */
  readonly closing: AbortSignal
  readonly byHand: ByHand
  /** Opens the store, unless it is open. */
  watcher(): Promise<WatchedStore>
  /** Opens the store, unless it is open. */
  open(): Promise<{ store: Store; settings: Settings }>
  /** A store of its own that is not open: it can only be inspected, and closed. */
  unopened(): Promise<Store>
  /** The configuration with its defaults. The store is not opened. */
  settings(): Promise<Settings>
  /** The records of the steps of a job that `dispatchNow` runs; undefined if no such job runs. */
  recordedNow(id: string): RecordedNow | undefined
  /** A signal for a job that `dispatchNow` runs. @returns undefined if no such job runs */
  sentNow(id: string, signal: NewSignal): SentNow | undefined
  /** Calls a function after some milliseconds: absent, by a timer. @returns a function that ends this */
  after?(ms: number, act: () => void): () => void
}

/** What operations work with, and the person for whom they act. @internal */
export interface Operating {
  readonly jobs: Operated
  /** The names of the conditions of a filter in messages, if they differ. */
  readonly names?: Flags | undefined
  /** The person who changes something, if there is one. */
  readonly person?: string | undefined
  /** Makes each change by hand. */
  readonly perform: Perform
}
