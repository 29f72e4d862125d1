/**
 * Finds the key of Lark that has foreign data, which another program or a person has written. If a script
 * meets foreign data, the server refuses the script (WRONGTYPE), but does not name the key. So Lark checks
 * the types of the keys one by one.
 */
import { JobsError } from '../../../model/errors.ts'
import { Refusal, refused } from './failure.ts'
import { kindOf, names } from './keys.ts'
import type { Transport } from './transport.ts'

/** The index of the last name that is read from each list of names. */
const SOME = 100

/** Whether an error says that a key has another type of data than Lark keeps there. */
export function isForeign(error: unknown): error is Refusal {
  // Before Redis 7, the word WRONGTYPE is in the middle of the message of a failed script.
  return (
    error instanceof Refusal && /^(WRONGTYPE|ERR Error running script.*[ -]WRONGTYPE) /.test(error.message)
  )
}

/** Makes the error for a damaged key. @param what the data under the key, in words: `a list` */
export function damagedKey(store: string, key: string, what: string, cause?: unknown): JobsError {
  return new JobsError('STORE_DAMAGED', `${store} has ${what} under ${key}, which Lark did not write`, {
    cause,
    hint: `Move it away (RENAME ${key} …), and give Lark a prefix that nobody else uses.`,
  })
}

/**
 * The error for a script that met foreign data.
 *
 * @param key KEYS[1] of the script
 */
export async function foreignBeside(transport: Transport, key: string, cause: Refusal): Promise<JobsError> {
  const tag = key.slice(0, key.lastIndexOf('}:') + 2)
  try {
    const all = [...names, ...(await moreNames(transport, tag))]
    const types = await Promise.all(all.map((name) => transport.send(['TYPE', tag + name])))
    for (const [i, type] of types.entries()) {
      const name = all[i]!
      if (type !== 'none' && type !== kindOf(name))
        return damagedKey(transport.name, tag + name, `a ${type}`, cause)
    }
  } catch {
    // If the user may not read the types of keys, or the server does not answer now, the error does not name
    // the key.
  }
  return damagedKey(transport.name, `${tag}*`, 'something', cause)
}

/** Whether a script ended with an error of Lua. The usual reason is that data of a job was missing. */
export function isBroken(error: unknown): error is Refusal {
  return error instanceof Refusal && /script.*attempt to /.test(error.message)
}

/**
 * The error for a script that ended with an error of Lua on a server that has evicted keys; undefined if the
 * server has evicted no keys.
 *
 * @param key KEYS[1] of the script
 */
export async function evictedBeside(
  transport: Transport,
  key: string,
  cause: Refusal,
): Promise<JobsError | undefined> {
  const ask = (section: string) => transport.send(['INFO', section], transport.deadline(), key)
  const [memory, stats] = await Promise.all([ask('memory'), ask('stats')]).catch(() => [])
  const policy = /^maxmemory_policy:(\S+)/m.exec(String(memory))?.[1]
  const count = Number(/^evicted_keys:(\d+)/m.exec(String(stats))?.[1] ?? 0)
  if (policy === undefined || policy === 'noeviction' || count === 0) return undefined
  const keys = count === 1 ? '1 key' : `${count} keys`
  const message = `${transport.name} has evicted ${keys}, jobs among them: its maxmemory-policy is ${policy}`
  const hint =
    'CONFIG SET maxmemory-policy noeviction, and the same in its configuration file. Then raise maxmemory, or give Lark a server of its own. What was evicted is lost.'
  return new JobsError('STORE_DAMAGED', message, { cause, hint })
}

/**
 * Makes the error of one partition from the text of the error. (A script for several partitions returns only
 * the texts of errors.)
 *
 * @param key a key of the partition
 */
export async function failureBeside(transport: Transport, key: string, text: string): Promise<Error> {
  const refusal = new Refusal(text)
  if (isBroken(refusal)) return (await evictedBeside(transport, key, refusal)) ?? refusal
  return isForeign(refusal) ? foreignBeside(transport, key, refusal) : refused(transport.name, refusal)
}

/**
 * The names of the partition's keys that contain a priority, a group, a limiter or a minute. Names that
 * cannot be read are left out.
 */
async function moreNames(transport: Transport, tag: string): Promise<string[]> {
  const read = async (name: string, last: number) => {
    const found = await transport.send(['ZRANGE', tag + name, '0', String(last)]).catch(() => [])
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
