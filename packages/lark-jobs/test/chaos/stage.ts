/**
 * Where a run takes place: a store of its kind, the ways that the roles have to it, and the faults that it knows.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCluster } from '../redis/cluster.ts'
import { startSentinel } from '../redis/sentinel.ts'
import { findBinary, startRedis } from '../redis/server.ts'
import type { FaultKind } from './fault.ts'
import { clusterFaults } from './faults/cluster.ts'
import { networkFaults } from './faults/network.ts'
import { roleFaults } from './faults/roles.ts'
import { sentinelFaults } from './faults/sentinel.ts'
import { serverArgs, serverFaults } from './faults/server.ts'
import { isLocked, sqliteFaults } from './faults/sqlite.ts'
import { Network } from './network.ts'

export const stages = ['sqlite', 'redis', 'valkey', 'sentinel', 'cluster'] as const
export type StageName = (typeof stages)[number]

export interface Stage extends AsyncDisposable {
  /** For the conductor, whose own way is never broken. */
  url: string
  /** For a role. */
  urlFor(role: string): string
  faults: readonly FaultKind[]
  /** Whether somebody holds the store, so that nobody else can write. */
  isLocked(): boolean
}

/**
 * @param prefix of the store's keys
 * @param queues those that have work
 * @param roles everyone who will need a way of their own
 */
export async function setStage(
  name: StageName,
  prefix: string,
  queues: readonly string[],
  roles: readonly string[],
): Promise<Stage> {
  if (name === 'sqlite') return sqlite()
  const binary = name === 'valkey' ? 'valkey-server' : 'redis-server'
  await findBinary(binary)
  switch (name) {
    case 'sentinel': {
      const fleet = await startSentinel({ args: serverArgs })
      return { ...open(fleet), faults: [...roleFaults, ...sentinelFaults(fleet)] }
    }
    case 'cluster': {
      const cluster = await startCluster({ args: serverArgs })
      const keys = queues.map((queue) => `${prefix}:{${queue}}:jobs`)
      return { ...open(cluster), faults: [...roleFaults, ...clusterFaults(cluster, keys)] }
    }
    default:
      return oneServer(binary, roles)
  }
}

/** Several servers name themselves to their clients, so no network of ours can come between. */
function open(fleet: AsyncDisposable & { url: string }): Omit<Stage, 'faults'> {
  const { url } = fleet
  return {
    url,
    urlFor: () => url,
    isLocked: () => false,
    [Symbol.asyncDispose]: () => fleet[Symbol.asyncDispose](),
  }
}

async function sqlite(): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'lark-chaos-store-'))
  const file = join(folder, 'jobs.db')
  const url = `sqlite:${file}`
  return {
    url,
    urlFor: () => url,
    faults: [...roleFaults, ...sqliteFaults(url)],
    isLocked: () => isLocked(file),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
  }
}

async function oneServer(binary: string, roles: readonly string[]): Promise<Stage> {
  const server = await startRedis({ binary, args: serverArgs })
  const networks = new Map<string, Network>()
  for (const role of roles) networks.set(role, await Network.to(server.port))
  return {
    url: server.url,
    urlFor: (role) => `redis://127.0.0.1:${networks.get(role)!.port}`,
    faults: [...roleFaults, ...networkFaults(networks), ...serverFaults(server)],
    isLocked: () => false,
    async [Symbol.asyncDispose]() {
      for (const network of networks.values()) await network[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}
