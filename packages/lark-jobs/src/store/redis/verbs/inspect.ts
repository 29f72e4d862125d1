/**
 * Inspects the servers of a store: reads what the servers report, and finds the commands that the user may
 * not run.
 */
import type { ReplicaFacts, ServerFacts, ServersInspection } from '../../contract/inspection.ts'
import type { Durability } from '../../contract/store.ts'
import type { Connection } from '../client/connection.ts'
import { Refusal } from '../client/failure.ts'
import { absentKey } from '../client/hash-slot.ts'
import { type Keys, LAYOUT } from '../client/keys.ts'
import { repeated } from '../client/repetition.ts'

/** The time limit for the answers of each server, in milliseconds. */
const PATIENCE = 3_000

type Command = readonly [name: string, ...string[]]

/**
 * Commands for lists, sets and hashes, applied to the key with the layout of the store, which is a string. So
 * each command fails and changes nothing. The error shows whether the user may run the command, because a
 * server checks the rights of the user before it reads the key. A node of a cluster that does not have the
 * key also checks the rights before it names the right node.
 */
export function onLayout(keys: Keys): readonly Command[] {
  const key = keys.meta('layout')
  const all = (names: string, ...args: string[]) =>
    names.split(' ').map((name): Command => [name, key, ...args])
  return [
    ...all('HKEYS HLEN HVALS LLEN LPOP RPOP SCARD SMEMBERS SPOP ZCARD ZPOPMIN'),
    ...all(
      'HGET HDEL HEXISTS HMGET HSTRLEN HSCAN LINDEX LPUSH RPUSH RPUSHX LPOS SADD SISMEMBER SMISMEMBER SREM',
      '0',
    ),
    ...all('ZMSCORE ZRANK ZREM ZREVRANK ZSCORE', '0'),
    ...all('ZLEXCOUNT', '-', '+'),
    ...all('HINCRBY HSET HSETNX LRANGE LREM LSET LTRIM', '0', '0'),
    ...all('ZADD ZCOUNT ZINCRBY ZRANGE ZRANGEBYSCORE ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE', '0', '0'),
  ]
}

/** Commands that change nothing, no matter what the keys contain. */
export function harmless(keys: Keys): readonly Command[] {
  const there = keys.meta('layout')
  const absent = absentKey(there)
  return [
    ...['EXISTS', 'STRLEN', 'TYPE', 'PTTL'].map((name): Command => [name, there]),
    ['GETRANGE', there, '0', '0'],
    ['BITFIELD', there, 'GET', 'u8', '0'],
    ['BITPOS', there, '1'],
    ['DEL', absent],
    ['EXPIRE', absent, '1'],
    ['PEXPIRE', absent, '1'],
    ['EVAL', 'return 1', '1', there],
    ['EVALSHA', '0'.repeat(40), '1', there],
    ['PUBLISH', keys.bell('doctor'), ''],
    ['TIME'],
    ['PING'],
    ['INFO', 'server'],
  ]
}

/**
 * The commands that the store needs only on some kinds of servers (`way`), or for some values of
 * `durability`.
 */
function more(way: string, durability: Durability): readonly (readonly string[])[] {
  return [
    ...(way === 'cluster' ? [['CLUSTER', 'SLOTS'], ['CLUSTER', 'NODES'], ['ASKING'], ['PING']] : [['ROLE']]),
    ...(durability === 'replicated' ? [['WAIT', '0', '0']] : []),
    ...(durability === 'strict' ? [['WAITAOF', '0', '0', '0']] : []),
  ]
}

export interface Inspecting {
  keys: Keys
  way: ServersInspection['way']
  durability: Durability
  /**
   * Whether the user is not `default`. Such a user usually has no right to read settings. So settings are not
   * requested, because each refusal would appear in the server's log.
   */
  isNarrow: boolean
  /** Whether to request only INFO and the time. */
  isBrief: boolean
}

