/**
 * Names the class that blocks the event loop, for the lease thread: looks once for each standstill who holds
 * the loop (`loop-holder.ts`), and tells the worker and the store.
 */
import type { Store } from '../../store/contract/store.ts'
import { inTime } from '../../waiting/bounded-wait.ts'
import type { Pulse } from './lease-thread.ts'
import { StoppedLoop } from './loop-holder.ts'

/** Milliseconds for stopping the thread of the loop, and again for finding out who holds it. */
const STOP = 2_000

export class LoopNaming {
  readonly #worker: string
  readonly #pulse: Pulse
  readonly #end: AbortSignal
  /** The turn of the loop for which it has looked. */
  #lookedFor = 0
  #look: Promise<void> | undefined

  /** @param worker its id */
  constructor(worker: string, pulse: Pulse, end: AbortSignal) {
    this.#worker = worker
    this.#pulse = pulse
    this.#end = end
  }

  get isLooking(): boolean {
    return this.#look !== undefined
  }

  /** When the look that is under way has ended. */
  get ended(): Promise<void> | undefined {
    return this.#look
  }

  /** @param still the milliseconds for which the loop has not turned */
  look(store: Store, still: number): void {
    const { beat } = this.#pulse
    if (beat === this.#lookedFor) return
    this.#lookedFor = beat
    const since = Date.now() - Math.round(still)
    const isStill = () => this.#pulse.beat === beat && !this.#end.aborted
    this.#look = this.#ask(isStill)
      .then((by) => {
        // Nobody waits for the store: it may be away.
        if (by.length > 0 && isStill()) store.noteBlocking(this.#worker, { by, since }).catch(() => {})
      })
      .catch(() => {})
      .finally(() => {
        this.#look = undefined
      })
  }

  #ask(isStill: () => boolean): Promise<string[]> {
    const asked = asking.then(() => (isStill() ? holders(this.#worker, isStill) : []))
    asking = asked.catch(() => {})
    return asked
  }
}

/** A thread is stopped once at a time, although several workers of a process look who blocks it. */
let asking: Promise<unknown> = Promise.resolve()

/** The classes one of which blocks the loop of a worker. */
async function holders(worker: string, isStill: () => boolean): Promise<string[]> {
  const loop = await StoppedLoop.stop(STOP)
  if (loop === undefined) return []
  const unknown = (): string[] => []
  const by = isStill() ? loop.holders().then((names) => loop.seen(worker, names)) : Promise.resolve([])
  return inTime(STOP, by.catch(unknown), unknown).finally(() => loop.resume())
}
