/**
 * What a dispatch waits for beyond the server's answer.
 *
 *   strict      the append-only file has it on disk (WAITAOF: Redis 7.2, Valkey)
 *   replicated  one replica has it (WAIT)
 *
 * Both block the connection that asks, and ask for what this very connection wrote. So it is a connection beside the
 * one that carries the calls, and it writes something first: it renews the caller's memory of the call, which comes
 * after the jobs in what the server writes and sends to replicas. One wait is under way at a time, and all that was
 * queued meanwhile waits in the next together: with `appendfsync everysec` a dispatch takes a second or two, but a
 * thousand at once take no longer.
 *
 * What is not confirmed in time is `STORE_UNCERTAIN`: the jobs are queued, and may be lost. Who sends the call again
 * has it confirmed again.
 */
import { JobsError } from '../../../model/errors.ts'
import { CALL_MEMORY } from '../../contract/store.ts'
import type { Connection } from '../client/connection.ts'
import { Refusal, reasonOf } from '../client/failure.ts'
import type { Transport } from '../client/transport.ts'

export type Mode = 'strict' | 'replicated'

/** Milliseconds that the server gives up before the connection would be. */
const MARGIN = 100

interface Unconfirmed {
  /** The key of the caller's memory. */
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
   * @param memory the key under which the partition remembers the call that queued the jobs
   * @throws STORE_UNCERTAIN
   */
  confirm(memory: string, deadline: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const patience = Math.max(1, deadline - performance.now())
      const timer = setTimeout(() => reject(this.#unsafe('the server is busy with earlier ones')), patience)
      const waiter = {
        memory,
        deadline,
        resolve: () => {
          clearTimeout(timer)
          resolve()
        },
        reject: (error: unknown) => {
          clearTimeout(timer)
          reject(error)
        },
      }
      const connection = this.#transport.beside(memory)
      if (!connection) return waiter.reject(this.#unsafe('no node serves its slot'))
      const line = this.#lines.get(connection)
      if (line) return void line.push(waiter)
      void this.#serve(connection, [waiter])
    })
  }

  /** One wait after another, until nobody is left. */
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
      // Nothing was written where the memory is gone, or lies elsewhere by now: then nothing was waited for either.
      if (copies >= 1 && answers[i] === 1) resolve()
      else reject(this.#unsafe(reasonIn(answers[i]) ?? reasonIn(answer) ?? 'it takes too long'))
    }
  }

  #unsafe(why: string, cause?: unknown): JobsError {
    const where = this.#mode === 'strict' ? 'on disk' : 'on a replica'
    return new JobsError(
      'STORE_UNCERTAIN',
      `${this.#transport.name} has the jobs, but not surely ${where}: ${why}`,
      {
        cause,
      },
    )
  }
}

function reasonIn(answer: unknown): string | undefined {
  return answer instanceof Refusal ? answer.message : undefined
}
