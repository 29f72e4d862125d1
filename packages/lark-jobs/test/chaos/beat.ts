/**
 * Finds out since when a killed server has lost acknowledged writes, with a counter in the server that is
 * independent of Lark. While a sync takes long, a server with `appendfsync everysec` does not write new data
 * to its file, and a `kill -9` loses this data. After the restart, the counter has its value before the first
 * lost write.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { addressOf, until } from '../redis/server.ts'

const KEY = 'beat'
/**
 * Milliseconds between two beats. This is the precision with which the time of the first lost write is known.
 */
const EVERY = 5

export class Beat implements AsyncDisposable {
  readonly #connection: Connection
  readonly #end = new AbortController()
  readonly #beating: Promise<void>
  /** For each number: when the server acknowledged it, by the clock of the machine. */
  readonly #acknowledged = new Map<number, number>()
  #last = 0
  #beats = 0
  #lostSince: number | undefined

  constructor(url: string) {
    this.#connection = new Connection(addressOf(url))
    this.#beating = this.#beat()
  }

  /**
   * Call this after a restart of the server. Returns the time since which the server has lost all writes;
   * undefined if it has lost no write.
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
