/**
 * The nodes of a flow: makes their jobs, starts the flows that are nodes, asks started nodes to end, checks
 * what has become of nodes whose ends were not reported, and removes their jobs when the flow is forgotten.
 */

import { defined } from '@s18i/lark/internal'
import { memberId } from '../model/effect.ts'
import { JobsError } from '../model/errors.ts'
import { type FlowPlace, type FlowState, indexOf, type ParentJob } from '../model/flow.ts'
import { grouped } from '../model/grouped.ts'
import type { NewJob } from '../model/record.ts'
import { traced } from '../model/trace.ts'
import {
  alterFollowed,
  fatesFollowed,
  getFollowed,
  movedTo,
  signalFollowed,
} from '../store/contract/moved.ts'
import { inLots } from '../store/contract/rules/in-lots.ts'
import { endOf, MAX_ITEMS, type MemberEnd, PINNED } from '../store/contract/store.ts'
import { jobIndex, startAgain } from './advance.ts'
import { endSignal } from './child.ts'
import { cancelFor, rejected, removedEnd } from './ends-without-run.ts'
import type { FlowParts } from './flow-members.ts'
import type { KeptFlow } from './flow-records.ts'
import { nestedFlow } from './nested-flow.ts'
import { payloadOf } from './reference.ts'
import { flowResult } from './result.ts'
import { lostFor } from './unknown-keys.ts'

/**
 * How many jobs one call removes. The number is limited because the server does nothing else during the call.
 */
const TOGETHER = 200
/** The jobs of nodes are kept until their flow is removed, but not longer than this time. */
const pinned = { completed: PINNED, failed: PINNED, cancelled: PINNED }

/**
 * If a flow that is a node fails to start with one of these error codes, it cannot start at all with the
 * results that it uses.
 */
const cannotStart = ['PAYLOAD_TOO_LARGE', 'FLOW_TOO_LARGE', 'RESULT_DROPPED'] as const

/** The jobs and flows that were made from the nodes that start. */
export interface MadeNodes {
  /** The jobs, by partition. */
  jobs: Map<string, NewJob[]>
  /** The nodes that are flows. */
  flows: number[]
  /** The ends of nodes that cannot start. */
  ends: MemberEnd[]
}

export class FlowNodes {
  readonly #parts: FlowParts

  constructor(parts: FlowParts) {
    this.#parts = parts
  }

  async make(found: KeptFlow, starts: readonly number[]): Promise<MadeNodes> {
    const made: MadeNodes = { jobs: new Map(), flows: [], ends: [] }
    const { id, definition, state, at } = found
    const [results, changes] = await Promise.all([
      this.#resultsFor(found, starts),
      this.#changesOf(found, starts),
    ])
    const jobs: [string, NewJob][] = []
    for (const node of starts) {
      const { job: says, flow, refs = [], purged } = definition.nodes[node]!
      if (purged) {
        made.ends.push(removedEnd(id, jobIndex(state, node), at))
        continue
      }
      if (flow !== undefined) {
        made.flows.push(node)
        continue
      }
      const { partition } = says!
      const change = changes.get(node)
      const job = { ...says!.job, ...change }
      const isAsSaid = refs.length === 0 || change?.payload !== undefined
      const payload = isAsSaid ? job.payload : payloadOf(job.payload, refs, results)
      if (typeof payload === 'string')
        jobs.push([
          partition,
          traced({ ...job, payload, id: jobId(found, node), keep: pinned }, definition.trace),
        ])
      else
        made.ends.push({
          flow: id,
          index: jobIndex(state, node),
          state: 'failed',
          error: payload.message,
          at,
        })
    }
    made.jobs = grouped(jobs)
    return made
  }

  /** Queues jobs. @returns the ends of the jobs that were not queued */
  async send(jobs: Iterable<[string, NewJob[]]>, at: number): Promise<MemberEnd[]> {
    const send = async ([partition, list]: [string, NewJob[]]) =>
      rejected(list, await this.#parts.sender.send(partition, list), at)
    return (await Promise.all(Array.from(jobs, send))).flat()
  }

  /**
   * Starts the flow of a node, or starts it again if it was started before. A flow that cannot start has
   * failed.
   */
  async startFlow(found: KeptFlow, node: number): Promise<void> {
    const { home, id, definition, state, at } = found
    if (definition.nodes[node]!.purged) {
      await this.#parts.records.apply(home, [removedEnd(id, jobIndex(state, node), at)])
      return
    }
    try {
      await this.#startFlow(found, node)
    } catch (error) {
      if (!cannotStart.some((code) => JobsError.is(error, code))) throw error
      const failed = { state: 'failed', error: (error as JobsError).message, at } as const
      await this.#parts.records.apply(home, [{ flow: id, index: jobIndex(state, node), ...failed }])
    }
  }

  async #startFlow(found: KeptFlow, node: number): Promise<void> {
    const { control, records } = this.#parts
    const { home, id, definition, state } = found
    const place = { flow: state.flows![node]!, home: definition.nodes[node]!.flow!.home }
    const parent = { flow: id, home, index: jobIndex(state, node) }
    const again = await control.change(place, (child) => {
      if (child.definition.parent!.index === parent.index) return undefined
      const state = startAgain(child) ?? child.state
      return { definition: { ...child.definition, parent }, state: { ...state, isTold: false } }
    })
    if (again !== undefined) return
    const { definition: says, members = [] } = await nestedFlow(records, found, node)
    const { trace } = definition
    const own = { ...says, parent, keep: pinned, ...defined({ trace }) }
    if (says.kind !== 'batch') {
      await control.start(place, own)
      return
    }
    // The batch has all of its members at once. If this process dies, a later check finds the members that
    // were not queued.
    await control.startWith(place, own, members)
  }

