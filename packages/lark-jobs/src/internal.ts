/**
 * The exports of this package for the other packages of this repository, and not for users. These exports may
 * change with every release, because the packages are released together. The main entry and `/operate` are
 * stable.
 *
 * There are few exports: other packages import a name from the main entry or `/operate` if it is exported
 * there. Types that can be derived from other types are not exported.
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
import { JobsError } from './model/errors.ts'
import { type FlowPlace, type FlowState, MAX_DEFINITION, MAX_FLOW_ID, MAX_NODES } from './model/flow.ts'
import { MAX_ID } from './model/id.ts'
import { MAX_CONTEXT, MAX_PAYLOAD, MAX_PROGRESS } from './model/payload.ts'
import { type ClaimedJob, MAX_NAME, type Outcome } from './model/record.ts'
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
export { childSignal, readChildEnd } from './flow/child.ts'
export { FlowBook } from './flow/flow-book.ts'
export { FlowRecords, type KeptFlow } from './flow/flow-records.ts'
export { withoutNodes } from './flow/removed-nodes.ts'
export { inContext } from './model/context.ts'
export { memberOf } from './model/effect.ts'
export { EVERY_KEY } from './model/every-key.ts'
export {
  type NodeState,
  nodeOf,
} from './model/flow.ts'
export { groupedBy } from './model/grouped.ts'
export { isQueueName, partitionsOf, partitionWith, queueOf } from './model/partition.ts'
export { decode, encode, whyDropped } from './model/payload.ts'
export type { NewJob } from './model/record.ts'
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
 * The maximum sizes of stored values: characters of texts and ids, bytes of stored data, milliseconds of
 * times.
 */
export const LARGEST = {
  id: MAX_ID,
  /** Characters of the key of a job. */
  name: MAX_NAME,
  flowId: MAX_FLOW_ID,
  scheduleId: MAX_SCHEDULE_ID,
  /** Bytes of the payload of a job. */
  payload: MAX_PAYLOAD,
  /** Bytes of the progress of a job. */
  progress: MAX_PROGRESS,
  /** Bytes of the context of a job. */
  context: MAX_CONTEXT,
  /** The number of errors that are kept with a job. */
  errors: MAX_ERRORS,
  /** Characters of the error of a node that has ended. */
  error: MAX_ERROR,
  /** Bytes of jobs that one call queues. */
  bytes: MAX_BYTES,
  /** The number of jobs and inner flows of a flow. */
  nodes: MAX_NODES,
  /** Bytes of the definition of a flow. */
  definition: MAX_DEFINITION,
  /** Bytes of the text of an event that is published. */
  published: PUBLISHED_BYTES,
  /** Milliseconds of a duration. */
  time: LONGEST,
} as const

/** An open store with its settings. */
export interface OpenJobs {
  store: Store
  settings: Settings
}

/**
 * Returns the settings for a connection. Without a connection, returns the settings of the application.
 *
 * @param call the name of the call that got the connection, for messages
 */
export async function settingsOf(
  connection: string | RedisServers | undefined,
  call: string,
): Promise<Settings> {
  return connection === undefined ? await loadSettings() : new Configured({ connection }, call).settings()
}

/**
 * Makes an instance of `Jobs` whose settings come from a function. The caller may later add entries to the
 * maps in these settings.
 */
export function jobsWith(load: () => Promise<Settings>): Jobs {
  return new Jobs(new Inside(load))
}

/**
 * Opens the store of an instance of `Jobs`, or of an object that `operate()` made, unless the store is open.
 */
export function opened(of: Jobs | Operate): Promise<OpenJobs> {
  const inner = insideOf<Inside | Operating>(of)
  return 'perform' in inner ? inner.jobs.open() : inner.open()
}

/** Makes the draft of a job, for a schedule. */
export function draftOf(says: Drafted): Draft {
  return new Draft({ dispatchDrafts: () => Promise.resolve([]) }, says)
}

/** Dispatches jobs together. */
export function dispatchAll(jobs: Jobs, all: readonly Drafted[]): Promise<JobHandle[]> {
  const inner = insideOf(jobs)
  return inner.dispatchDrafts(all.map((says) => new Draft(inner, says)))
}

/** @returns whether the flow is new. False if there already was a flow with its id */
export async function startFlow(jobs: Jobs, spec: FlowSpec): Promise<boolean> {
  return (await insideOf(jobs).dispatchFlow(spec)).isNew
}

