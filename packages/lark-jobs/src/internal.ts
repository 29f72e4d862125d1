/**
 * What other packages of this repository need of the queue, and no user should: it may change with every
 * release, and it is for these packages alone, which are released together with this one. `/operate` and the
 * main entry do not change so.
 *
 * First what an instance of `Jobs` hides; then the flows and schedules that a store keeps; then the rules by
 * which a job is written: its ids, its sizes, its options; and last the words of messages.
 *
 * @module @s18i/lark-jobs/internal
 */
import { Draft } from './api/draft.ts'
import { Inside } from './api/inside.ts'
import type { JobHandle } from './api/job-handle.ts'
import { Jobs } from './api/jobs.ts'
import { loadSettings, type Settings } from './config/config.ts'
import { Configured } from './config/configured.ts'
import type { FlowSpec } from './dispatch/flow-definition.ts'
import type { Drafted } from './dispatch/new-job.ts'
import { insideOf } from './model/copies.ts'
import { defined } from './model/defined.ts'
import type { ClaimedJob } from './model/record.ts'
import type { HandChange } from './operate/audit/hand-change.ts'
import { awaitWithin } from './operate/events/results.ts'
import type { Operate } from './operate/operate.ts'
import type { JobLike } from './options/job-class.ts'
import { jobInside } from './options/job-inside.ts'
import { locationOf as locate } from './store/connect.ts'
import type { RedisServers } from './store/contract/servers.ts'
import type { Store } from './store/contract/store.ts'
import type { WorkOptions } from './worker/options.ts'
import type { Worker } from './worker/worker.ts'

export { isQueueName, knownQueue } from './config/queues.ts'
export { type FlowSpec, flowPlace, type NodeSpec } from './dispatch/flow-definition.ts'
export type { Drafted } from './dispatch/new-job.ts'
export { NodeNames } from './dispatch/node-names.ts'
export { checkTicks, partitionOf } from './dispatch/schedule-definition.ts'
export { jobIndex } from './flow/advance.ts'
export { FlowBook } from './flow/flow-book.ts'
export { FlowRecords, type KeptFlow, type NodeEnd } from './flow/flow-records.ts'
export { inContext } from './model/context.ts'
export { memberId, memberOf } from './model/effect.ts'
export { EVERY_KEY } from './model/every-key.ts'
export {
  type FailureRule,
  type FlowDefinition,
  type FlowJob,
  type FlowPlace,
  indexOf,
  MAX_DEFINITION,
  MAX_FLOW_ID,
  MAX_NODES,
  type NodeDefinition,
  type NodeState,
  nodeOf,
} from './model/flow.ts'
export { groupedBy } from './model/grouped.ts'
export { MAX_ID, newId, newNonce } from './model/id.ts'
export { partitionsOf, partitionWith, queueOf } from './model/partition.ts'
export { decode, encode, MAX_CONTEXT, MAX_PAYLOAD, whyDropped } from './model/payload.ts'
export { type Keep, MAX_NAME, type NewJob } from './model/record.ts'
export { isReserved, unreserved } from './model/reserved-key.ts'
export { MAX_SCHEDULE_ID, tickId, tickOf } from './model/tick.ts'
export type { HandChange } from './operate/audit/hand-change.ts'
export { passes } from './operate/events/watcher.ts'
export { locateFlow } from './operate/flows/flow-finding.ts'
export { alterAt, partitionsToLookIn } from './operate/look/stored-jobs.ts'
export { bookOf } from './operate/schedules/schedule-info.ts'
export { isFlowId } from './options/flow.ts'
export { isName } from './options/job-settings.ts'
export { limitsOf } from './options/limits.ts'
export { ownIdOf } from './options/own-id.ts'
export { isObject, voiceOf } from './options/schema.ts'
export type { Definition } from './schedule/definition.ts'
export { retentionOf } from './store/contract/rules/retention.ts'
export { MAX_BYTES, MAX_ERROR, MAX_ERRORS, type Store } from './store/contract/store.ts'
export { LONGEST, milliseconds } from './words/duration.ts'
export { listed } from './words/listed.ts'
export { plural } from './words/plural.ts'
export { shown } from './words/secret.ts'
export { textOf } from './words/thrown.ts'
export type { Settings }

/** An open store with its settings. */
export interface OpenJobs {
  store: Store
  settings: Settings
}

/**
 * The settings of a connection, or without one those of the application.
 *
 * @param call what messages say that the connection was given to
 */
export async function settingsOf(
  connection: string | RedisServers | undefined,
  call: string,
): Promise<Settings> {
  return connection === undefined ? await loadSettings() : new Configured({ connection }, call).settings()
}

