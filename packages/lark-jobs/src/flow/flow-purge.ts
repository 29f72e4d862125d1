/**
 * Purges jobs of flows, including jobs that were never queued. The data of such a job is in several places,
 * and the purge removes all of it. The payload is in the definition of the flow, and of the flows around it.
 * There is a job for each time that the node was started. Other nodes may have copies of the result and the
 * error.
 *
 * Two kinds of nodes are purged together with a purged node: nodes whose payload contains, or would contain,
 * the result of the purged node, and nodes that can never start because of it. Running jobs are left alone.
 * With the last job of a flow, the name of the flow, its tags, and the names of its nodes are removed,
 * because an application may make them from payloads.
 *
 * First the payloads are removed, in one atomic step for each flow. In the same step, all nodes of the flow
 * that have not started end. Then the jobs are removed. If this process dies in between, at most the job of a
 * node is left, and the node never starts again.
 */
import { defined } from '@s18i/lark/internal'
import { memberId } from '../model/effect.ts'
import { type FlowJob, type FlowPlace, indexOf, type NodeDefinition, nodeOf } from '../model/flow.ts'
import { grouped } from '../model/grouped.ts'
import type { JobRecord, State } from '../model/record.ts'
import { alterFollowed, fatesFollowed, getFollowed } from '../store/contract/moved.ts'
import { inLots } from '../store/contract/rules/in-lots.ts'
import {
  type AlterVerdict,
  endOf,
  MAX_ITEMS,
  type MemberEnd,
  RESULT_PURGED,
  type Store,
} from '../store/contract/store.ts'
import { removedEnd } from './ends-without-run.ts'
import type { FlowBook } from './flow-book.ts'
import { byPartition, inRuns } from './flow-members.ts'
import { FlowRecords, type KeptFlow } from './flow-records.ts'
import { nestedFlow } from './nested-flow.ts'
import { goesAlong, hasLost, isEmptied, isFresh, type Level, type PurgePlan, purgedOf } from './purge-plan.ts'
import { payloadOf } from './reference.ts'

/**
 * How many jobs one call purges. The number is limited because a server does nothing else during the call.
 */
const TOGETHER = 200

/** The jobs of flows to purge. */
export interface PurgeWish {
  /**
   * For each flow, named by `flowName`: the indices of jobs, with their partitions. After the visit to a
   * flow, only the jobs that were not purged with their nodes are left.
   */
  listed: Map<string, ReadonlyMap<number, string>>
  /**
   * Returns whether a job is to be purged, if it is in one of `states`. `at`: when its flow was dispatched.
   */
  isMeant?: ((job: FlowJob, at: number) => boolean) | undefined
  /** A job that `isMeant` chooses is purged only in these states. Default: any state. */
  states?: ReadonlySet<State> | undefined
  /**
   * A job in `listed`, or a job that `isMeant` chooses, is removed only if it is still in one of these
   * states. Default: any state.
   */
  only?: readonly State[] | undefined
  /** For batches: returns whether the stored errors of failed members in a partition are removed. */
  forgets?: ((partition: string) => boolean) | undefined
  /** A flow to be purged, with everything in it. */
  flow?: FlowPlace | undefined
  /** Whether this job was already counted elsewhere. */
  isCounted?: ((id: string, job: JobRecord | undefined) => boolean) | undefined
}

export function flowName({ flow, home }: FlowPlace): string {
  return `${flow}.${home}`
}

const states: Record<string, State> = { c: 'completed', f: 'failed', x: 'cancelled' }
const letters: Partial<Record<State, string>> = { completed: 'c', failed: 'f', cancelled: 'x' }

export class FlowPurge {
  /** How many jobs were removed, or would be removed in a dry run. */
  removed = 0
  /** The running jobs, which are not purged. */
  readonly running = new Set<string>()
  readonly #store: Store
  readonly #book: FlowBook
  readonly #records: FlowRecords
  readonly #wish: PurgeWish
  readonly #isDry: boolean
  readonly #passed: (count: number, removed: number) => Promise<void>
  /** How many of the removed jobs have been reported to `passed`. */
  #told = 0

  constructor(
    store: Store,
    book: FlowBook,
    wish: PurgeWish,
    {
      isDry = false,
      passed = async () => {},
    }: { isDry?: boolean; passed?: (count: number, removed: number) => Promise<void> } = {},
  ) {
    this.#store = store
    this.#book = book
    this.#records = new FlowRecords(store)
    this.#wish = wish
    this.#isDry = isDry
    this.#passed = passed
  }

