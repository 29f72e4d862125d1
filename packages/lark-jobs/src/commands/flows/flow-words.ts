/** Flows as commands show them: their names, their progress, and why they ended. */
import { nearest, visible } from '@s18i/lark/internal'
import { memberOf } from '../../model/effect.ts'
import { JobsError } from '../../model/errors.ts'
import type { FlowCounts, FlowInfo, GetFlowOptions, Operate } from '../../operate.ts'
import { readable } from '../../words/duration.ts'
import { listed } from '../../words/listed.ts'
import { plural } from '../../words/plural.ts'
import { shown } from '../../words/secret.ts'

/** How many flows are searched for an id that the person may have meant. */
const LOOKS = 1_000
/** The width of a progress bar, in characters. */
const BAR = 10

/**
 * Reads the flow with this id.
 *
 * @throws FLOW_NOT_FOUND or FLOW_INVALID, with a hint that names the id which the person may have meant
 */
export async function flowNamed(
  { flows }: Operate,
  id: string,
  options: GetFlowOptions = {},
): Promise<FlowInfo> {
  const found = await flows.get(id, options).catch(async (error: unknown) => {
    const flow = memberOf(id)?.flow
    if (flow === undefined || !JobsError.is(error, 'FLOW_INVALID')) throw error
    throw error.again({ hint: `This is the id of a job. Its flow: ${flow}` })
  })
  if (found !== undefined) return found
  throw new JobsError('FLOW_NOT_FOUND', `There is no flow ${shown(id)}`, { hint: await meant(flows, id) })
}

/**
 * A hint for an id that no flow has. The hint names the flow with this name, or the flow with the most
 * similar id.
 */
async function meant(flows: Operate['flows'], id: string): Promise<string> {
  const { flows: all } = await flows.list({}, { limit: LOOKS })
  const named = all.find(({ name }) => name === id)
  if (named !== undefined) return `The last flow with this name is ${named.id}`
  const near = nearest(
    id,
    all.map((each) => each.id),
  )
  return near === undefined
    ? 'Flows that have ended are kept for a while only: see lark jobs:flows'
    : `Did you mean ${near}?`
}

/**
 * Returns the error for an id that no job has. If a flow has this id, the error gets a hint that names the
 * command for the flow.
 *
 * @param command the name of the command for flows
 */
export async function orFlow({ flows }: Operate, error: unknown, command: string): Promise<unknown> {
  if (!JobsError.is(error, 'JOB_NOT_FOUND')) return error
  const found = await flows.find(error.id!).catch(() => undefined)
  return found === undefined
    ? error
    : error.again({ hint: `There is a flow with this id: lark ${command} ${found.id}` })
}

/**
 * The error for an id that no job has. If a flow has the id, the hint names the command for flows. If a
 * server of the store evicts data, the hint says that the job may have been lost. A job that is committed in
 * the outbox but not in the store has an error of its own.
 */
export async function noJob(operating: Operate, id: string): Promise<unknown> {
  const row = (await operating.find(id).catch(() => undefined))?.inOutbox
  if (row !== undefined) return inOutbox(id, row)
  const kept = 'Jobs that have ended are kept for a while only: see lark jobs:failed'
  const drops = (await operating.status()).alarms.find(({ code }) => code === 'eviction')
  const lost = drops && `. Or the store has lost it: ${drops.subject} ${drops.text}: see lark jobs:doctor`
  const hint = `${kept}${lost ?? ''}`
  const error = new JobsError('JOB_NOT_FOUND', `There is no job ${id}`, { id, hint })
  return await orFlow(operating, error, 'jobs:flow')
}

function inOutbox(id: string, { age, error }: { age: number; error?: string }): JobsError {
  const what = error === undefined ? 'waits in the outbox for the relay' : `cannot become a job: ${error}`
  const advice =
    error === undefined
      ? 'A worker whose configuration has the outbox puts it into the store: see lark outbox:list and lark jobs:doctor'
      : `Its row is kept in the outbox. To try it again: lark outbox:retry ${id}`
  const message = `Job ${id} is not in the store yet. It was committed ${readable(age)} ago, and ${visible(what)}`
  return new JobsError('JOB_NOT_FOUND', message, { id, hint: advice })
}

