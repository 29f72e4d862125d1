/**
 * Runs the embedded scripts by their hash. A server that does not know one (it was restarted, or someone emptied
 * its cache) has done nothing yet, and is sent the text with the same arguments.
 */
import { Refusal } from './failure.ts'
import type { Route } from './route.ts'
import { scripts } from './scripts.generated.ts'

export type ScriptName = keyof typeof scripts

/**
 * @param key KEYS[1]; all others are made from it
 * @param args ARGV, or how to make them when the epoch is known in which they are sent
 */
export async function run(
  route: Route,
  name: ScriptName,
  key: string,
  args: readonly string[] | ((epoch: number) => readonly string[]),
  deadline = route.deadline(),
): Promise<unknown> {
  const { sha1, lua } = scripts[name]
  const make = typeof args === 'function' ? args : () => args
  try {
    return await route.send((epoch) => ['EVALSHA', sha1, '1', key, ...make(epoch)], deadline, key)
  } catch (error) {
    if (!(error instanceof Refusal) || error.word !== 'NOSCRIPT') throw error
    return route.send((epoch) => ['EVAL', lua, '1', key, ...make(epoch)], deadline, key)
  }
}
