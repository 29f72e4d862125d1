/**
 * The waits of a run, for times and for signals. When the run only waits, the run is suspended: the job goes
 * back to the store and frees its slot. The store keeps the job as delayed until the time for which the run
 * waits. After that time, a claim takes the job like any delayed job (`store/sql/claim/order.ts`,
 * `claim/shared/order.lua`).
 */

import { tellsFailure } from '../flow/child.ts'
import type { KeptSignal } from '../model/journal.ts'
import { waitWords } from './approval.ts'
import { writeEntry } from './entries.ts'
import type { Recorder } from './recorder.ts'
import { isOwnSignal } from './signal.ts'
import type { Stamps } from './stamp.ts'
import type { Turns } from './turns.ts'
import { type WaitTimes, waitTimes } from './wait-clock.ts'

/**
 * How long a run that only waits keeps its slot, in milliseconds. In this time the handler may do work that
 * is not a step, such as reading a file beside the wait.
 */
const LINGER = 20

const none = () => {}

interface StepWait {
  /**
   * The key under which the end of the wait is recorded. Undefined for the pause before another try of a
   * step: no entry records its end.
   */
  key: string | undefined
  /** The names of the signals that end the wait. */
  names: readonly string[]
  /** When the wait ends: milliseconds since 1970, by the store's clock. Undefined if the wait has no end. */
  until: number | undefined
  /**
   * When a suspended job must be due at the latest, so that a run checks whether the awaited child still
   * exists.
   */
  looks: number | undefined
  /** Cancels the timer of the wait. */
  stop: () => void
  /** Whether the wait is so short that the run keeps its slot. */
  isShort: boolean
  /**
   * @param signal the number of the signal that ended the wait, or undefined if the time of the wait was over
   */
  over: (signal: number | undefined) => void
  fail: (reason: unknown) => void
}

export interface WaitsAround {
  recorder: Recorder
  /** Milliseconds since 1970 by the store's clock. */
  now(): number
  turns: Turns
  stamps: Stamps
  /** Whether the run has no other open work. */
  isIdle(): boolean
  /** The clock and timers. Default: the clock and timers of the process. */
  times: WaitTimes | undefined
  /**
   * Suspends the run. Undefined if the run cannot be suspended.
   *
   * @param names the names of the signals for which the run waits
   * @param until when the wait is over, or undefined if the wait has no end
   * @param awaits the names for people, if they differ from `names`
   */
  suspend: ((names: string[], until: number | undefined, awaits?: string[]) => void) | undefined
  /**
   * Called when the run may have nothing left to do but wait, or may work again. `rests`: whether it only
   * waits now.
   */
  rests: ((rests: boolean) => void) | undefined
}

export class Waits {
  readonly signals: KeptSignal[] = []
  /** The numbers of the signals that were taken. */
  readonly #taken: Set<number>
  readonly #around: WaitsAround
  readonly #times: WaitTimes
  readonly #open = new Set<StepWait>()
  /** Cancels the timer after which the run is suspended. */
  #linger = none
  /** The waits whose time is over, and that end in the next turn. */
  #due: StepWait[] = []
  #isDropped = false
  /** The reason of the abort. Undefined while the run may continue. */
  #failure: { reason: unknown } | undefined

  constructor(around: WaitsAround, signals: readonly KeptSignal[], taken: Set<number>) {
    this.#around = around
    this.#times = around.times ?? waitTimes
    this.signals.push(...signals)
    this.#taken = taken
  }

  /** Whether a run that waits for `ms` milliseconds keeps its slot. */
  isShort(ms = Number.POSITIVE_INFINITY): boolean {
    return ms <= this.#times.short
  }

