/**
 * Waits for the result of a flow. The result of a chain is the result of its last step, the result of a
 * workflow has the results of its nodes by name, and the result of a batch says how many members completed.
 * If the flow did not complete, an error says how it ended.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { visible } from '@s18i/lark/internal'
import { isLate } from '../../flow/advance.ts'
import { FlowRecords, type KeptFlow } from '../../flow/flow-records.ts'
import type { Member } from '../../model/effect.ts'
import { JobsError } from '../../model/errors.ts'
import { type FlowPlace, type FlowState, nodeOf } from '../../model/flow.ts'
import { decode, whyDropped } from '../../model/payload.ts'
import { currentMember } from '../../model/run/current-member.ts'
import { MAX_ITEMS } from '../../store/contract/rules/capacity.ts'
import { parsed } from '../../store/contract/rules/unreadable.ts'
import type { Store } from '../../store/contract/store.ts'
import { readable } from '../../words/duration.ts'
import { listed } from '../../words/listed.ts'
import { shown } from '../../words/secret.ts'
import { awaitWithin, LOOK, latestArrival, type ResultOptions, readTimeout } from '../events/results.ts'
import { passes } from '../events/watcher.ts'
import type { Operated } from '../operated.ts'
import { flowNotFound } from './flow-finding.ts'
import { infoOf } from './flow-info.ts'
import { failuresOf } from './flow-parts.ts'

/** How long to wait for the result of a flow. */
export type FlowResultOptions = Pick<ResultOptions, 'timeout' | 'signal'>

/**
 * Waits for the end of a flow.
 *
 * @param closed aborted when the instance is closed
 * @param find returns the place of the flow, if it exists
 * @param isToCome whether the flow was dispatched in a transaction. Such a flow may come into the store later
 * @throws the errors of `FlowHandle.result`
 * @internal
 */
export async function flowResultAt(
  jobs: Operated,
  closed: AbortSignal,
  id: string,
  find: () => Promise<FlowPlace | undefined>,
  options: FlowResultOptions,
  isToCome: boolean,
): Promise<unknown> {
  const timeout = readTimeout(id, options)
  const comesUntil = latestArrival(isToCome, timeout)
  const mayCome = (error: unknown) => performance.now() < comesUntil && JobsError.is(error, 'FLOW_NOT_FOUND')
  return awaitWithin(jobs, timeout, `Flow ${id}`, id, [closed, options.signal], async (over) => {
    let isChecked = false
    for (let wait = LOOK.first; ; wait = Math.min(2 * wait, LOOK.last)) {
      over.throwIfAborted()
      try {
        const { store } = await jobs.open()
        const place = await find()
        const records = new FlowRecords(store)
        if (place === undefined) throw flowNotFound(id)
        const found = await endedAt(store, records, place)
        if (found !== undefined) return await outcomeOf(store, records, found)
        if (!isChecked) await checkWait(records, place)
        isChecked = true
      } catch (error) {
        if (!passes(error) && !mayCome(error)) throw error
      }
      await pause(wait, undefined, { signal: over })
    }
  })
}

/**
 * Reads the flow if it has ended. While the flow has not ended, only its state is read.
 *
 * @throws FLOW_NOT_FOUND, STORE_DAMAGED
 */
async function endedAt(store: Store, records: FlowRecords, place: FlowPlace): Promise<KeptFlow | undefined> {
  const state = await store.flows.state(place.home, place.flow)
  if (state === undefined) throw flowNotFound(place.flow)
  if (isOpen(state)) return undefined
  const found = await records.get(place)
  return found?.state.phase === 'ended' ? found : undefined
}

/**
 * Whether a state text belongs to an open flow. A damaged state does not count as open, because the caller
 * then reads the whole flow, and reports the damage.
 */
function isOpen(state: string): boolean {
  const { phase } = (parsed(state) ?? {}) as Partial<FlowState>
  return phase === 'filling' || phase === 'open'
}

/** @throws FLOW_WAITS_FOR_ITSELF if the caller is a job of the flow, or of a flow inside it */
async function checkWait(records: FlowRecords, { flow: id, home }: FlowPlace): Promise<void> {
  let place: FlowPlace | undefined = currentMember()
  while (place !== undefined) {
    if (place.flow === id && place.home === home)
      throw new JobsError('FLOW_WAITS_FOR_ITSELF', `A job of flow ${id} waits for the result of this flow`, {
        id,
        hint: 'The flow ends when its jobs have ended, so it would wait for ever. Read it in a callback: onCompleted().',
      })
    place = (await records.get(place))?.definition.parent
  }
}

/** @throws FLOW_FAILED, FLOW_CANCELLED, RESULT_DROPPED */
async function outcomeOf(store: Store, records: FlowRecords, found: KeptFlow): Promise<unknown> {
  const { definition, state, crowd } = found
  const { kind, nodes } = definition
  if (state.end!.state !== 'completed') throw await failureOf(store, records, found)
  if (kind === 'batch')
    return { completed: crowd.completed, failed: crowd.failed, total: crowd.size ?? crowd.reserved }
  const steps = nodes.flatMap(({ on }, node) => (on === undefined ? [node] : []))
  const wanted = kind === 'chain' ? steps.slice(-1) : steps
  const ends = await records.ends(found, wanted)
  if (kind === 'workflow')
    return Object.fromEntries(ends.flatMap(({ node, result }) => keptIn(result, nodes[node]!.name)))
  const result = ends[0]?.result
  const why = result === undefined ? undefined : whyDropped(result)
  if (why !== undefined)
    throw new JobsError('RESULT_DROPPED', `${nameOf(found)} completed, but its result was not kept: ${why}`, {
      id: found.id,
    })
  return result === undefined ? undefined : decode(result)
}

