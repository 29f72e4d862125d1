/**
 * Makes on real servers the users that `docs/redis.md` describes. Tests with these users show that the
 * permissions are sufficient.
 */
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'

export type Kind = 'one server' | 'a cluster' | 'a Sentinel'

const page = readFileSync(new URL('../../../../docs/redis.md', import.meta.url), 'utf8')

/**
 * Returns the ACL SETUSER command of the manual.
 *
 * @param more permissions that the manual adds for a feature, such as `durability: 'strict'`
 * @param prefix the prefix of the keys
 */
export function rights(kind: Kind, more: readonly string[] = [], prefix = 'lark'): string[] {
  const line = new RegExp(`^# ${kind}\\b.*\n(ACL SETUSER .*)$`, 'm').exec(page)?.[1]
  const also = more.map((what) => new RegExp(`^\\| ${what} +\\| \`(.*)\` +\\|`, 'm').exec(page)![1]!)
  const words = [line!, ...also].join(' ').replace('~lark:', `~${prefix}:`).replace('&lark:', `&${prefix}:`)
  return words.split(' ')
}

interface Sends {
  send(...words: string[]): Promise<unknown>
}

/** Returns the commands that servers refused to the user, from ACL LOG. */
export async function refusals(servers: readonly Sends[]): Promise<string[]> {
  const logs = await Promise.all(servers.map((server) => server.send('ACL', 'LOG')))
  const entries = (logs as unknown[][][]).flat()
  return entries.map((entry) => entry.join(' ')).filter((entry) => entry.includes('user=lark '))
}

/** Expects that servers refused nothing to the user. */
export async function expectNoRefusals(servers: readonly Sends[]): Promise<void> {
  expect(await refusals(servers)).toEqual([])
}

/** Returns the same URL with the user `lark`. */
export function asLark(url: string): string {
  return url.replace(/\/\/(?:[^/@]*@)?/, '//lark:secret@')
}
