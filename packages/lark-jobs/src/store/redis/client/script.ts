/**
 * Runs the embedded scripts by their hash. If a server does not know a script (it was restarted, or someone emptied its
 * cache), it has done nothing yet, and is sent the text of the script with the same arguments.
 */
import type { Call } from '../../contract/store.ts'
import { lua } from '../scripts.generated.ts'
import { foreignBeside, isForeign } from './damage.ts'
import { Refusal } from './failure.ts'
import type { Keys } from './keys.ts'
import type { Transport } from './transport.ts'

export type ScriptName = keyof typeof lua.scripts

/** The text of a script. It is assembled from pieces that scripts share. */
export function textOf(name: ScriptName): string {
  return lua.scripts[name].pieces.map((piece) => lua.pieces[piece]).join('')
}

/**
 * @param key KEYS[1]; the script makes all other keys from it
 * @param args ARGV, or a function that makes it from the epoch in which it is sent
 * @param isSure see `Transport.send`
 * @throws STORE_DAMAGED, and what `Transport.send` throws
 */
export async function run(
  transport: Transport,
  name: ScriptName,
  key: string,
  args: readonly string[] | ((epoch: number) => readonly string[]),
  deadline = transport.deadline(),
  isSure = false,
): Promise<unknown> {
  const { sha1 } = lua.scripts[name]
  const make = typeof args === 'function' ? args : () => args
  try {
    return await transport.send((epoch) => ['EVALSHA', sha1, '1', key, ...make(epoch)], deadline, key, isSure)
  } catch (error) {
    if (isForeign(error)) throw await foreignBeside(transport, key, error)
    if (!(error instanceof Refusal) || error.word !== 'NOSCRIPT') throw error
  }
  const text = textOf(name)
  try {
    return await transport.send((epoch) => ['EVAL', text, '1', key, ...make(epoch)], deadline, key, isSure)
  } catch (error) {
    throw isForeign(error) ? await foreignBeside(transport, key, error) : error
  }
}

/** Runs the scripts of one store, most of them on its partitions. */
export class Scripts {
  readonly #transport: Transport
  readonly #keys: Keys
  readonly #clock: () => string

  /** @param clock returns the time as text, or '' for the server's own time */
  constructor(transport: Transport, keys: Keys, clock: () => string) {
    this.#transport = transport
    this.#keys = keys
    this.#clock = clock
  }

  run(script: ScriptName, partition: string, args: readonly string[]): Promise<unknown> {
    return this.on(this.#keys.of(partition, 'jobs'), script, args)
  }

  /** Runs a script on the key of a limiter or of the whole store. */
  on(key: string, script: ScriptName, args: readonly string[]): Promise<unknown> {
    return run(this.#transport, script, key, [this.#clock(), ...args])
  }

  /** Runs a script that stores the caller and number of its call, so that the call can be sent again. */
  call(
    script: ScriptName,
    partition: string,
    { caller, number }: Call,
    args: readonly string[],
    deadline?: number,
    isSure?: boolean,
  ): Promise<unknown> {
    const make = (epoch: number) => [this.#clock(), caller, String(number), String(epoch), ...args]
    return run(this.#transport, script, this.#keys.of(partition, 'jobs'), make, deadline, isSure)
  }
}
