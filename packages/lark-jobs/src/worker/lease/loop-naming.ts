/**
 * Finds the class that blocks the event loop. Once for each standstill, the lease thread searches for the job
 * that blocks the loop (`loop-holder.ts`), and tells the worker and the store the name of its class.
 */
import type { Store } from '../../store/contract/store.ts'
import { inTime } from '../../waiting/bounded-wait.ts'
import type { Pulse } from './lease-thread.ts'
import { StoppedLoop } from './loop-holder.ts'

/**
 * Milliseconds for which the lease thread tries to stop the thread of the loop. It then tries for the same
 * time to find the job.
 */
const STOP = 2_000

export class LoopNaming {
  readonly #worker: string
  readonly #pulse: Pulse
  readonly #end: AbortSignal
  /**
   * The value of `Pulse.beat` when the last search began. It is the time at which the loop had last turned
   * before that standstill.
   */
  #lookedFor = 0
  #look: Promise<void> | undefined

  /** @param worker the id of the worker */
  constructor(worker: string, pulse: Pulse, end: AbortSignal) {
    this.#worker = worker
    this.#pulse = pulse
    this.#end = end
  }

  get isLooking(): boolean {
    return this.#look !== undefined
  }

  /** Resolves when the search that is under way has ended. */
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
        // This call is not awaited, because the store may not answer.
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
 * The workers of a process may all need a search at the same time. Their searches run one after the other,
 * because a thread can be stopped for only one search at a time.
 */
let asking: Promise<unknown> = Promise.resolve()

/** The names of the classes that may block the loop of a worker. */
async function holders(worker: string, isStill: () => boolean): Promise<string[]> {
  const loop = await StoppedLoop.stop(STOP)
  if (loop === undefined) return []
  const unknown = (): string[] => []
  const by = isStill() ? loop.holders().then((names) => loop.seen(worker, names)) : Promise.resolve([])
  return inTime(STOP, by.catch(unknown), unknown).finally(() => loop.resume())
}
