/**
 * Finds the class that blocks the event loop, for the lease thread: once for each standstill, it looks which
 * job holds the loop (`loop-holder.ts`), and tells the worker and the store.
 */
import type { Store } from '../../store/contract/store.ts'
import { inTime } from '../../waiting/bounded-wait.ts'
import type { Pulse } from './lease-thread.ts'
import { StoppedLoop } from './loop-holder.ts'

/**
 * Milliseconds that stopping the thread of the loop may take, and also that finding the job which holds it
 * may take.
 */
const STOP = 2_000

export class LoopNaming {
  readonly #worker: string
  readonly #pulse: Pulse
  readonly #end: AbortSignal
  /** The last turn of the loop after which it has looked. */
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
        // The call is not awaited, because the store may not answer.
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

/**
 * The thread is stopped for one worker at a time, although several workers of a process may want to know what
 * blocks it.
 */
let asking: Promise<unknown> = Promise.resolve()

/** The classes among which the one is that blocks the loop of a worker. */
async function holders(worker: string, isStill: () => boolean): Promise<string[]> {
  const loop = await StoppedLoop.stop(STOP)
  if (loop === undefined) return []
  const unknown = (): string[] => []
  const by = isStill() ? loop.holders().then((names) => loop.seen(worker, names)) : Promise.resolve([])
  return inTime(STOP, by.catch(unknown), unknown).finally(() => loop.resume())
}
