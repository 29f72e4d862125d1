/**
 * Runs the embedded scripts by their hash. A server that was restarted, or whose cache of scripts was
 * emptied, does not know a script. Such a server refuses the call and has changed nothing, so the call is
 * sent again with the text of the script. If many calls are refused together, one of them sends the text, and
 * the others wait until the server has the text. (A script has up to 100 KB. When each call sent the text, a
 * worker with 34 queues with flows sent 13 MB to a server that had been restarted, and later calls waited for
 * seconds. Measured on 2026-12-01.)
 */

import { newNonce } from '../../../model/id.ts'
import { within } from '../../../waiting/bounded-wait.ts'
import type { Call } from '../../contract/store.ts'
import { lua } from '../scripts.generated.ts'
import { damagedKey, evictedBeside, failureBeside, foreignBeside, isBroken, isForeign } from './damage.ts'
import { Refusal } from './failure.ts'
import type { Keys } from './keys.ts'
import { kinds, repeated, type ScriptName } from './repetition.ts'
import type { Transport } from './transport.ts'

/** The text of a script, assembled from the pieces that scripts share. */
export function textOf(name: ScriptName): string {
  return lua.scripts[name].pieces.map((piece) => lua.pieces[piece]).join('')
}

/**
 * Runs the scripts of one store, most of them on its partitions, and sends single commands. Calls that may be
 * repeated are repeated (`repetition.ts`). All methods throw STORE_DAMAGED, and the errors of
 * `Transport.send`.
 */
export class Scripts {
  readonly transport: Transport
  readonly keys: Keys
  readonly #clock: () => string
  /**
   * Callers for numbered changes that have no call under way now. A caller may have only one call under way
   * at a time.
   */
  readonly #callers: Call[] = []
  /** For each script and server: the call that is sending the text of the script now. */
  readonly #texts = new Map<string, Promise<unknown>>()

  /** @param clock returns the time as text, or '' for the server's own time */
  constructor(transport: Transport, keys: Keys, clock: () => string) {
    this.transport = transport
    this.keys = keys
    this.#clock = clock
  }

  /**
   * @param isSure see `Transport.send`
   * @param isSafe for a numbered change: waits until replicas or the disk have the change. `memory` is the
   *   key under which the partition keeps the call and its answer
   */
  run(
    script: ScriptName,
    partition: string,
    args: readonly string[],
    deadline?: number,
    isSure?: boolean,
    isSafe?: (memory: string, answer: unknown) => Promise<void>,
  ): Promise<unknown> {
    if (kinds[script] === 'numbered') return this.#change(script, partition, args, deadline, isSure, isSafe)
    return this.on(this.keys.of(partition, 'jobs'), script, args, deadline, isSure)
  }

  /** Runs a script on the key of a limiter or of the whole store. */
  on(
    key: string,
    script: ScriptName,
    args: readonly string[],
    deadline = this.transport.deadline(),
    isSure?: boolean,
  ): Promise<unknown> {
    const make = () => [this.#clock(), ...args]
    // Calls of the kind `own` are not repeated here, because their callers repeat them.
    if (kinds[script] === 'own') return this.#run(script, key, make, deadline, isSure)
    return repeated(kinds[script], deadline, () => this.#run(script, key, make, deadline, isSure))
  }

  /**
   * Runs a script that keeps the caller, the number and the answer of its call, so that the caller can send
   * the call again.
   *
   * @param isSure see `Transport.send`
   */
  call(
    script: ScriptName,
    partition: string,
    { caller, number }: Call,
    args: readonly string[],
    deadline?: number,
    isSure?: boolean,
  ): Promise<unknown> {
    const make = (epoch: number) => [this.#clock(), caller, String(number), String(epoch), ...args]
    return this.#run(script, this.keys.of(partition, 'jobs'), make, deadline, isSure)
  }

  /** Sends a command about one key. */
  async send(
    command: readonly [name: string, key: string, ...string[]],
    deadline = this.transport.deadline(),
    isSure = false,
  ): Promise<unknown> {
    const [, key] = command
    try {
      return await this.ask(command, deadline, key, isSure)
    } catch (error) {
      if (!isForeign(error)) throw error
      const type = await this.transport.send(['TYPE', key]).catch(() => 'value')
      throw damagedKey(this.transport.name, key, `a ${type}`, error)
    }
  }

  /** Sends a command that has no key, or that works on every type of data. */
  ask(
    command: readonly string[],
    deadline = this.transport.deadline(),
    key?: string,
    isSure = false,
  ): Promise<unknown> {
    return repeated('read', deadline, () => this.transport.send(command, deadline, key, isSure))
  }

  /**
   * Makes the error of one partition from the text of the error. (A script for several partitions returns
   * only the texts of errors.)
   */
  failureOf(partition: string, text: unknown): Promise<Error> {
    return failureBeside(this.transport, this.keys.of(partition, 'jobs'), String(text))
  }

  /**
   * Makes a change under a new number, and repeats the change under the same number if there is no answer.
   */
  async #change(
    script: ScriptName,
    partition: string,
    args: readonly string[],
    deadline = this.transport.deadline(),
    isSure = false,
    isSafe?: (memory: string, answer: unknown) => Promise<void>,
  ): Promise<unknown> {
    const { caller, number } = this.#callers.pop() ?? { caller: newNonce(), number: 0 }
    const call = { caller, number: number + 1 }
    try {
      return await repeated(kinds[script], deadline, async () => {
        const answer = await this.call(script, partition, call, args, deadline, isSure)
        await isSafe?.(this.keys.of(partition, `call:${caller}`), answer)
        return answer
      })
    } finally {
      this.#callers.push(call)
    }
  }

  /**
   * @param key KEYS[1], from which the script makes all other keys
   * @param make makes ARGV from the current epoch, at the moment when the call is sent
   */
  async #run(
    name: ScriptName,
    key: string,
    make: (epoch: number) => readonly string[],
    deadline = this.transport.deadline(),
    isSure = false,
  ): Promise<unknown> {
    // If this attempt sends the text of the script: the name of the script and the server; undefined if the
    // attempt sends only the hash.
    let at: string | undefined
    for (;;) {
      const [by, script] = at === undefined ? ['EVALSHA', lua.scripts[name].sha1] : ['EVAL', textOf(name)]
      const build = (epoch: number) => [by!, script!, '1', key, ...make(epoch)]
      try {
        const sending = this.transport.send(build, deadline, key, isSure)
        return await (at === undefined ? sending : this.#bringing(at, sending))
      } catch (error) {
        if (isForeign(error)) throw await foreignBeside(this.transport, key, error)
        if (isBroken(error)) throw (await evictedBeside(this.transport, key, error)) ?? error
        if (!(error instanceof Refusal) || error.word !== 'NOSCRIPT') throw error
      }
      at = `${name} ${this.transport.serverOf(key)}`
      const text = this.#texts.get(at)
      if (text === undefined) continue
      await within(Math.max(1, deadline - performance.now()), text)
      at = undefined
    }
  }

  /** Records that a call is sending the text of a script to a server. */
  #bringing(at: string, sending: Promise<unknown>): Promise<unknown> {
    this.#texts.set(at, sending)
    return sending.finally(() => this.#texts.delete(at))
  }
}
