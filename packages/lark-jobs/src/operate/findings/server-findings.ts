/** The findings of the doctor for the facts about Redis and Valkey servers. */

import type { ServerFacts, ServersInspection } from '../../store/contract/inspection.ts'
import { readable } from '../../words/duration.ts'
import { listed } from '../../words/listed.ts'
import { type DoctorFinding, Examination } from './finding-codes.ts'
import { bytes } from './size.ts'

/** The oldest versions that Lark works with. */
const OLDEST = { Redis: [6, 2], Valkey: [7, 2] } as const
/** If a larger share of the memory is in use, the doctor warns (`TIGHT`), or finds an error (`FULL`). */
const TIGHT = 0.75
const FULL = 0.9
/**
 * The tolerated difference between the clocks of two servers, or of a server and this process, in
 * milliseconds.
 */
const APART = 1_000
/**
 * A replica counts as disconnected if it was last heard from more than this many milliseconds ago, or if it
 * is too many bytes behind.
 */
const SILENT = 10_000
const BEHIND = 64 << 20

export function serverFindings(inspection: ServersInspection): DoctorFinding[] {
  const each = inspection.servers.flatMap((server) => findingsOf(server, inspection))
  return [...each, ...together(inspection.servers)]
}

function findingsOf(server: ServerFacts, inspection: ServersInspection): DoctorFinding[] {
  const found = new Examination(server.name)
  if (server.failure !== undefined) {
    found.fail('server-answers', server.failure, 'Start the server, or let another take its place.')
    return found.findings
  }
  found.ok('server-answers', 'answers')
  if (server.version === undefined) {
    const remedy = 'Allow it: ACL SETUSER … +info'
    found.warn('rights', 'the user may not run INFO, so most of the server cannot be checked', remedy)
  }
  checkVersion(server, found)
  checkConnection(server, inspection, found)
  checkEviction(server, found)
  checkDisk(server, inspection, found)
  checkMemory(server, found)
  checkReplicas(server, inspection, found)
  checkClock(server, found)
  checkRights(server, found)
  return found.findings
}

function checkVersion({ software = 'Redis', version }: ServerFacts, found: Examination): void {
  if (version === undefined) return
  const [major, minor] = OLDEST[software]
  const [its = 0, minors = 0] = version.split('.').map(Number)
  if (its > major || (its === major && minors >= minor)) found.ok('server-version', `${software} ${version}`)
  else
    found.fail(
      'server-version',
      `is ${software} ${version}, which lacks commands that Lark uses`,
      `Install ${software} ${major}.${minor} or newer.`,
    )
}

function checkConnection({ isNode }: ServerFacts, { way }: ServersInspection, found: Examination): void {
  if (isNode === undefined || way === 'cluster') return
  if (!isNode) found.ok('cluster-connection', 'is not a node of a cluster')
  else
    found.warn(
      'cluster-connection',
      'is a node of a cluster, and is reached as a server by itself: while a slot moves, jobs may be lost',
      'Write redis+cluster:// instead of redis://',
    )
}

function checkEviction({ evictionPolicy, maxMemory }: ServerFacts, found: Examination): void {
  if (evictionPolicy === undefined) return
  if (evictionPolicy === 'noeviction') found.ok('eviction', 'maxmemory-policy is noeviction')
  else if (maxMemory === 0)
    found.ok('eviction', `maxmemory-policy is ${evictionPolicy}, without effect: there is no maxmemory`)
  else
    found.fail(
      'eviction',
      `drops jobs when its memory is full: maxmemory-policy is ${evictionPolicy}`,
      'CONFIG SET maxmemory-policy noeviction, and the same in its configuration file',
    )
}

function checkDisk(server: ServerFacts, inspection: ServersInspection, found: Examination): void {
  const { appendOnly, appendSync, isAppending, isSaving } = server
  const { durability, isManaged } = inspection
  if (appendOnly === false && !isManaged)
    found.warn(
      'append-only',
      'keeps no append-only file: a crash loses the jobs since its last snapshot',
      'CONFIG SET appendonly yes, and the same in its configuration file',
    )
  else if (appendOnly && appendSync === 'no' && durability === 'normal')
    found.warn(
      'append-only',
      'leaves it to the system when its append-only file is synced: a power cut may lose more than the last second',
      'CONFIG SET appendfsync everysec, and the same in its configuration file',
    )
  else if (appendOnly)
    found.ok('append-only', `keeps an append-only file${appendSync ? ` (${appendSync})` : ''}`)
  const failing = [
    ...(appendOnly && isAppending === false ? ['append-only file'] : []),
    ...(isSaving === false ? ['snapshot'] : []),
  ]
  if (failing.length > 0)
    found.fail(
      'disk-writes',
      `could not write its ${failing.join(' and its ')}: it refuses all writes, or will lose them`,
      'See its log, the free space of its disk, and the rights of its folder.',
    )
  else if (isSaving !== undefined) found.ok('disk-writes', 'its last writes to the disk succeeded')
}

