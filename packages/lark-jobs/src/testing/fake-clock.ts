/**
 * The clock of a fake. It stands still until somebody moves it, and never goes back, so a test that takes
 * longer on a busy machine sees the same times. Time passes in `crew.ts`.
 */

/** A function to call at an instant. */
interface Appointment {
  at: number
  ring: () => void
}

export class FakeClock {
  #now: number
  readonly #alarms = new Set<Appointment>()

  /** @param now milliseconds since 1970 */
  constructor(now: number) {
    this.#now = Math.floor(now)
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return this.#now
  }

  /** The instant of the next alarm. Undefined if there is none. */
  get next(): number | undefined {
    return this.#alarms.size === 0 ? undefined : Math.min(...[...this.#alarms].map(({ at }) => at))
  }

  /** Calls a function when the clock has reached an instant. @returns a function that cancels this */
  alarm(at: number, ring: () => void): () => void {
    const alarm = { at, ring }
    this.#alarms.add(alarm)
    return () => void this.#alarms.delete(alarm)
  }

  /** Moves the clock forward, and calls the functions that are due. An earlier instant changes nothing. */
  moveTo(at: number): void {
    this.#now = Math.max(this.#now, Math.ceil(at))
    const due = [...this.#alarms].filter((alarm) => alarm.at <= this.#now).sort((a, b) => a.at - b.at)
    for (const alarm of due) if (this.#alarms.delete(alarm)) alarm.ring()
  }
}
