/**
 * Says what a server has lost of what it acknowledged: a counter in the server itself, which knows nothing of
 * Lark. A server with `appendfsync everysec` holds back writes while a sync takes long, in the order in which
 * they came, and a `kill -9` loses them. Then the counter has gone back, to a number that was acknowledged
 * just before the first write that is lost.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { addressOf, until } from '../redis/server.ts'

const KEY = 'beat'
/** Milliseconds between two beats: how exactly the time of a loss is known. */
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

  /** After a restart of the server: since when it has lost all writes; undefined: it has lost none. */
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
        // The server is away, or refuses writes.
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
