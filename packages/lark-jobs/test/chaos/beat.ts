/**
 * Finds which acknowledged writes a server has lost, with a counter in the server that is independent of
 * Lark. A server with `appendfsync everysec` holds back writes while a sync takes long, in the order in which
 * they came, and a `kill -9` loses them. The counter is then smaller than before: it has the number that was
 * acknowledged just before the first lost write.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { addressOf, until } from '../redis/server.ts'

const KEY = 'beat'
/** Milliseconds between two beats. The time of a loss is known with this precision. */
const EVERY = 5

export class Beat implements AsyncDisposable {
  readonly #connection: Connection
  readonly #end = new AbortController()
  readonly #beating: Promise<void>
  /** When each number was acknowledged, by the machine's clock. */
  readonly #acknowledged = new Map<number, number>()
  #last = 0
  #beats = 0
  #lostSince: number | undefined

  constructor(url: string) {
    this.#connection = new Connection(addressOf(url))
    this.#beating = this.#beat()
  }

  /**
   * Called after a restart of the server. Returns since when the server has lost all writes; undefined if it
   * has lost none.
   */
  async lostSince(): Promise<number | undefined> {
    const before = this.#beats
    await until(async () => this.#beats > before)
    const since = this.#lostSince
    this.#lostSince = undefined
    return since
  }

  async #beat(): Promise<void> {
    while (!this.#end.signal.aborted) {
      try {
        const number = Number(await this.#connection.send(['INCR', KEY]))
        if (number <= this.#last) this.#lostSince = this.#acknowledged.get(number - 1) ?? 0
        this.#acknowledged.set(number, Date.now())
        this.#last = number
        this.#beats += 1
      } catch {
        // The server does not answer, or refuses writes.
      }
      await pause(EVERY)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort()
    this.#connection.close()
    await this.#beating
  }
}
