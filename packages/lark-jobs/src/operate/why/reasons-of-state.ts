/** The reasons for a job that a worker holds, that has ended, or that has not been queued yet. */
import type { KeptFlow } from '../../flow/flow-records.ts'
import { blockedWords, blockingWords, ISOLATE } from '../../model/blocked-loop.ts'
import type { JobRecord, KeptError, WorkerRecord } from '../../model/record.ts'
import type { Remedy } from '../../model/remedy.ts'
import { type LaterEnd, readLaterEnd } from '../../store/contract/rules/undoing.ts'
import { type Stand, type Store, WORKER_DIED } from '../../store/contract/store.ts'
import { readable } from '../../words/duration.ts'
import { listed } from '../../words/listed.ts'
import type { FlowNodeInfo } from '../flows/flow-parts.ts'
import { lastSteps } from '../look/job-steps.ts'
import type { Reason } from './reason.ts'

/**
 * Milliseconds. If a handler goes on for longer than this after its job was asked to end, the reason says
 * that the handler ignores its signal.
 */
const LATE = 10_000
/** The maximum number of reasons of one kind, because a node may wait for thousands of other nodes. */
const MOST = 10

/**
 * Says which worker holds an active job.
 *
 * @param called the name of the job in the text
 * @param unheard the workers that have not announced themselves for too long
 */
export function heldReason(
  { job, at, lease, asked }: Stand,
  workers: readonly WorkerRecord[],
  called = 'it',
  unheard: readonly WorkerRecord[] = [],
): Reason {
  const { holder = '', claimedAt = at } = job
  const worker = workers.find(({ id }) => id === holder)
  const known = worker ?? unheard.find(({ id }) => id === holder)
  const place = known === undefined ? holder : `${holder} (${known.host}, pid ${known.pid})`
  const held = readable(Math.max(0, at - claimedAt))
  const until = lease?.until ?? at
  const by = { workers: [holder] }
  const blocks = known && blockedBy(known, at)
  if (worker === undefined || until <= at) {
    const end = until > at ? `ends in ${readable(until - at)}` : `ended ${readable(at - until)} ago`
    // While a handler blocks the event loop, the lease thread of the process goes on renewing the lease.
    const lasts = until > at ? '. If the end moves on, its process lives, and a handler blocks it' : ''
    const blocked = known?.blocks === undefined ? lasts : `. ${blocks}`
    const text = `Worker ${place} holds ${called}, and is silent: its lease ${end}, and then a living worker ${asked ? 'cancels it' : 'puts the job back'}${blocked}`
    return { kind: 'silent-worker', text, until, ...by, remedy: { do: 'see-workers' } }
  }
  if (lease?.isBegun === false) {
    const took = `Worker ${place} took ${called} ${held} ago, and has not begun`
    const { alone, running, concurrency } = worker
    if (alone !== undefined) {
      const text = `${took}: it ${aloneWords(alone, at)}`
      const more = {
        ...by,
        until: alone.until,
        jobs: [alone.job],
        remedy: { do: 'see-why', job: alone.job } as const,
      }
      return { kind: 'prefetched', text, ...more }
    }
    const text = `${took}: it runs ${running} of ${concurrency} jobs`
    return { kind: 'prefetched', text, ...by, remedy: { do: 'see-workers' } }
  }
  const runs = `Worker ${place} has run ${called} for ${held}`
  const text = blocks === undefined ? runs : `${runs}. ${blocks}`
  if (asked === undefined) return { kind: 'running', text, ...by }
  // A job that was asked to end still runs if its handler ignores its signal.
  const why = [asked.reason, asked.because].filter((each) => each !== undefined).join(': ')
  const since = Math.max(0, at - (asked.at ?? at))
  const ignores = since < LATE ? ', and does' : '; its handler ignores its signal. It ends'
  const ends = `${text}. It was asked to end ${readable(since)} ago (${why})${ignores} when its handler ends, or its worker stops`
  const restart = worker.restarts && { remedy: { do: 'restart-worker', worker: holder } as const }
  return { kind: 'running', text: ends, ...by, askedAt: asked.at ?? at, ...restart }
}

/** Says that a handler is blocking the event loop of a worker, or has done so recently. */
function blockedBy({ blocks, blocked = [] }: WorkerRecord, at: number): string | undefined {
  const [worst] = blocked.toSorted((one, other) => other.took - one.took)
  const words = blocks === undefined ? worst && blockedWords(worst) : blockingWords(blocks, at)
  return words && `${words}: ${ISOLATE}`
}

/**
 * Says that a worker runs a job alone because the job may have killed its process before. The clock of the
 * worker may differ from the clock of the store.
 */
export function aloneWords({ job, until }: Required<WorkerRecord>['alone'], at: number): string {
  const left = readable(Math.max(0, until - at))
  return `starts no other job beside ${job}, which may have killed its process before: for up to ${left}`
}