/** An instance whose settings come from a function. Their maps may grow later. */
export function jobsWith(load: () => Promise<Settings>): Jobs {
  return new Jobs(new Inside(load))
}

/** Opens the store, unless it is open. */
export function opened(jobs: Jobs): Promise<OpenJobs> {
  return insideOf(jobs).open()
}

/** A job that is not dispatched, for a schedule. */
export function draftOf(says: Drafted): Draft {
  return new Draft({ dispatchDrafts: () => Promise.resolve([]) }, says)
}

/** Dispatches jobs together. */
export function dispatchAll(jobs: Jobs, all: readonly Drafted[]): Promise<JobHandle[]> {
  const inner = insideOf(jobs)
  return inner.dispatchDrafts(all.map((says) => new Draft(inner, says)))
}

/** @returns whether the flow is new: there may be one with its id */
export async function startFlow(jobs: Jobs, spec: FlowSpec): Promise<boolean> {
  return (await insideOf(jobs).dispatchFlow(spec)).isNew
}

/**
 * `jobs.work()`, any number of times from one line of code: a development server that loads it again ends no
 * worker.
 */
export function workApart(jobs: Jobs, options: WorkOptions): Promise<Worker> {
  return insideOf(jobs).supervisedWork(options)
}

/** What a worker holds of the job that it runs. */
export function claimedJobOf(job: JobLike): ClaimedJob {
  return job[jobInside]!.run!.job!
}

/**
 * Waits for the end of a job, until the instance is closed.
 *
 * @param ms how long. Default: as long as it takes
 * @param what names the job in messages
 * @throws RESULT_TIMEOUT
 */
export function awaitEnd<T>(
  jobs: Jobs,
  { ms, what, id }: { ms: number | undefined; what: string; id: string },
  wait: (over: AbortSignal) => Promise<T>,
): Promise<T> {
  const inner = insideOf(jobs)
  return awaitWithin(inner, ms, what, id, [inner.closing], wait)
}

/** Makes a change by hand, and records it in the audit. */
export function recorded<T>(
  operating: Operate,
  change: HandChange<T>,
  act: (target: OpenJobs, noted: (done: number) => void) => Promise<T>,
): Promise<T> {
  const { jobs, perform } = insideOf(operating)
  return perform(change, async (noted) => act(await jobs.open(), noted))
}

/** The open store of what `operate()` has made. */
export function openedBy(operating: Operate): Promise<OpenJobs> {
  return insideOf(operating).jobs.open()
}

/** An address of a server, and who logs in there. */
export interface ForeignAddress {
  host: string
  port: number
  /** A Unix socket, instead of host and port. */
  path?: string
  username?: string
  password?: string
  database: number
  /** `true`, or what `tls.connect` takes. */
  tls?: boolean | Readonly<Record<string, unknown>>
  family?: 0 | 4 | 6
  /** Milliseconds. */
  connectTimeout?: number
  /** Addresses to use instead of those that servers give, by their `host:port`. */
  natMap?: ReadonlyMap<string, { host: string; port: number }>
}

/**
 * `name` is for people, and without a password. The primary that Sentinels watch has `address`, except host
 * and port.
 */
export type ForeignLocation =
  | { kind: 'server'; name: string; address: ForeignAddress }
  | { kind: 'cluster'; name: string; nodes: ForeignAddress[] }
  | { kind: 'sentinel'; name: string; sentinels: ForeignAddress[]; primary: string; address: ForeignAddress }

/**
 * Where the servers of a connection are, for another client than Lark's. A function for credentials is called
 * once.
 *
 * @throws STORE_INVALID
 */
export async function locationOf(servers: string | RedisServers): Promise<ForeignLocation> {
  const location = await locate(servers)
  const read = async (address: OwnAddress): Promise<ForeignAddress> => {
    const { credentials, client: _, clientName: __, ...plain } = address
    const login = await credentials?.current()
    return { ...plain, ...(login && { password: login.password, ...defined({ username: login.username }) }) }
  }
  const all = (addresses: OwnAddress[]) => Promise.all(addresses.map(read))
  const { kind, name } = location
  if (kind === 'server') return { kind, name, address: await read(location.address) }
  if (kind === 'cluster') return { kind, name, nodes: await all(location.nodes) }
  const { primary, sentinels, address } = location
  return { kind, name, primary, sentinels: await all(sentinels), address: await read(address) }
}

type OwnAddress = Extract<Awaited<ReturnType<typeof locate>>, { kind: 'server' }>['address']