  async #pass(count: number): Promise<void> {
    const removed = this.removed - this.#told
    this.#told = this.removed
    await this.#passed(count, removed)
  }

  /**
   * The outermost flow around a flow. Undefined if the outermost flow is no longer kept.
   *
   * @throws STORE_DAMAGED
   */
  async outermost(place: FlowPlace): Promise<KeptFlow | undefined> {
    let found = await this.#records.get(place)
    for (;;) {
      const around = found?.definition.parent && (await this.#records.get(found.definition.parent))
      if (around === undefined) return found
      found = around
    }
  }

  /** Purges the wished parts of an outermost flow, and of the flows in it. @throws STORE_DAMAGED */
  async visit(found: KeptFlow): Promise<void> {
    const { id, home, definition } = found
    const plan = await this.#plan({ flow: id, home, found, definition, members: [] }, false)
    if (!this.#isDry) await this.#take(plan)
    if (!this.#isDry && this.#wish.flow !== undefined && this.running.size === 0) await this.#forget(plan)
  }

  async #plan(level: Level, isOfAll: boolean): Promise<PurgePlan> {
    const { found, definition } = level
    const { flow: wished } = this.#wish
    const isAll = isOfAll || (wished !== undefined && flowName(wished) === flowName(level))
    const plan: PurgePlan = {
      ...{ level, isAll, nodes: new Set(), members: new Set(), flows: new Map(), ends: [] },
      letters: [...(found?.state.nodes ?? 'b'.repeat(definition.nodes.length))],
    }
    const listed = new Set(this.#wish.listed.get(flowName(level))?.keys())
    const listedNodes = new Set([...listed].map((index) => nodeOf(index)?.node))
    // Callbacks are planned last, because a callback may wait for a later node of this list, or use the
    // result of such a node.
    for (const isCallback of [false, true])
      for (const [node, { on, job, flow }] of definition.nodes.entries()) {
        if ((on !== undefined) !== isCallback) continue
        const isTaken = isAll || goesAlong(plan, node)
        if (flow !== undefined) await this.#planFlow(plan, node, isTaken)
        else {
          const isNamed = isTaken || listedNodes.has(node)
          if (isNamed || this.#wish.isMeant?.(await this.#filled(level, node, job!), at(level)))
            await this.#planNode(plan, node, isTaken, isNamed)
        }
      }
    await this.#planMembers(plan, listed)
    this.#leave(plan)
    return plan
  }

  /**
   * Removes a planned flow from the list. Jobs of nodes that stay in the flow are left in the list. They are
   * former jobs of nodes that were started again, and they are purged without the node.
   */
  #leave({ level, nodes, members }: PurgePlan): void {
    const { listed, only } = this.#wish
    const left = [...(listed.get(flowName(level)) ?? [])].filter(([index]) => {
      const { node } = nodeOf(index) ?? {}
      const isPlanned = node === undefined ? members.has(index) : nodes.has(node)
      return !isPlanned && !this.running.has(memberId({ ...level, index }))
    })
    if (only === undefined || left.length === 0) listed.delete(flowName(level))
    else listed.set(flowName(level), new Map(left))
  }

  async #planNode(plan: PurgePlan, node: number, isTaken: boolean, isNamed: boolean): Promise<void> {
    const { level, letters: all } = plan
    const { job, purged } = level.definition.nodes[node]!
    const { states: wished, only, isCounted } = this.#wish
    const index = indexIn(level, node)
    const id = memberId({ ...level, index })
    const isQueued = level.found !== undefined && all[node] !== 'b' && all[node] !== '-'
    const record = isQueued ? await getFollowed(this.#store, job!.partition, id, true) : undefined
    const state = record?.state ?? states[all[node]!] ?? 'blocked'
    if (!isNamed && wished !== undefined && !wished.has(state)) return
    if (!isTaken && only?.includes(state) === false) return
    if (state === 'active') {
      if (!isCounted?.(id, record)) this.running.add(id)
      return
    }
    plan.nodes.add(node)
    const isGone = purged && record === undefined
    if (!isGone && !isCounted?.(id, record)) this.removed++
    const letter = letters[state]
    if (all[node] !== 's' || letter === undefined) return
    all[node] = letter
    const { error: _, result, ...end } = endOf(record!)
    plan.ends.push({ ...end, ...(result !== undefined && { result: RESULT_PURGED }) })
  }

  async #planFlow(plan: PurgePlan, node: number, isTaken: boolean): Promise<void> {
    const { level } = plan
    const { home, definition, members = [] } = await this.#filledFlow(level, node)
    const id = level.found?.state.flows?.[node]
    const found = id === undefined ? undefined : await this.#records.get({ flow: id, home })
    const inner = { flow: id ?? `${level.flow} ${node}`, home, found, members: inRuns(members).members }
    const flow = await this.#plan({ ...inner, definition: found?.definition ?? definition }, isTaken)
    plan.flows.set(node, flow)
    if (flow.isAll) plan.nodes.add(node)
  }

  async #planMembers({ level, isAll, members }: PurgePlan, listed: ReadonlySet<number>): Promise<void> {
    const { found } = level
    for (const [index, member] of level.members.entries()) {
      const isNamed = isAll || listed.has(index)
      if (!isNamed && !this.#wish.isMeant?.(member, at(level))) continue
      const id = memberId({ ...level, index })
      const record = found && (await getFollowed(this.#store, member.partition, id, true))
      const state = record?.state ?? (found === undefined ? 'blocked' : 'completed')
      const { states: wished, only, isCounted } = this.#wish
      if (!isNamed && wished !== undefined && !wished.has(state)) continue
      if (!isAll && only?.includes(state) === false) continue
      if (state === 'active') {
        if (!isCounted?.(id, record)) this.running.add(id)
        continue
      }
      members.add(index)
      if (!(member.purged && record === undefined) && !isCounted?.(id, record)) this.removed++
    }
    if (found === undefined || level.definition.kind !== 'batch') return
    // The payloads of these members are only in their jobs, so the jobs must be read.
    const indices = isAll ? Array(found.crowd.reserved).keys() : listed
    const others = [...indices].filter(
      (index) => nodeOf(index) === undefined && index >= level.members.length,
    )
    for (const index of others) members.add(index)
    if (this.#isDry) await this.#countMembers(found, others)
  }

  /** Counts how many members of a batch have jobs, and how many of these are running. */
  async #countMembers({ id, home, state }: KeptFlow, indices: readonly number[]): Promise<void> {
    const { isCounted } = this.#wish
    for (const [partition, some] of byPartition(indices, state.fills ?? []))
      for (const lot of inLots(some, TOGETHER)) {
        const ids = lot.map((index) => memberId({ flow: id, home, index }))
        const records = await Promise.all(ids.map((each) => getFollowed(this.#store, partition, each, true)))
        for (const record of records)
          if (record === undefined || isCounted?.(record.id, record)) continue
          else if (record.state === 'active') this.running.add(record.id)
          else this.removed++
      }
  }

  /** A job with the known results in its payload. */
  async #filled({ found }: Level, node: number, job: FlowJob): Promise<FlowJob> {
    const { refs, purged } = found?.definition.nodes[node] ?? {}
    if (found === undefined || refs === undefined || purged) return job
    const ends = await this.#records.ends(found, [...new Set(refs.map((ref) => ref.node))])
    const payload = payloadOf(job.job.payload, refs, new Map(ends.map((end) => [end.node, end.result])))
    return typeof payload === 'string' ? { ...job, job: { ...job.job, payload } } : job
  }

  async #filledFlow(
    { found, definition }: Level,
    node: number,
  ): Promise<NonNullable<NodeDefinition['flow']>> {
    const { flow, purged } = definition.nodes[node]!
    if (found === undefined || purged) return flow!
    // If the results are too large or were not kept, the node cannot start.
    return nestedFlow(this.#records, found, node).catch(() => flow!)
  }

  async #take(plan: PurgePlan): Promise<void> {
    const { level, isAll } = plan
    const { found } = level
    if (found !== undefined) {
      if (isFresh(plan) || isAll || isEmptied(plan))
        await this.#book.change(place(level), ({ definition, state, crowd, at }) => {
          const isFilling = isAll && state.phase === 'filling'
          return {
            definition: purgedOf(definition, plan),
            state: isFilling ? { ...state, phase: 'open', fillsUntil: undefined, filledAt: at } : state,
            ...(isFilling && { crowd: { reserved: crowd.reserved, size: crowd.reserved } }),
          }
        })
      await this.#takeNodes(plan)
      await this.#takeMembers(plan, found)
      if (this.#wish.forgets !== undefined) await this.#forgetFailures(found, this.#wish.forgets)
    }
    for (const flow of plan.flows.values()) await this.#take(flow)
  }

  async #takeNodes(plan: PurgePlan): Promise<void> {
    const { level, nodes } = plan
    const indices: number[] = []
    const jobs: [string, number][] = []
    const after = await this.#records.get(place(level))
    const state = (after ?? level.found!).state
    for (const [node, { job }] of level.definition.nodes.entries()) {
      const inner = plan.flows.get(node)
      if (!nodes.has(node) && !(inner !== undefined && hasLost(inner))) continue
      for (let generation = state.generations?.[node] ?? 0; generation >= 0; generation--) {
        const index = indexOf(node, generation)
        indices.push(index)
        if (job !== undefined) jobs.push([job.partition, index])
      }
    }
    const ends = [...plan.ends]
    for (const [partition, some] of grouped(jobs))
      for (const lot of inLots(some, TOGETHER)) {
        const verdicts = await this.#purge(level, partition, lot)
        for (const [i, index] of lot.entries()) {
          const { node } = nodeOf(index)!
          const isStarted = state.nodes[node] === 's' && index === indexIn({ ...level, found: after }, node)
          if (isStarted && verdicts[i] !== 'refused')
            ends.push(removedEnd(level.flow, index, after?.at ?? level.found!.at))
        }
      }
    if (ends.length > 0) await this.#book.apply(level.home, ends)
    for (const lot of inLots(indices, MAX_ITEMS)) await this.#store.flows.purge(level.home, level.flow, lot)
    // The flow takes its next step at once, so that people see the change even if there is no worker.
    if (ends.length > 0) await this.#book.change(place(level), ({ state }) => ({ state }))
    await this.#pass(nodes.size)
  }

  async #takeMembers({ level, isAll, members }: PurgePlan, { state, at }: KeptFlow): Promise<void> {
    const { flow, home } = level
    const only = isAll ? undefined : this.#wish.only
    const sorted = [...members].sort((one, other) => one - other)
    for (const [partition, some] of byPartition(sorted, state.fills ?? []))
      for (const lot of inLots(some, TOGETHER)) {
        const ids = lot.map((index) => memberId({ flow, home, index }))
        const fates = await fatesFollowed(this.#store, partition, ids)
        const verdicts = await this.#purge(level, partition, lot, only)
        const ends = lot.flatMap((index, i): MemberEnd[] => {
          const fate = fates[i]!
          if (verdicts[i] === 'done' && index >= level.members.length) this.removed++
          if (verdicts[i] === 'refused') return []
          if (fate.kind !== 'ended') return [removedEnd(flow, index, at)]
          const { error: _, result: __, ...end } = endOf(fate.job)
          return [end]
        })
        if (ends.length > 0) await this.#book.apply(home, ends)
        await this.#store.flows.purge(home, flow, lot)
        await this.#pass(lot.length)
      }
  }

  async #purge(
    level: Level,
    partition: string,
    indices: readonly number[],
    only?: readonly State[],
  ): Promise<AlterVerdict[]> {
    const ids = indices.map((index) => memberId({ ...level, index }))
    const verdicts = await alterFollowed(this.#store, partition, ids, { kind: 'purge', ...defined({ only }) })
    for (const [i, verdict] of verdicts.entries()) if (verdict === 'refused') this.running.add(ids[i]!)
    return verdicts
  }

  async #forgetFailures(
    { id, home, state }: KeptFlow,
    forgets: NonNullable<PurgeWish['forgets']>,
  ): Promise<void> {
    for (let after = -1; ; ) {
      const failed = await this.#store.flows.failed(home, id, after, MAX_ITEMS)
      if (failed.length === 0) return
      after = failed.at(-1)!
      for (const [partition, some] of byPartition(failed, state.fills ?? []))
        if (forgets(partition)) await this.#store.flows.purge(home, id, some)
    }
  }

  /** Removes the flows that were purged as a whole. */
  async #forget({ level, isAll, flows }: PurgePlan): Promise<void> {
    for (const flow of flows.values()) await this.#forget(flow)
    if (!isAll || level.found === undefined) return
    const { parent } = level.found.definition
    if (parent !== undefined)
      await this.#book.apply(parent.home, [removedEnd(parent.flow, parent.index, level.found.at)])
    for (;;) {
      const found = await this.#records.get(place(level))
      if (found === undefined) return
      const { isWritten } = await this.#store.flows.write(level.home, {
        id: level.flow,
        rev: found.rev,
        remove: true,
      })
      if (isWritten) return
    }
  }
}

function place({ flow, home }: Level): FlowPlace {
  return { flow, home }
}

function at({ found }: Level): number {
  return found?.state.end?.at ?? found?.state.at ?? Number.POSITIVE_INFINITY
}

/** The index of the job of a node. */
function indexIn({ found }: Pick<Level, 'found'>, node: number): number {
  return indexOf(node, found?.state.generations?.[node] ?? 0)
}
