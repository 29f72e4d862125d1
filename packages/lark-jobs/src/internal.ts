/**
 * What other packages of this repository need of the queue, and no user should: it may change with every
 * release, and it is for these packages alone, which are released together with this one. `/operate` and the
 * main entry do not change so.
 *
 * First what an instance of `Jobs` hides; then the flows and schedules that a store keeps; then the rules by
 * which a job is written: its ids, its sizes, its options; and last the words of messages. It has few names:
 * what the main entry or `/operate` exports is taken from there, and a type that another one leads to has no
 * name.
 *
 * @module @s18i/lark-jobs/internal
 */
import { defined } from '@s18i/lark/internal'
import { Draft } from './api/draft.ts'
import { Inside } from './api/inside.ts'
import type { JobHandle } from './api/job-handle.ts'
import { Jobs } from './api/jobs.ts'
import { loadSettings, type Settings } from './config/config.ts'
import { Configured } from './config/configured.ts'
import type { FlowSpec } from './dispatch/flow-definition.ts'
import type { Drafted } from './dispatch/new-job.ts'
import { checkTicks as checkTicksOf } from './dispatch/schedule-definition.ts'
import { jobIndex } from './flow/advance.ts'
import { insideOf } from './model/copies.ts'
import { memberId } from './model/effect.ts'
import { type FlowPlace, type FlowState, MAX_DEFINITION, MAX_FLOW_ID, MAX_NODES } from './model/flow.ts'
import { MAX_ID } from './model/id.ts'
import { MAX_CONTEXT, MAX_PAYLOAD } from './model/payload.ts'
import { type ClaimedJob, MAX_NAME } from './model/record.ts'
import { releasing } from './model/run/decision.ts'
import { MAX_SCHEDULE_ID } from './model/tick.ts'
import type { HandChange } from './operate/audit/hand-change.ts'
import { awaitWithin } from './operate/events/results.ts'
import type { Operate } from './operate/operate.ts'
import type { Operating } from './operate/operated.ts'
import { type ClassMaker, classMaker } from './options/isolated.ts'
import type { JobLike } from './options/job-class.ts'
import { notedIn } from './options/job-inside.ts'
import type { MiddlewareJob } from './options/middleware.ts'
import { voiceOf } from './options/schema.ts'
import { reachOf } from './run/middleware/permits.ts'
import type { Definition } from './schedule/definition.ts'
import { locationOf as locate } from './store/connect.ts'
import type { RedisServers } from './store/contract/connection/servers.ts'
import { MAX_BYTES, MAX_ERROR, MAX_ERRORS, PUBLISHED_BYTES, type Store } from './store/contract/store.ts'
import { LONGEST } from './words/duration.ts'
import type { WorkOptions } from './worker/options.ts'
import type { Worker } from './worker/worker.ts'

export { knownQueue } from './config/queues.ts'
export { type FlowSpec, flowPlace } from './dispatch/flow-definition.ts'
export type { Drafted } from './dispatch/new-job.ts'
export { NodeNames } from './dispatch/node-names.ts'
export { partitionOf } from './dispatch/schedule-definition.ts'
export { FlowBook } from './flow/flow-book.ts'
export { FlowRecords, type KeptFlow } from './flow/flow-records.ts'
export { withoutNodes } from './flow/removed-nodes.ts'
export { inContext } from './model/context.ts'
export { memberOf } from './model/effect.ts'
export { EVERY_KEY } from './model/every-key.ts'
export {
  type FailureRule,
  type FlowPlace,
  type NodeState,
  nodeOf,
} from './model/flow.ts'
export { groupedBy } from './model/grouped.ts'
export { isQueueName, partitionsOf, partitionWith, queueOf } from './model/partition.ts'
export { decode, encode, whyDropped } from './model/payload.ts'
export type { Keep, NewJob } from './model/record.ts'
export { isReserved } from './model/reserved-key.ts'
export { tickId, tickOf } from './model/tick.ts'
export { passes } from './operate/events/watcher.ts'
export { locateFlow } from './operate/flows/flow-finding.ts'
export { alterAt, partitionsToLookIn } from './operate/look/stored-jobs.ts'
export { bookOf } from './operate/schedules/schedule-info.ts'
export { isName } from './options/job-settings.ts'
export { limitsOf } from './options/limits.ts'
export { ownIdOf } from './options/own-id.ts'
export { isObject } from './options/schema.ts'
export type { Definition } from './schedule/definition.ts'
export { retentionOf } from './store/contract/rules/retention.ts'
export { milliseconds } from './words/duration.ts'
export { listed } from './words/listed.ts'
export { shown } from './words/secret.ts'
export { textOf } from './words/thrown.ts'