export async function endedReasons(
  { job, at, lockedBy }: Stand,
  store: Pick<Store, 'journals'>,
): Promise<Reason[]> {
  const { id, state, reason, because, finishedAt = at, errors } = job
  const ago = `${readable(Math.max(0, at - finishedAt))} ago`
  const why = [reason, because].filter((each) => each !== undefined).join(': ')
  const error = state === 'failed' ? errors.at(-1) : undefined
  const isPoison = error?.code === WORKER_DIED.code
  const where = isPoison ? await deadlyStep(job, store) : ''
  const deaths = isPoison
    ? `. Its worker died ${job.crashes === 1 ? 'once' : `${job.crashes} times`} while it ran${where}: if you retry it before its cause is fixed, others may die`
    : ''
  const texts = {
    completed: `It completed ${ago}`,
    failed: `It failed ${ago}${error === undefined ? '' : `: ${namedLine(error)}`}${deaths}`,
    cancelled: `It was cancelled ${ago}${why === '' ? '' : ` (${why})`}`,
  }
  const mends = state === 'failed' && lockedBy === undefined
  const remedy = mends && { remedy: { do: isPoison ? 'see-errors' : 'retry', job: id } as const }
  const ended: Reason = { kind: 'ended', text: texts[state as keyof typeof texts], ...remedy }
  if (lockedBy === undefined) return [ended]
  const text = `It cannot be queued again while job ${lockedBy} has its unique lock`
  return [ended, { kind: 'lock', text, jobs: [lockedBy], remedy: { do: 'see-why', job: lockedBy } }]
}

/** Says that the steps of a job are being undone, and how the job ends afterwards. */
export async function undoingReason(
  { partition, id }: JobRecord,
  { journals }: Pick<Store, 'journals'>,
): Promise<Reason> {
  const undo = (await journals.read(partition, id, 0))?.undo
  const text = `Its steps are undone${undo ? `, and then ${endWords(readLaterEnd(undo))}` : ''}`
  return { kind: 'undoing', text, remedy: { do: 'see-job', job: id } }
}

function endWords(end: LaterEnd): string {
  if (end.kind === 'failed') return `it fails: ${namedLine(end.error)}`
  return `it is cancelled (${[end.reason, end.because].filter((each) => each !== undefined).join(': ')})`
}

/**
 * Says at which step the workers of a job died, if that was recorded: `, the last 2 times at step transcode`.
 */
async function deadlyStep(
  { partition, id, errors }: JobRecord,
  store: Pick<Store, 'journals'>,
): Promise<string> {
  const deadly = new Set(errors.filter(({ code }) => code === WORKER_DIED.code).map(({ run }) => run))
  const begun = (await lastSteps(store, partition, id)).flatMap(({ name, state, runs = [] }) => {
    const deaths = state === 'begun' ? runs.filter((run) => deadly.has(run)).length : 0
    return deaths > 0 ? [{ name, deaths }] : []
  })
  const most = Math.max(0, ...begun.map(({ deaths }) => deaths))
  if (most === 0) return ''
  const names = begun.filter(({ deaths }) => deaths === most).map(({ name }) => name)
  const steps = names.length === 1 ? `step ${names[0]}` : `one of the steps ${listed(names)}`
  return most === 1 ? `, the last time at ${steps}` : `, the last ${most} times at ${steps}`
}

/**
 * The reasons for a node without a job: the node has not started, or its job is no longer kept. Empty if the
 * node has started and not ended.
 *
 * @param nodes all nodes of the flow
 */
export function nodeReasons(
  { id, home, definition, state }: KeptFlow,
  node: FlowNodeInfo,
  nodes: readonly FlowNodeInfo[],
): Reason[] {
  const { kind, name } = definition
  const flow = { id, home }
  const called = `${kind} ${name ?? id}`
  const remedy: Remedy = { do: 'see-flow', flow: id }
  const reason = (text: string, fields: Partial<Reason> = {}): Reason => ({
    kind: 'blocked',
    text,
    flow,
    remedy,
    ...fields,
  })
  if (node.state === 'skipped') {
    const cause = node.cause === undefined ? '' : `: ${node.cause} did not complete`
    return [reason(`It was skipped in ${called}${cause}`, { kind: 'ended' })]
  }
  if (node.state === 'completed') return [reason(`It completed in ${called}`, { kind: 'ended' })]
  if (node.state === 'cancelled' || node.state === 'failed') {
    const because = firstLine(node.error ?? node.reason ?? '')
    const ended = node.state === 'failed' ? 'failed' : 'was cancelled'
    const what = node.jobId === undefined ? 'never started' : ended
    const text = `It ${what} in ${called}${because === '' ? '' : `: ${because}`}`
    return [reason(text, { kind: 'ended' })]
  }
  if (node.state === 'not needed')
    return [reason(`It is a callback of ${called} that was not needed`, { kind: 'ended' })]
  if (node.state !== 'blocked') return []
  if (node.on !== undefined && state.phase !== 'ended') {
    const ways = { completed: 'has completed', failed: 'has failed', ended: 'has ended' }
    return [reason(`It is a callback: it starts when ${called} ${ways[node.on]}`)]
  }
  if (node.waitsFor.length === 0) return [reason(`Nothing blocks it in ${called}: a worker starts it next`)]
  const known = new Map(nodes.map((each) => [each.name, each]))
  const all = node.waitsFor.slice(0, MOST).map((each) => {
    const { state: is, jobId, flow: nested } = known.get(each)!
    const text = `It waits for node ${each} of ${called}, which has not ${is === 'started' ? 'ended' : 'started'}`
    if (jobId !== undefined) return reason(text, { jobs: [jobId], remedy: { do: 'see-why', job: jobId } })
    return nested === undefined
      ? reason(text)
      : reason(text, { flow: nested, remedy: { do: 'see-flow', flow: nested.id } })
  })
  const more = node.waitsFor.slice(MOST)
  return more.length === 0 ? all : [...all, reason(`It waits for ${listed(more)} of ${called}, too`)]
}

/** The name and the message of an error, on one line: `Error: mailbox full`. */
export function namedLine({ name, message }: KeptError): string {
  const first = firstLine(message)
  return first === '' ? name : `${name}: ${first}`
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!
}
