/**
 * Asks the nodes of a cluster which node serves which slots, and returns the first answer. `cluster.ts` keeps
 * the answer as its map, and decides when to ask again. Also asks nodes whether a primary was replaced, when
 * a primary is in doubt (`failover.ts`).
 */
import { JobsError } from '../../../model/errors.ts'
import { type Address, hostOf, reached, withoutConnectTimeout } from './address.ts'
import type { ServerRole } from './failover.ts'
import { movedOn, Refusal } from './failure.ts'
import { ask } from './link.ts'

export interface Shard {
  first: number
  last: number
  primary: Address
  /** The id of the primary in the cluster. */
  id: string
  replicas: Address[]
}

/** The time limit for connecting to a node, and also for its answer, in milliseconds. */
const PATIENCE = 1_000
/** How many nodes are asked at the same time. */
const AT_ONCE = 3

/**
 * @param nodes the nodes that may be asked, the most likely one first
 * @throws Refusal if a node refuses for lack of a password or permission; otherwise an error that lists every
 *   failure
 */
export async function askShards(nodes: readonly Address[], signal: AbortSignal): Promise<Shard[]> {
  const failures: unknown[] = []
  for (let i = 0; i < nodes.length && !signal.aborted; i += AT_ONCE) {
    // After the first answer, the links to the other nodes are closed. If the links stayed open, each call
    // would leave more links to nodes that hang.
    const answered = new AbortController()
    const over = AbortSignal.any([signal, answered.signal])
    try {
      return await Promise.any(nodes.slice(i, i + AT_ONCE).map((node) => shardsOf(node, over)))
    } catch (error) {
      failures.push(...(error as AggregateError).errors)
    } finally {
      answered.abort(new Error('another node has answered'))
    }
  }
  const telling = failures.find((error) => {
    return error instanceof JobsError || (error instanceof Refusal && !movedOn.has(error.word))
  })
  throw telling ?? new AggregateError(failures, 'no node answers')
}

/**
 * Asks a node whether a server is a primary or was replaced. If the node considers the server failed, the
 * result is undefined, because the server may be replaced soon or may have recovered.
 *
 * @param id the id of the server in the cluster
 * @param patience the time limit for connecting to the node, and again for its answer, in milliseconds
 */
export async function askStanding(
  node: Address,
  id: string,
  patience: number,
  signal: AbortSignal,
): Promise<ServerRole> {
  const asked = withoutConnectTimeout(node)
  const table = String(await ask(asked, patience, signal, (link) => link.send(['CLUSTER', 'NODES'])))
  const row = table.split('\n').find((line) => line.startsWith(`${id} `))
  if (row === undefined) return undefined
  const [, , flags = '', , , , , , ...slots] = row.split(' ')
  if (!/\bmaster\b/.test(flags) || slots.length === 0) return 'replaced'
  return /\bfail\b/.test(flags) ? undefined : 'primary'
}

async function shardsOf(node: Address, signal: AbortSignal): Promise<Shard[]> {
  try {
    const slots = await ask(node, PATIENCE, signal, (link) => link.send(['CLUSTER', 'SLOTS']))
    const shards = readShards(slots, node)
    if (shards.length > 0) return shards
    throw new Error(`${hostOf(node)} knows of no slots`)
  } catch (error) {
    if (!(error instanceof Refusal) || !error.message.includes('cluster support disabled')) throw error
    throw new JobsError('STORE_INVALID', `${hostOf(node)} is not a node of a cluster`, {
      hint: 'Write redis://host:port for a server by itself',
    })
  }
}

type Node = [host: string | null, port: number, id: string]

/**
 * Reads the answer to CLUSTER SLOTS. If a node has no host in the answer, its host is that of the node that
 * was asked. If the host of a node is '?', its address is not known, and the node is left out.
 */
function readShards(reply: unknown, asked: Address): Shard[] {
  const at = ([host, port]: Node): Address => ({ ...asked, ...reached(asked, host || asked.host, port) })
  return (reply as [number, number, ...Node[]][]).flatMap(([first, last, ...places]) => {
    const [primary, ...replicas] = places.filter(([host]) => host !== '?').map(at)
    return primary === undefined || places[0]![0] === '?'
      ? []
      : [{ first, last, primary, id: places[0]![2], replicas }]
  })
}