  /** The flows that are nodes, have ended, and are still kept. */
  async endedFlows({ definition, state }: KeptFlow): Promise<[number, KeptFlow][]> {
    const ended: [number, KeptFlow][] = []
    for (const [node, { flow }] of definition.nodes.entries()) {
      const child = state.flows?.[node]
      if (child === undefined || (state.nodes[node] !== 'f' && state.nodes[node] !== 'x')) continue
      const found = await this.#parts.records.get({ flow: child, home: flow!.home })
      if (found?.state.phase === 'ended') ended.push([node, found])
    }
    return ended
  }

  /** Asks all nodes that have started to end. */
  async askToEnd(found: KeptFlow): Promise<void> {
    const { store, control } = this.#parts
    const { definition, state } = found
    const { reason, because } = state.ending!
    for (const node of startedNodes(state)) {
      const { job, flow } = definition.nodes[node]!
      if (flow === undefined)
        await alterFollowed(store, job!.partition, [jobId(found, node)], cancelFor(state.ending!))
      else await control.cancel({ flow: state.flows![node]!, home: flow.home }, reason, because)
    }
  }

  /**
   * Checks what has become of started nodes, and queues jobs that are missing.
   *
   * @returns the ends of the nodes that have ended
   */
  async check(found: KeptFlow, nodes: readonly number[] = startedNodes(found.state)): Promise<MemberEnd[]> {
    const { store } = this.#parts
    const { definition, state } = found
    const ends: MemberEnd[] = []
    const missing: number[] = []
    const present: number[] = []
    const jobs: [string, number][] = []
    for (const node of nodes) {
      const { job, flow } = definition.nodes[node]!
      if (job !== undefined) jobs.push([job.partition, node])
      else await this.#checkFlow(found, node, { flow: state.flows![node]!, home: flow!.home })
    }
    for (const [partition, list] of grouped(jobs)) {
      for (const some of inLots(list, MAX_ITEMS)) {
        const ids = some.map((node) => jobId(found, node))
        for (const [j, fate] of (await fatesFollowed(store, partition, ids)).entries()) {
          if (fate.kind === 'ended') ends.push(endOf(fate.job))
          else if (fate.kind === 'unknown') missing.push(some[j]!)
          else if (fate.kind === 'present') present.push(some[j]!)
        }
      }
    }
    // These nodes are asked to end again, because they were started after all nodes had been asked.
    if (state.ending?.isAsked)
      for (const node of present)
        await alterFollowed(
          store,
          definition.nodes[node]!.job!.partition,
          [jobId(found, node)],
          cancelFor(state.ending),
        )
    // These nodes are started again from their payloads, which the flow keeps.
    const made = await this.make(found, missing)
    return [...ends, ...made.ends, ...(await this.send(made.jobs, found.at))]
  }

  /** Tells the parent how the flow has ended. */
  async tell(found: KeptFlow): Promise<void> {
    const { records, control } = this.#parts
    const { home, id, definition, state, at } = found
    if (definition.parentJob === undefined) {
      const { flow, index, home: its } = definition.parent!
      const { reason, because: error, state: how } = state.end!
      const result =
        how === 'completed' ? await flowResult(found, (nodes) => records.ends(found, nodes)) : undefined
      await records.apply(its, [{ flow, index, state: how, at, ...defined({ reason, error, result }) }])
    } else await this.#tellJob(found, definition.parentJob)
    await control.change({ home, flow: id }, ({ state }) =>
      state.phase === 'ended' ? { state: { ...state, isTold: true } } : undefined,
    )
  }

