/**
 * Makes a dispatch wait, after the server has queued its jobs, until the jobs are as safe as the option
 * `durability` of the store demands.
 *
 *   strict      the jobs are on disk, in the append-only file (WAITAOF: Redis 7.2, Valkey)
 *   replicated  one replica has the jobs (WAIT)
 *
 * Both commands block their connection, and wait only for earlier writes of the same connection. So these
 * commands have a separate connection. On this connection, a write comes first: it renews the expiry of the
 * key with the caller's last call. The server writes this change to disk, and sends it to replicas, after the
 * jobs. So when this change is safe, the jobs are safe, too. Only one wait runs at a time. All dispatches
 * that come during a wait share the next wait: with `appendfsync everysec`, one dispatch takes a second or
 * two, and a thousand dispatches at once take no longer.
 *
 * A dispatch whose jobs are not safe in time rejects with `STORE_UNCERTAIN`: the jobs are queued, but could
 * be lost. If the caller sends the call of the dispatch again, the dispatch waits again. Entries that steps
 * have recorded wait in the same way.
 */
import { JobsError } from '../../../model/errors.ts'
import { CALL_MEMORY } from '../../contract/store.ts'
import type { Connection } from '../client/connection.ts'
import { Refusal, reasonOf } from '../client/failure.ts'
import type { Transport } from '../client/transport.ts'

export type Mode = 'strict' | 'replicated'

/**
 * The server's wait ends this many milliseconds before the time limit for its answer, so that the answer
 * still comes in time.
 */
const MARGIN = 100

interface Unconfirmed {
  /** The key with the last call of the caller. */
  memory: string
  deadline: number
  resolve: () => void
  reject: (error: unknown) => void
}

export class DurabilityWait {
  readonly #transport: Transport
  readonly #mode: Mode
  readonly #lines = new WeakMap<Connection, Unconfirmed[]>()

  constructor(transport: Transport, mode: Mode) {
    this.#transport = transport
    this.#mode = mode
  }

  /**
   * @param memory the key with the last call of the caller, which queued the jobs
   * @throws STORE_UNCERTAIN
   */
  async confirm(memory: string, deadline: number): Promise<void> {
    const connection = this.#transport.beside(memory)
    if (!connection) throw this.#unsafe('no node serves its slot')
    let timer: NodeJS.Timeout
    const confirmed = new Promise<void>((resolve, reject) => {
      const patience = Math.max(1, deadline - performance.now())
      timer = setTimeout(() => reject(this.#unsafe('the server is busy with earlier ones')), patience)
      const waiter = { memory, deadline, resolve, reject }
      const line = this.#lines.get(connection)
      if (line) line.push(waiter)
      else void this.#serve(connection, [waiter])
    })
    return confirmed.finally(() => clearTimeout(timer))
  }

  /** Runs one wait after another, until no dispatch waits any more. */
  async #serve(connection: Connection, line: Unconfirmed[]): Promise<void> {
    this.#lines.set(connection, line)
    while (line.length > 0) {
      const group = line.splice(0)
      try {
        await this.#wait(connection, group)
      } catch (error) {
        for (const { reject } of group) reject(this.#unsafe(reasonOf(error), error))
      }
    }
    this.#lines.delete(connection)
  }

  async #wait(connection: Connection, group: Unconfirmed[]): Promise<void> {
    const deadline = Math.max(...group.map((waiter) => waiter.deadline))
    const patience = String(Math.max(1, Math.floor(deadline - performance.now() - MARGIN)))
    const writes = group.map(({ memory }) => ['PEXPIRE', memory, String(CALL_MEMORY)])
    const wait = this.#mode === 'strict' ? ['WAITAOF', '1', '0', patience] : ['WAIT', '1', patience]
    const answers = await connection.sendTogether([...writes, wait], deadline)
    const answer = answers.pop()
    const copies = Number(Array.isArray(answer) ? answer[0] : answer)
    for (const [i, { resolve, reject }] of group.entries()) {
      // A dispatch resolves only if its key was renewed. If the key has expired or was moved to another
      // server, the connection has written nothing, so the wait proves nothing.
      if (copies >= 1 && answers[i] === 1) resolve()
      else reject(this.#unsafe(reasonIn(answers[i]) ?? reasonIn(answer) ?? 'it takes too long'))
    }
  }

  #unsafe(why: string, cause?: unknown): JobsError {
    const where = this.#mode === 'strict' ? 'on disk' : 'on a replica'
    const message = `${this.#transport.name} has the jobs, but not surely ${where}: ${why}`
    return new JobsError('STORE_UNCERTAIN', message, { cause })
  }
}

function reasonIn(answer: unknown): string | undefined {
  return answer instanceof Refusal ? answer.message : undefined
}