export async function inspectServer(
  server: Connection,
  { keys, way, durability, isNarrow, isBrief }: Inspecting,
): Promise<ServerFacts> {
  const { name } = server
  const ask = (commands: readonly (readonly string[])[]) => {
    const deadline = performance.now() + PATIENCE
    return repeated('read', deadline, () => server.sendTogether(commands, deadline))
  }
  try {
    // These commands write the layout if somebody has emptied the store, as the next process that opens the
    // store would do.
    const layout: readonly Command[] = [
      ['SET', keys.meta('layout'), LAYOUT, 'NX'],
      ['GET', keys.meta('layout')],
    ]
    const [written, found] = isBrief ? [] : await ask(layout)
    const isText = found === LAYOUT || (found instanceof Refusal && found.word === 'MOVED')
    const asked = Date.now()
    const [time] = await ask([['TIME']])
    const answered = Date.now()
    const tries = isBrief
      ? []
      : [...(isText ? onLayout(keys) : []), ...harmless(keys), ...more(way, durability)]
    const answers = [written, found, ...(isBrief ? [] : await ask(tries))]
    const tried = [...layout, ...tries]
    const known = await ask([['INFO'], ...(isNarrow || isBrief ? [] : [['CONFIG', 'GET', 'appendfsync']])])
    const [info, sync] = known.map((answer) => (answer instanceof Refusal ? undefined : answer))
    const refused = tried.filter((_, i) => isForbidden(answers[i])).map(wordsOf)
    return {
      name,
      ...factsIn(String(info ?? '')),
      ...(Array.isArray(sync) && typeof sync[1] === 'string' && { appendSync: sync[1] }),
      ...(Array.isArray(time) && { clock: clockOf(time as string[], asked, answered) }),
      refused: [...new Set(refused)].sort(),
    }
  } catch (error) {
    return { name, failure: error instanceof Error ? error.message : String(error), refused: [] }
  }
}

function isForbidden(answer: unknown): boolean {
  return answer instanceof Refusal && answer.word === 'NOPERM'
}

function wordsOf([command, sub]: readonly string[]): string {
  return (command === 'CLUSTER' ? `${command}|${sub}` : command!).toLowerCase()
}

function clockOf(
  [seconds, micros]: string[],
  asked: number,
  answered: number,
): NonNullable<ServerFacts['clock']> {
  const at = Number(seconds) * 1_000 + Number(micros) / 1_000
  return { ahead: Math.round(at - (asked + answered) / 2), within: Math.ceil((answered - asked) / 2) + 1 }
}

/** Reads the text of INFO, which is empty if the user may not read INFO. */
export function factsIn(text: string): Omit<ServerFacts, 'name' | 'refused'> {
  const info = new Map([...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name, value]) => [name!, value!]))
  if (info.size === 0) return {}
  const number = (name: string) => (info.has(name) ? Number(info.get(name)) : undefined)
  const isOk = (name: string) => (info.has(name) ? info.get(name) === 'ok' : undefined)
  const valkey = info.get('valkey_version')
  const offset = number('master_repl_offset') ?? 0
  const facts = {
    software: valkey === undefined ? ('Redis' as const) : ('Valkey' as const),
    version: valkey ?? info.get('redis_version'),
    isNode: info.get('cluster_enabled') === '1',
    evictionPolicy: info.get('maxmemory_policy'),
    maxMemory: number('maxmemory'),
    usedMemory: number('used_memory'),
    systemMemory: number('total_system_memory'),
    appendOnly: info.has('aof_enabled') ? info.get('aof_enabled') === '1' : undefined,
    isAppending: isOk('aof_last_write_status'),
    isSaving: isOk('rdb_last_bgsave_status'),
    // A server reports `min_slaves_good_slaves` only if its setting min-replicas-to-write is not 0.
    needsReplicas: info.has('connected_slaves') ? info.has('min_slaves_good_slaves') : undefined,
    replicas: info.has('connected_slaves') ? replicasIn(info, offset) : undefined,
  }
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
}

function replicasIn(info: ReadonlyMap<string, string>, offset: number): ReplicaFacts[] {
  return [...info].flatMap(([name, value]) => {
    if (!/^slave\d+$/.test(name)) return []
    const {
      ip,
      port,
      state,
      lag,
      offset: own,
    } = Object.fromEntries(value.split(',').map((part) => part.split('=')))
    const behind = Math.max(0, offset - Number(own ?? offset))
    return { name: `${ip}:${port}`, isOnline: state === 'online', silence: Number(lag ?? 0) * 1_000, behind }
  })
}