  /** Whether the run waits for a signal. */
  get hears(): boolean {
    for (const { names } of this.#open) if (names.length > 0) return true
    return false
  }

  /**
   * Resolves when the wait is over, with the number of the signal that ended it, or with undefined if the
   * time of the wait was over.
   *
   * @param looks when a suspended job must be due at the latest
   */
  wait(
    key: string | undefined,
    names: readonly string[],
    until: number | undefined,
    looks?: number,
  ): Promise<number | undefined> {
    return new Promise((over, fail) => {
      // The run may have been aborted while its journal was read.
      if (this.#failure !== undefined) fail(this.#failure.reason)
      if (this.#isDropped) return
      const wait: StepWait = { key, names, until, looks, stop: none, isShort: false, over, fail }
      this.#open.add(wait)
      if (this.#take(wait)) return
      const left = until === undefined ? Number.POSITIVE_INFINITY : until - this.#around.now()
      wait.isShort = this.isShort(left)
      // A wait with one millisecond left counts as over, because two clocks can differ by a millisecond after
      // rounding.
      if (left <= 1) this.#endSoon(wait)
      else if (left < Number.POSITIVE_INFINITY)
        wait.stop = this.#times.after(left, () => this.#end(wait, undefined), names.length === 0)
      this.stir()
    })
  }

  /**
   * Ends a wait in the next turn. If the time of several waits is over, the wait with the earliest time ends
   * first.
   */
  #endSoon(wait: StepWait): void {
    this.#due.push(wait)
    if (this.#due.length > 1) return
    this.#around.turns.soon(() => {
      const due = this.#due.splice(0)
      for (const each of due.sort((one, other) => one.until! - other.until!)) this.#end(each, undefined)
    })
  }

  /** Rejects all waits, because the run was aborted. */
  fail(reason: unknown): void {
    const all = [...this.#open]
    this.#failure = { reason }
    this.drop()
    for (const { fail } of all) fail(reason)
  }

  /** Handles new signals. */
  heard(signals: readonly KeptSignal[]): void {
    this.signals.push(...signals)
    for (const wait of [...this.#open]) this.#take(wait)
  }

  /**
   * Called when the state of the run has changed. If the run only waits now, it is suspended after `LINGER`.
   */
  stir(): void {
    const { suspend, rests } = this.#around
    this.#linger()
    this.#linger = none
    const isResting = this.#onlyWaits
    rests?.(isResting)
    if (isResting && suspend !== undefined)
      this.#linger = this.#times.after(LINGER, () => this.#suspend(suspend), false)
  }

  #suspend(suspend: NonNullable<WaitsAround['suspend']>): void {
    if (!this.#onlyWaits) return
    const all = [...this.#open]
    this.drop()
    const ends = all.flatMap(({ until, looks }) => [until, looks]).filter((end) => end !== undefined)
    const first = Math.min(...ends)
    const waits = [...new Set(all.flatMap(({ names }) => names))]
    const read = ({ key = '', names }: StepWait) =>
      names.map((name) => (isOwnSignal(name) ? waitWords(key) : name))
    const awaits = waits.some(isOwnSignal) ? [...new Set(all.flatMap(read))] : undefined
    suspend(waits, Number.isFinite(first) ? first : undefined, awaits)
  }

  /** Drops all waits: no wait ends from now on. */
  drop(): void {
    this.#isDropped = true
    this.#linger()
    for (const { stop } of this.#open) stop()
    this.#open.clear()
  }

  /** Whether the run only waits, and no wait is short. */
  get #onlyWaits(): boolean {
    if (this.#isDropped || this.#open.size === 0 || this.#around.recorder.isBusy || !this.#around.isIdle())
      return false
    for (const { isShort } of this.#open) if (isShort) return false
    return true
  }

  /** Takes the first signal that ends the wait. */
  #take(wait: StepWait): boolean {
    const { names } = wait
    const number =
      names.length === 0
        ? -1
        : this.signals.findIndex((each, i) => names.includes(each.name) && !this.#taken.has(i))
    if (number < 0) return false
    this.#taken.add(number)
    this.#end(wait, number)
    return true
  }

  #end(wait: StepWait, signal: number | undefined): void {
    if (!this.#open.delete(wait)) return
    wait.stop()
    this.stir()
    const { recorder, turns, stamps } = this.#around
    if (wait.key === undefined) {
      wait.over(undefined)
      return
    }
    if (signal !== undefined) {
      const stamp = stamps.of(this.#around.now())
      const entry = writeEntry('got', wait.key, `${stamp}${signal}`)
      recorder.taken(entry, !tellsFailure(this.signals[signal]!)).then(() => wait.over(signal), wait.fail)
      return
    }
    // This entry decides how a later run continues, if another wait could have ended first or a signal could
    // have come before.
    const decides = wait.names.length > 0 || !turns.isAlone
    const turn = recorder.ended(writeEntry('over', wait.key), decides)
    if (turn === undefined) wait.over(undefined)
    else turn.then(() => wait.over(undefined), wait.fail)
  }
}