/** The name of a flow in messages: `workflow order (0Vr5kPq3Zx1aB)`, `chain 0Vr5kPq3Zx1aB`. */
export function called({ kind, name, id }: Pick<FlowInfo, 'kind' | 'name' | 'id'>): string {
  return name === undefined ? `${kind} ${id}` : `${kind} ${name} (${id})`
}

/** The state of a flow in words: `has completed`, `ends already`. */
export function stateWords(state: FlowInfo['state']): string {
  if (state === 'open' || state === 'filling') return 'has not ended, and nothing of it has failed'
  if (state === 'ending') return 'ends already'
  return state === 'cancelled' ? 'is cancelled' : `has ${state}`
}

/** How many nodes and members have ended. */
export function endedOf({ total, running, blocked }: FlowCounts): number {
  return total - running - blocked
}

/** The progress of a flow: `━━━━━───── 5/10, 1 failed`. */
export function progressWords(counts: FlowCounts): string {
  const { total, failed, cancelled, skipped } = counts
  const done = endedOf(counts)
  const filled = total === 0 ? 0 : Math.floor((done / total) * BAR)
  const bar = `${'━'.repeat(filled)}${'─'.repeat(BAR - filled)}`
  const others = Object.entries({ failed, cancelled, skipped })
    .filter(([, count]) => count > 0)
    .map(([what, count]) => `, ${count.toLocaleString('en')} ${what}`)
  return `${bar} ${done.toLocaleString('en')}/${total.toLocaleString('en')}${others.join('')}`
}

const reasons: Record<string, string> = {
  user: 'somebody cancelled it',
  deadline: 'its deadline has passed',
  abandoned: 'the process that filled it has died',
  rejected: 'a job was not queued',
  lost: 'a job was lost, or no living worker knows its key',
}

/**
 * Says in words why a flow has ended without completing, or is ending. Undefined if the flow has completed or
 * is running.
 */
export function whyWords(info: FlowInfo): string | undefined {
  const { state, reason, because, failedNode, allowed, counts } = info
  if (state !== 'failed' && state !== 'cancelled' && state !== 'ending') return undefined
  const node = failedNode === undefined ? undefined : `${failedNode} did not complete`
  const isOver = reason === 'failed' && node === undefined && allowed !== undefined
  const failed = `${plural(counts.failed + counts.cancelled, 'member')} did not complete, and ${allowed} may`
  const why = isOver
    ? failed
    : isInner(info)
      ? `the deadline of ${failedNode} has passed`
      : ((reason === undefined ? undefined : reasons[reason]) ?? node ?? reason)
  return because === undefined ? why : `${why ?? state} (${because})`
}

/** Whether the deadline that has passed belongs to a flow inside this flow. */
function isInner({ reason, failedNode, deadline, endedAt }: FlowInfo): boolean {
  return reason === 'deadline' && failedNode !== undefined && (deadline === undefined || endedAt! < deadline)
}

/** Whether a flow failed because its own deadline had passed. */
export function wasLate(info: FlowInfo): boolean {
  return info.reason === 'deadline' && !isInner(info)
}

/** Says in words what a flow waits for, or why it has ended. */
export function waitWords(info: FlowInfo): string {
  const { state, runs, counts, kind } = info
  const why = whyWords(info)
  if (why !== undefined) return why
  if (state === 'completed') return runs.length === 0 ? '' : `its callback ${listed(runs, MOST_NAMES)} runs`
  if (runs.length > 0) {
    // `runs` has the names of only the first nodes, so the number of other nodes comes from `counts`.
    const more = Math.max(runs.length, counts.running) - MOST_NAMES
    const names = runs.slice(0, MOST_NAMES).join(', ')
    return `waits for ${names}${more > 0 ? ` and ${more.toLocaleString('en')} more` : ''}`
  }
  if (kind === 'batch' && counts.running > 0) return `waits for ${plural(counts.running, 'member')}`
  return state === 'filling' ? 'its members are being added' : ''
}

/** The maximum number of names in a line. */
export const MOST_NAMES = 4
