/**
 * The stage of a run: the store, the connections of the roles to it, and its faults.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { startCluster } from '../redis/cluster.ts'
import { startSentinel } from '../redis/sentinel.ts'
import { findBinary, type Server, startRedis } from '../redis/server.ts'
import { Beat } from './beat.ts'
import type { FaultKind } from './fault.ts'
import { clusterFaults } from './faults/cluster.ts'
import { networkFaults } from './faults/network.ts'
import { roleFaults } from './faults/roles.ts'
import { sentinelFaults } from './faults/sentinel.ts'
import { type ServerForm, serverArgs, serverFaults } from './faults/server.ts'
import { isLocked, sqliteFaults } from './faults/sqlite.ts'
import { Network } from './network.ts'

export const stages = ['sqlite', 'redis', 'valkey', 'sentinel', 'cluster'] as const
export type StageName = (typeof stages)[number]

export interface Stage extends AsyncDisposable {
  /** The URL for the conductor. No fault breaks the connection of the conductor. */
  url: string
  /** The URL for a role. */
  urlFor(role: string): string
  faults: readonly FaultKind[]
  /** Whether a process holds the store, so that no other process can write. */
  isLocked(): boolean
  /** The folders with the files of the store. An append-only file has the time of every write. */
  folders: readonly string[]
}

export async function keepFiles({ folders }: Stage, into: string): Promise<void> {
  for (const folder of folders) await cp(folder, join(into, basename(folder)), { recursive: true })
}

/**
 * @param prefix the prefix of the store's keys
 * @param queues the queues into which jobs are dispatched
 * @param roles the roles that need their own connection
 * @param form the kind and the number of servers
 */
export async function setStage(
  name: StageName,
  prefix: string,
  queues: readonly string[],
  roles: readonly string[],
  form?: ServerForm,
): Promise<Stage> {
  if (name === 'sqlite') return sqlite()
  const binary = name === 'valkey' ? 'valkey-server' : 'redis-server'
  await findBinary(binary)
  switch (name) {
    case 'sentinel': {
      const fleet = await startSentinel({ args: serverArgs(form) })
      return { ...open(fleet, fleet.servers), faults: [...roleFaults, ...sentinelFaults(fleet)] }
    }
    case 'cluster': {
      const cluster = await startCluster({ args: serverArgs(form) })
      const keys = queues.map((queue) => `${prefix}:{${queue}}:jobs`)
      return { ...open(cluster, cluster.nodes), faults: [...roleFaults, ...clusterFaults(cluster, keys)] }
    }
    default:
      return oneServer(binary, roles, form)
  }
}

/**
 * Clusters and Sentinels tell clients the addresses of their servers, so a proxy in front of the servers
 * would be bypassed.
 */
function open(fleet: AsyncDisposable & { url: string }, servers: readonly Server[]): Omit<Stage, 'faults'> {
  const { url } = fleet
  return {
    url,
    folders: servers.map(({ folder }) => folder),
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
    folders: [folder],
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
  }
}

async function oneServer(binary: string, roles: readonly string[], form?: ServerForm): Promise<Stage> {
  const server = await startRedis({ binary, args: serverArgs(form) })
  const beat = form?.fsync === 'everysec' ? new Beat(server.url) : undefined
  const networks = new Map<string, Network>()
  for (const role of roles) networks.set(role, await Network.to(server.port))
  return {
    url: server.url,
    urlFor: (role) => `redis://127.0.0.1:${networks.get(role)!.port}`,
    faults: [...roleFaults, ...networkFaults(networks), ...serverFaults(server, beat)],
    isLocked: () => false,
    folders: [server.folder],
    async [Symbol.asyncDispose]() {
      for (const network of networks.values()) await network[Symbol.asyncDispose]()
      await beat?.[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}