function keptIn(result: string | undefined, name: string): [string, unknown][] {
  return result === undefined || whyDropped(result) !== undefined ? [] : [[name, decode(result)]]
}

async function failureOf(store: Store, records: FlowRecords, found: KeptFlow): Promise<JobsError> {
  const { id } = found
  const { state: how, because } = found.state.end!
  const { why, cause } = await problemOf(store, records, found)
  if (how === 'cancelled') {
    const words = because === undefined ? '' : `: ${visible(because)}`
    return new JobsError('FLOW_CANCELLED', `${nameOf(found)} was cancelled${words}`, { id, cause, because })
  }
  const again = isLate(found) ? "handle.retry({ within: '2h' })" : 'handle.retry()'
  return new JobsError('FLOW_FAILED', `${nameOf(found)} failed: ${why}`, {
    id,
    cause,
    because,
    hint: `${again} starts again what did not complete, and handle.status() says what that is.`,
  })
}

/**
 * Why a flow did not complete, with the error of the first job that did not complete. The failed job may
 * belong to a flow inside the flow.
 */
async function problemOf(
  store: Store,
  records: FlowRecords,
  found: KeptFlow,
): Promise<{ why: string; cause?: Error | undefined }> {
  const { id, definition, state, crowd } = found
  const { reason, because, node } = state.end!
  if (reason === 'abandoned') {
    const cause = new JobsError('FILL_ABANDONED', because ?? 'the process that filled the batch has died', {
      id,
    })
    return { why: `it was not filled${because === undefined ? '' : `: ${visible(because)}`}`, cause }
  }
  if (node === undefined) {
    const { words, error } = crowd.failed > 0 ? await problemOfMember(store, found) : {}
    const first = words === undefined ? '' : `; the first: ${visible(words)}`
    const why = `${crowd.failed} of ${crowd.size ?? crowd.reserved} members did not complete${first}`
    return { why: isLate(found) ? late() : why, cause: caused(error) }
  }
  const nested = await nestedOf(records, found, node)
  const inner = nested?.state.end && (await problemOf(store, records, nested))
  const end = (await records.ends(found, [node]))[0]
  const error = end && errorOf(end)
  const cause = inner?.cause ?? caused(error)
  if (isLate(found)) return { why: late(), cause }
  const { failedNode } = infoOf(found)
  if (inner !== undefined) return { why: `${failedNode}: ${inner.why}`, cause }
  const words = error === undefined ? ` (${reason})` : `: ${error}`
  return { why: `${failedNode} ${end?.state ?? 'failed'}${visible(words)}`, cause }

  function late(): string {
    return `it had not ended within ${readable(definition.within!)}`
  }
}

async function nestedOf(records: FlowRecords, found: KeptFlow, node: number): Promise<KeptFlow | undefined> {
  const flow = found.state.flows?.[node]
  const home = found.definition.nodes[node]!.flow?.home
  return flow === undefined || home === undefined ? undefined : records.get({ flow, home })
}

/**
 * The problem of the first member that failed, or was cancelled for a reason of its own. Skipped members are
 * ignored.
 */
async function problemOfMember(store: Store, found: KeptFlow): Promise<{ words?: string; error?: string }> {
  const failures = await failuresOf(store, found, MAX_ITEMS)
  for (const failure of failures) {
    const error = errorOf(failure)
    if (error !== undefined) return { words: error, error }
  }
  const first = failures.find(({ reason }) => reason !== undefined && reason !== 'skipped')
  return first === undefined ? {} : { words: `${first.state} (${first.reason})` }
}

/**
 * The error of an ended member or node. For a rejected job, `error` is the name that the store has for the
 * rejection: `unique`, `throttled` or `full`.
 */
function errorOf({ reason, error }: { reason?: string; error?: string }): string | undefined {
  return reason === 'rejected' ? `it was not queued: ${error}` : error
}

function caused(error: string | undefined): Error | undefined {
  return error === undefined ? undefined : new Error(error)
}

/** The name of a flow in messages: `Workflow order 0Vr5kPq3Zx1aB`. */
function nameOf({ id, definition: { kind, name } }: KeptFlow): string {
  const what = `${kind[0]!.toUpperCase()}${kind.slice(1)}`
  return name === undefined ? `${what} ${id}` : `${what} ${visible(name)} ${id}`
}

/** The name of a job's node. Undefined for a member of a batch. */
export async function nodeNamed(store: Store, { index, ...place }: Member): Promise<string | undefined> {
  const node = nodeOf(index)?.node
  return node === undefined
    ? undefined
    : (await new FlowRecords(store).get(place))?.definition.nodes[node]?.name
}

/** The result of a node. Undefined if the node has not completed. @throws FLOW_INVALID, FLOW_NOT_FOUND */
export async function nodeResult(store: Store, place: FlowPlace, name: string): Promise<unknown> {
  const records = new FlowRecords(store)
  const found = await records.get(place)
  if (found === undefined) throw flowNotFound(place.flow)
  const { nodes } = found.definition
  const node = nodes.findIndex((each) => each.name === name)
  if (node < 0)
    throw new JobsError('FLOW_INVALID', `${nameOf(found)} has no node ${shown(name)}`, {
      hint: `Its nodes are ${listed(nodes.map((each) => each.name))}.`,
    })
  const [end] = await records.ends(found, [node])
  return keptIn(end?.result, name)[0]?.[1]
}
