/**
 * The check of a server when a store is opened: whether its version is new enough, and which of its settings
 * need a warning. In a cluster, every primary is checked. A primary that does not answer is accepted, because
 * later calls will fail if it stays away.
 */
import { JobsError } from '../../../model/errors.ts'
import type { Mode } from '../verbs/durability-wait.ts'
import type { Connection } from './connection.ts'
import { refusalIn } from './failure.ts'
import type { Transport } from './transport.ts'

/** The oldest version of Redis that has SMISMEMBER, ZRANGE BYSCORE and LPOP with a count. */
const OLDEST = [6, 2] as const
/** The oldest version of Redis that has WAITAOF. */
const OLDEST_STRICT = [7, 2] as const
/** The time limit for the answer of each server if there are several servers, in milliseconds. */
const PATIENCE = 1_500

type Info = ReadonlyMap<string, string>

/**
 * @param isManaged whether a provider runs the servers: then no warning asks for a setting that customers
 *   cannot change
 * @returns warnings, one line each
 * @throws STORE_INVALID if a server is too old or cannot be as durable as required
 */
export async function greet(
  transport: Transport,
  durability: 'normal' | Mode = 'normal',
  isManaged = false,
): Promise<string[]> {
  const deadline = transport.deadline()
  const servers = await transport.servers(deadline)
  const infos = await Promise.all(servers.map((server) => readInfo(server, servers.length, deadline)))
  const found = new Map<string, string[]>()
  for (const [i, info] of infos.entries()) {
    const { name } = servers[i]!
    checkVersion(name, info)
    if (durability === 'strict') checkStrict(name, info, isManaged)
    const isAlone = (servers[i] as Transport) === transport
    for (const warning of warnings(info, durability, isAlone, isManaged)) {
      found.set(warning, [...(found.get(warning) ?? []), name])
    }
  }
  return [...found].map(([warning, names]) => `${names.join(', ')}: ${warning}`)
}

/** The server's INFO, or an empty INFO if the user may not read it. */
async function readInfo(server: Connection, servers: number, deadline: number): Promise<Info> {
  try {
    const text = String(await server.send(['INFO'], servers > 1 ? performance.now() + PATIENCE : deadline))
    return new Map([...text.matchAll(/^(\w+):(.*)\r$/gm)].map(([, name, value]) => [name!, value!]))
  } catch (error) {
    if (refusalIn(error)?.word === 'NOPERM') return new Map()
    if (servers > 1 && (JobsError.is(error, 'STORE_UNREACHABLE') || JobsError.is(error, 'STORE_UNCERTAIN')))
      return new Map()
    throw error
  }
}

function checkVersion(server: string, info: Info): void {
  const version = info.get('redis_version')
  if (version === undefined || isAtLeast(version, OLDEST)) return
  throw new JobsError('STORE_INVALID', `${server} is Redis ${version}`, {
    hint: `Lark needs Redis ${OLDEST.join('.')} or newer, or Valkey`,
  })
}

function checkStrict(server: string, info: Info, isManaged: boolean): void {
  const version = info.get('redis_version')
  if (version !== undefined && !isAtLeast(version, OLDEST_STRICT)) {
    const message = `${server} is Redis ${version}: it cannot keep durability 'strict'`
    throw new JobsError('STORE_INVALID', message, {
      hint: `That needs Redis ${OLDEST_STRICT.join('.')} or Valkey. With 'appendfsync always' an older one is as safe without it`,
    })
  }
  if (info.get('aof_enabled') === '0') {
    const message = `${server} cannot keep durability 'strict': it keeps no append-only file`
    throw new JobsError('STORE_INVALID', message, {
      hint: isManaged
        ? "A provider runs it. Take durability 'replicated', which needs a replica; or 'normal' where the provider keeps every write, as MemoryDB does"
        : "Set 'appendonly yes' there",
    })
  }
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [its = 0, minors = 0] = version.split('.').map(Number)
  return its > major || (its === major && minors >= minor)
}

/** @param isAlone whether the connection names only this server */
function warnings(info: Info, durability: 'normal' | Mode, isAlone: boolean, isManaged: boolean): string[] {
  const policy = info.get('maxmemory_policy')
  const bounded = Number(info.get('maxmemory') ?? 0) > 0
  const found: string[] = []
  if (bounded && policy !== 'noeviction')
    found.push(
      `jobs are dropped when the memory is full: maxmemory-policy is ${policy}, set it to noeviction`,
    )
  if (info.get('aof_enabled') === '0' && !isManaged)
    found.push('the newest jobs are lost in a crash: there is no append-only file (appendonly yes)')
  if (durability === 'replicated' && info.get('connected_slaves') === '0')
    found.push('no replica is there: every dispatch will be uncertain')
  // Scripts must not run while their slot is moving to another node. Only a connection to the whole cluster
  // prevents this (`hash-slot.ts`).
  if (isAlone && info.get('cluster_enabled') === '1')
    found.push('it is a node of a cluster, where slots may move: write redis+cluster:// instead of redis://')
  return found
}
