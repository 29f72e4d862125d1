/**
 * Foreign data under a key of Lark's: another program has written there, or somebody by hand. The server refuses what
 * Lark does with it (WRONGTYPE), and does not say under which of the keys that a script uses. So they are looked at then,
 * one by one.
 */
import { JobsError } from '../../../model/errors.ts'
import { Refusal, refused } from './failure.ts'
import { kindOf, names } from './keys.ts'
import type { Route } from './route.ts'

/** Of groups, so many are looked at. */
const SOME = 100

/** Whether an error says that there is something else under a key than Lark keeps there. */
export function isForeign(error: unknown): error is Refusal {
  // Before Redis 7 it stands inside the message of a failed script.
  return (
    error instanceof Refusal && /^(WRONGTYPE|ERR Error running script.*[ -]WRONGTYPE) /.test(error.message)
  )
}

/** @param what is there, in words */
export function damaged(store: string, key: string, what: string, cause: unknown): JobsError {
  return new JobsError('STORE_DAMAGED', `${store} has ${what} under ${key}, which Lark did not write`, {
    cause,
    hint: `Move it away (RENAME ${key} …), and give Lark a prefix that nobody else uses.`,
  })
}

/**
 * The error for a script that met foreign data.
 *
 * @param key KEYS[1] of it
 */
export async function foreignBeside(route: Route, key: string, cause: Refusal): Promise<JobsError> {
  const tag = key.slice(0, key.lastIndexOf('}:') + 2)
  try {
    const all = [...names, ...(await moreNames(route, tag))]
    const types = await Promise.all(all.map((name) => route.send(['TYPE', tag + name])))
    for (const [i, type] of types.entries()) {
      const name = all[i]!
      if (type !== 'none' && type !== kindOf(name)) return damaged(route.name, tag + name, `a ${type}`, cause)
    }
  } catch {
    // If the user may not ask, or gets no answer now, the error says what is known without it.
  }
  return damaged(route.name, `${tag}*`, 'something', cause)
}

/**
 * The error of one partition, of which a script for several returns only the text.
 *
 * @param key one of its keys
 */
export async function failureBeside(route: Route, key: string, text: string): Promise<Error> {
  const refusal = new Refusal(text)
  return isForeign(refusal) ? foreignBeside(route, key, refusal) : refused(route.name, refusal)
}

/** Names that are made of priorities, groups, limiters and the time, as far as those can be read. */
async function moreNames(route: Route, tag: string): Promise<string[]> {
  const read = async (name: string, last: number) => {
    const found = await route.send(['ZRANGE', tag + name, '0', String(last)]).catch(() => [])
    return found as string[]
  }
  const priorities = await read('priorities', -1)
  const limiters = await read('limiters', -1)
  const lanes = [...(await read('turns', SOME)), ...(await read('asleep', SOME))]
  const minute = Math.floor(Date.now() / 60_000)
  return [
    ...priorities.flatMap((priority) => ['line', 'due', 'void'].map((name) => `${name}:${priority}`)),
    ...lanes.flatMap((lane) => [
      `lane:${lane}`,
      `late:${lane}`,
      `group:${lane}`,
      `rate@${lane}`,
      `starts@${lane}`,
    ]),
    ...limiters.map((limiter) => `turns^${limiter}`),
    ...[minute - 1, minute, minute + 1].map((at) => `minutes:${at}`),
  ]
}

/** Sends a command about one key. @throws STORE_DAMAGED, beside what `send` throws */
export async function sendTo(
  route: Route,
  command: readonly [name: string, key: string, ...string[]],
  deadline = route.deadline(),
  isSure = false,
): Promise<unknown> {
  try {
    return await route.send(command, deadline, command[1], isSure)
  } catch (error) {
    if (!isForeign(error)) throw error
    const type = await route.send(['TYPE', command[1]]).catch(() => 'value')
    throw damaged(route.name, command[1], `a ${type}`, error)
  }
}