/**
 * The most that there may be of something: characters of texts and ids, bytes of what is kept, milliseconds.
 */
export const LARGEST = {
  id: MAX_ID,
  /** Characters of the key of a job. */
  name: MAX_NAME,
  flowId: MAX_FLOW_ID,
  scheduleId: MAX_SCHEDULE_ID,
  /** Bytes of the payload of a job. */
  payload: MAX_PAYLOAD,
  /** Bytes of the context of a job. */
  context: MAX_CONTEXT,
  /** Errors that are kept of a job. */
  errors: MAX_ERRORS,
  /** Characters of the error of a node that has ended. */
  error: MAX_ERROR,
  /** Bytes of jobs that one call queues. */
  bytes: MAX_BYTES,
  /** Jobs and flows of a flow. */
  nodes: MAX_NODES,
  /** Bytes of the definition of a flow. */
  definition: MAX_DEFINITION,
  /** Bytes of the text of an event that is published. */
  published: PUBLISHED_BYTES,
  /** Milliseconds of a time. */
  time: LONGEST,
} as const

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

/** Opens the store of an instance, or of what `operate()` has made, unless it is open. */
export function opened(of: Jobs | Operate): Promise<OpenJobs> {
  const inner = insideOf<Inside | Operating>(of)
  return 'perform' in inner ? inner.jobs.open() : inner.open()
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
 *
 * @param maker makes its isolated classes in another process
 */
export function workApart(jobs: Jobs, options: WorkOptions, maker?: ClassMaker): Promise<Worker> {
  if (maker !== undefined) for (const Class of options.jobs!) Object.assign(Class, { [classMaker]: maker })
  return insideOf(jobs).supervisedWork(options)
}

/**
 * The id of the job of a node, or of the flow that it is.
 *
 * @param state of the flow. Default: that of a flow that has just begun
 */
export function nodeId(place: FlowPlace, node: number, state: Pick<FlowState, 'generations'> = {}): string {
  return memberId({ ...place, index: jobIndex(state, node) })
}

/** @throws SCHEDULE_INVALID for an expression without a date @param what is wrong, in the message */
export function checkTicks(definition: Definition, what: string): void {
  checkTicksOf(definition, voiceOf('SCHEDULE_INVALID', what))
}

/** The run of a job in a worker. @param job also as middleware sees it */
export function runOf(job: JobLike | MiddlewareJob): { job: ClaimedJob; abort(reason: unknown): void } {
  const { job: claimed, abort } = reachOf(job as MiddlewareJob)
  if (claimed !== undefined && abort !== undefined) return { job: claimed, abort }
  const run = notedIn(job as JobLike)!.run!
  return { job: run.job!, abort: (reason) => run.abort(reason) }
}

/**
 * Ends the run of a job, as `release` does, but the job stays before those that were queued after it.
 *
 * @param ms for which its queue is paused; 0: it is not paused
 * @throws JOB_RELEASED
 */
export function returnToPlace(job: JobLike, ms: number, because: string): never {
  const decision = releasing(ms, job.constructor.name, ms > 0 ? 'queue' : undefined, because)
  notedIn(job)!.run!.decide({ ...decision, keepsPlace: true })
  throw decision.error
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

/** An address of a server, and who logs in there. */
interface ForeignAddress {
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
type ForeignLocation =
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