  /**
   * Sends a signal with the end of the flow's last node to the job that awaits it. If that job has ended, the
   * signal is dropped.
   */
  async #tellJob(found: KeptFlow, { partition, id }: ParentJob): Promise<void> {
    const { state, reason, because: error, at } = found.state.end!
    const last = found.definition.nodes.length - 1
    const [end = { state, at, ...defined({ reason, error }) }] = await this.#parts.records.ends(found, [last])
    const { store } = this.#parts
    const signal = endSignal(found.id, at, end)
    if ((await signalFollowed(store, partition, id, signal)) !== 'missing') return
    // The job may be on its way to another queue at the moment.
    const early = { ...signal, mayBeEarly: true }
    for (let to = await movedTo(store, partition, id); to !== undefined; to = await movedTo(store, to, id))
      if ((await store.journals.signal(to, id, early)) !== 'missing') return
  }

  /** Removes the jobs of all nodes. @returns the flows that are nodes */
  async remove(found: KeptFlow): Promise<FlowPlace[]> {
    const { store } = this.#parts
    const { definition, state } = found
    const jobs: [string, string][] = []
    const flows: FlowPlace[] = []
    for (const [node, id] of state.former ?? [])
      flows.push({ flow: id, home: definition.nodes[node]!.flow!.home })
    for (const [node, { job, flow }] of definition.nodes.entries()) {
      const child = state.flows?.[node]
      if (flow !== undefined && child !== undefined) flows.push({ flow: child, home: flow.home })
      if (job === undefined) continue
      for (let generation = state.generations?.[node] ?? 0; generation >= 0; generation--) {
        const generations = { [node]: generation }
        jobs.push([job.partition, jobId({ ...found, state: { ...state, generations } }, node)])
      }
    }
    for (const [partition, ids] of grouped(jobs))
      for (const some of inLots(ids, TOGETHER))
        await alterFollowed(store, partition, some, { kind: 'remove' })
    return flows
  }

  /** The changes that people have made to the former jobs of nodes that start again, by node. */
  async #changesOf(found: KeptFlow, starts: readonly number[]): Promise<Map<number, Partial<NewJob>>> {
    const { generations } = found.state
    const changes = new Map<number, Partial<NewJob>>()
    const again = generations === undefined ? [] : starts.filter((node) => generations[node] !== undefined)
    for (const some of inLots(again, TOGETHER))
      await Promise.all(
        some.map(async (node) => {
          const change = await this.#changeOf(found, node, generations![node]!)
          if (change !== undefined) changes.set(node, change)
        }),
      )
    return changes
  }

  async #changeOf(
    { id: flow, home, definition }: KeptFlow,
    node: number,
    generation: number,
  ): Promise<Partial<NewJob> | undefined> {
    const { store } = this.#parts
    const says = definition.nodes[node]!.job
    // A generation that was not queued has no job. In that case the job of the previous generation is read.
    for (let last = generation - 1; says !== undefined && last >= 0; last--) {
      const id = memberId({ flow, home, index: indexOf(node, last) })
      const before = await getFollowed(store, says.partition, id, true)
      if (before === undefined) continue
      if (before.unreadable !== undefined) return undefined
      const { tags, redact, editedAt } = before.options ?? {}
      const options = { ...says.job.options, ...defined({ tags, redact, editedAt }) }
      if (tags === undefined) delete options.tags
      const payload =
        editedAt === undefined ? undefined : (await getFollowed(store, says.partition, id))?.payload
      return { options, priority: before.priority, ...defined({ payload }) }
    }
    return undefined
  }

  /** The results that nodes refer to, by node. */
  async #resultsFor(
    found: KeptFlow,
    starts: readonly number[],
  ): Promise<ReadonlyMap<number, string | undefined>> {
    const refs = starts.flatMap((node) => found.definition.nodes[node]!.refs ?? [])
    if (refs.length === 0) return new Map()
    const ends = await this.#parts.records.ends(found, [...new Set(refs.map(({ node }) => node))])
    return new Map(ends.map(({ node, result }) => [node, result]))
  }

  /** The keys of started nodes. */
  keysOf({ definition, state }: KeptFlow): string[] {
    return startedNodes(state).flatMap((node) => definition.nodes[node]!.job?.job.key ?? [])
  }

  /** Cancels started nodes with these keys. */
  async cancelUnknown(found: KeptFlow, keys: ReadonlySet<string>): Promise<void> {
    const { store } = this.#parts
    for (const node of startedNodes(found.state)) {
      const { job } = found.definition.nodes[node]!
      if (job !== undefined && keys.has(job.job.key))
        await alterFollowed(
          store,
          job.partition,
          [jobId(found, node)],
          cancelFor(lostFor(new Set([job.job.key]))),
        )
    }
  }

  async #checkFlow(found: KeptFlow, node: number, place: FlowPlace): Promise<void> {
    const { records, control } = this.#parts
    const { ending } = found.state
    const child = await records.get(place)
    const isAsStarted = child?.definition.parent?.index === jobIndex(found.state, node)
    if (child === undefined || !isAsStarted) await this.startFlow(found, node)
    else if (child.state.phase === 'ended') await this.tell(child)
    else if (ending?.isAsked) await control.cancel(place, ending.reason, ending.because)
  }
}

/** The id of the job of a node that has started. */
function jobId({ id, home, state }: Pick<KeptFlow, 'id' | 'home' | 'state'>, node: number): string {
  return memberId({ flow: id, home, index: jobIndex(state, node) })
}

/** The indices of the started nodes. */
export function startedNodes({ nodes }: FlowState): number[] {
  return [...nodes].flatMap((letter, node) => (letter === 's' ? [node] : []))
}