function checkMemory({ maxMemory, usedMemory, systemMemory }: ServerFacts, found: Examination): void {
  const most = maxMemory || systemMemory
  if (usedMemory === undefined || !most) return
  const share = usedMemory / most
  const what = maxMemory ? 'maxmemory' : 'the memory of its machine'
  const text = `uses ${bytes(usedMemory)} of ${bytes(most)} (${what}): ${Math.round(share * 100)} %`
  const remedy = 'Give it more memory, let workers finish what waits, or keep fewer ended jobs (jobs.keep).'
  if (share >= FULL) found.fail('memory', text, remedy)
  else if (share >= TIGHT) found.warn('memory', text, remedy)
  else found.ok('memory', text)
}

function checkReplicas(
  { replicas, needsReplicas }: ServerFacts,
  { way, durability, isManaged }: ServersInspection,
  found: Examination,
): void {
  if (replicas === undefined) return
  const online = replicas.filter(({ isOnline }) => isOnline)
  const late = replicas.filter((each) => !each.isOnline || each.silence > SILENT || each.behind > BEHIND)
  const isNeeded = durability === 'replicated'
  if (online.length === 0 && isNeeded)
    found.fail(
      'replicas',
      'has no replica: with durability replicated, every dispatch is uncertain',
      'Start a replica.',
    )
  else if (online.length === 0 && way !== 'server' && !isManaged)
    found.warn('replicas', 'has no replica: nothing takes its place if it dies', 'Start a replica.')
  else if (late.length > 0)
    found.warn(
      'replicas',
      `has replicas that do not follow: ${listed(late.map(wordsOf))}`,
      'See the logs of both, and the network between them.',
    )
  else if (isNeeded && needsReplicas === false)
    found.warn(
      'replicas',
      'accepts jobs even while it is cut off from its replicas: after a failover, these are lost',
      'CONFIG SET min-replicas-to-write 1, and the same in its configuration file',
    )
  else if (online.length > 0)
    found.ok('replicas', online.length === 1 ? '1 replica follows' : `${online.length} replicas follow`)
}

function wordsOf({ name, isOnline, silence, behind }: NonNullable<ServerFacts['replicas']>[number]): string {
  if (!isOnline) return `${name} is not online`
  return silence > SILENT
    ? `${name} is silent for ${readable(silence)}`
    : `${name} is ${bytes(behind)} behind`
}

function checkClock({ clock }: ServerFacts, found: Examination): void {
  if (clock === undefined) return
  const apart = Math.abs(clock.ahead)
  if (apart - clock.within <= APART) found.ok('server-clock', `its clock and that of this process agree`)
  else
    found.warn(
      'server-clock',
      `its clock is ${readable(apart)} ${clock.ahead > 0 ? 'ahead of' : 'behind'} that of this process`,
      'Let NTP set both clocks. Jobs start by the clock of the server.',
    )
}

function checkRights({ refused }: ServerFacts, found: Examination): void {
  if (refused.length === 0) found.ok('rights', 'the user may run all commands that Lark uses')
  else
    found.fail(
      'rights',
      `refuses commands to the user: ${listed(refused, 20)}`,
      `ACL SETUSER … ${refused.map((command) => `+${command}`).join(' ')}`,
    )
}

/** The findings that result from comparing several servers. */
function together(servers: readonly ServerFacts[]): DoctorFinding[] {
  const found = new Examination('the servers')
  if (servers.length < 2) return []
  const versions = new Set(
    servers.flatMap(({ software, version }) => (version ? `${software} ${version}` : [])),
  )
  if (versions.size > 1)
    found.warn('server-version', `differ: ${listed(versions)}`, 'Upgrade the older ones.')
  const clocks = servers.flatMap(({ clock }) => clock ?? [])
  const [first, last] = [Math.min, Math.max].map((most) => most(...clocks.map(({ ahead }) => ahead)))
  const apart = last! - first! - Math.max(...clocks.map(({ within }) => within)) * 2
  if (clocks.length > 1 && apart > APART)
    found.warn(
      'server-clock',
      `their clocks are ${readable(apart)} apart`,
      'Let NTP set their clocks. After a failover, jobs would be due at other times.',
    )
  return found.findings
}