/**
 * Starts a worker like `jobs.work()`, but the new worker replaces no other worker. (If a development server
 * loads the file that calls `jobs.work()` again, the new worker replaces the worker that the file started
 * before.)
 *
 * @param maker makes the isolated classes of the worker in another process
 */
export function workApart(jobs: Jobs, options: WorkOptions, maker?: ClassMaker): Promise<Worker> {
  if (maker !== undefined) for (const Class of options.jobs!) Object.assign(Class, { [classMaker]: maker })
  return insideOf(jobs).supervisedWork(options)
}

/**
 * Whether a job may be on its way to its handler: a call that may return jobs has no answer yet, or a run has
 * begun.
 *
 * @param known how many runs have reached their handlers
 */
export function mayGetJob(worker: Worker, known: number): boolean {
  return !worker.isAtRest || worker.running.size > known
}

/**
 * The id of a node's job. For a node that is a flow: the id of that flow.
 *
 * @param state the state of the flow. Default: the state of a flow that has just begun
 */
export function nodeId(place: FlowPlace, node: number, state: Pick<FlowState, 'generations'> = {}): string {
  return memberId({ ...place, index: jobIndex(state, node) })
}

/**
 * @throws SCHEDULE_INVALID for an expression that never matches a date
 * @param what the name of the wrong value in the message
 */
export function checkTicks(definition: Definition, what: string): void {
  checkTicksOf(definition, voiceOf('SCHEDULE_INVALID', what))
}

/** The run of a job in a worker. @param job the job object, or the object that middleware gets */
export function runOf(job: JobLike | MiddlewareJob): { job: ClaimedJob; abort(reason: unknown): void } {
  const { job: claimed, abort } = reachOf(job as MiddlewareJob)
  if (claimed !== undefined && abort !== undefined) return { job: claimed, abort }
  const run = notedIn(job as JobLike)!.run!
  return { job: run.job!, abort: (reason) => run.abort(reason) }
}

/**
 * Ends the run of a job and puts the job back, as `release` does. Unlike with `release`, the job keeps its
 * place before the jobs that were queued later.
 *
 * @param ms for how many milliseconds the queue of the job is paused. 0: the queue is not paused
 * @throws JOB_RELEASED
 */
export function returnToPlace(job: JobLike, ms: number, because: string): never {
  const decision = releasing(ms, job.constructor.name, ms > 0 ? 'queue' : undefined, because)
  notedIn(job)!.run!.decide({ ...decision, keepsPlace: true })
  throw decision.error
}

/**
 * Ends the run of a job, which waits for signals. The job is due again when one of these signals comes.
 *
 * @param outcome `in`: milliseconds after which the job is due at the latest. `heard`: how many signals the
 *   run knows
 * @throws JOB_SUSPENDED
 */
export function suspendRun(
  job: JobLike,
  outcome: Pick<Outcome & { kind: 'suspended' }, 'in' | 'waits' | 'heard' | 'steps'>,
): never {
  const { run } = notedIn(job)!
  const error = new JobsError('JOB_SUSPENDED', `${job.constructor.name} waits`)
  return run!.decide({ kind: 'suspended', outcome: { kind: 'suspended', ...outcome }, error })
}

/**
 * Waits for the end of a job, until the instance is closed.
 *
 * @param ms the maximum number of milliseconds to wait. Default: no limit
 * @param what the name of the job in messages
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

/** The address of a server, and the login for this server. */
interface ForeignAddress {
  host: string
  port: number
  /** A Unix socket, instead of host and port. */
  path?: string
  username?: string
  password?: string
  database: number
  /** `true`, or the options of `tls.connect`. */
  tls?: boolean | Readonly<Record<string, unknown>>
  family?: 0 | 4 | 6
  /** Milliseconds. */
  connectTimeout?: number
  /** Maps the `host:port` that a server announces to the address to connect to. */
  natMap?: ReadonlyMap<string, { host: string; port: number }>
}

/**
 * `name` is for people, and contains no password. `address` of `sentinel` has everything that a connection to
 * the primary needs, except for the host and the port: the login, the number of the database, TLS and the
 * timeout.
 */
type ForeignLocation =
  | { kind: 'server'; name: string; address: ForeignAddress }
  | { kind: 'cluster'; name: string; nodes: ForeignAddress[] }
  | { kind: 'sentinel'; name: string; sentinels: ForeignAddress[]; primary: string; address: ForeignAddress }

/**
 * The addresses of the servers of a connection, for a client that is not part of Lark. A function for
 * credentials is called once.
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
