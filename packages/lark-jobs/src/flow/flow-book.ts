/**
 * The flows of a store: starts, reads, advances and changes a flow.
 *
 * A change reads the flow, computes the next state, and writes it on condition that the flow still has the
 * revision number that was read (`store/contract/flows.ts`). If another process has written the flow
 * meanwhile, the flow is read and changed again. So any number of processes may change a flow at the same
 * time, and no change is lost. The work of a step is done after the state was written. All of this work may
 * be repeated, and it is repeated if a later check finds that it was not done.
 */
import { defined } from '@s18i/lark/internal'
import { JobsError } from '../model/errors.ts'
import {
  type EndReason,
  type Fill,
  type FlowDefinition,
  type FlowJob,
  type FlowPlace,
  type FlowState,
  MAX_MEMBERS,
} from '../model/flow.ts'
import { newId } from '../model/id.ts'
import { inLots } from '../store/contract/rules/in-lots.ts'
import {
  type Bound,
  type Crowd,
  type FlowWrite,
  isResendable,
  type KeptEnd,
  MAX_ITEMS,
  type MemberEnd,
  type Store,
  type StoredFlow,
} from '../store/contract/store.ts'
import { readable } from '../words/duration.ts'
import {
  advance,
  begin,
  endNow,
  type FirstMembers,
  isEnding,
  isLate,
  jobIndex,
  type Startable,
  type Step,
  startAgain,
} from './advance.ts'
import { rejected } from './ends-without-run.ts'
import { FlowMembers, inRuns } from './flow-members.ts'
import { FlowNodes, type MadeNodes, startedNodes } from './flow-nodes.ts'
import { type DueIn, type FlowChange, type FlowControl, FlowRecords, type KeptFlow } from './flow-records.ts'
import { checkSize } from './flow-size.ts'
import { JobSender } from './job-sender.ts'
import { MAX_KEYS, unknownKeys } from './unknown-keys.ts'

/** Milliseconds after a batch was filled until the first check of what has become of its members. */
const LOOK_AFTER_FILL = 5_000
/** The minimum time between a failed check and the next check, in milliseconds. */
const LOOK_AFTER_FAILURE = 5_000

export interface FlowBookOptions {
  store: Store
  /** Returns how many jobs a partition may hold. Undefined if there is no bound. */
  boundOf?: (partition: string) => Bound | undefined
  /** The keys that living workers know. By default, keys are not checked. */
  keys?: () => Promise<ReadonlySet<string>>
}

export class FlowBook implements FlowControl {
  readonly #store: Store
  readonly #boundOf: (partition: string) => Bound | undefined
  readonly #records: FlowRecords
  readonly #members: FlowMembers
  readonly #nodes: FlowNodes
  readonly #keys: FlowBookOptions['keys']

  constructor({ store, boundOf = () => undefined, keys }: FlowBookOptions) {
    this.#store = store
    this.#boundOf = boundOf
    this.#records = new FlowRecords(store)
    const parts = { store, records: this.#records, sender: new JobSender(store, boundOf), control: this }
    this.#members = new FlowMembers(parts)
    this.#nodes = new FlowNodes(parts)
    this.#keys = keys
  }

  /**
   * Starts a flow.
   *
   * @param members absent if the flow has no members
   * @param by a text that distinguishes this dispatch from other dispatches with the same id, so that a call
   *   without an answer can be repeated safely
   * @returns whether the flow was started by this call or by another call of the same dispatch. If another
   *   dispatch has already started a flow with this id, nothing changes
   * @throws FLOW_TOO_LARGE
   */
  async start(
    place: FlowPlace,
    definition: FlowDefinition,
    members?: FirstMembers,
    by?: string,
  ): Promise<boolean> {
    const text = JSON.stringify(definition)
    checkSize(text, (bytes) => `${shown(place, definition)}: its definition has ${bytes} bytes`)
    const at = await this.#store.now(place.home)
    const state = { ...begin(definition, at, members), ...defined({ by }) }
    const size = members !== undefined && 'size' in members ? members.size : 0
    const crowd = { reserved: size, completed: 0, failed: 0, ...(state.phase === 'open' && { size }) }
    const written = await this.#write(
      { home: place.home, id: place.flow, rev: 0, definition, state, news: [], crowd, at },
      { definition: text, crowd: alarmed(definition, crowd), isRelied: true },
    )
    await begun(written)
    return written.isWritten || (by !== undefined && (await this.get(place))?.state.by === by)
  }

  /**
   * Starts a batch with all of its members. The call may be repeated: members that already exist are counted
   * only once.
   *
   * @returns see `start`
   */
  async startWith(
    place: FlowPlace,
    definition: FlowDefinition,
    members: readonly FlowJob[],
    by?: string,
  ): Promise<boolean> {
    const { members: ordered, fills } = inRuns(members)
    const keys = [...new Set(members.map(({ job }) => job.key))].slice(0, MAX_KEYS)
    const isOurs = await this.start(place, definition, { size: ordered.length, fills, keys }, by)
    const all = ordered.map((_, index) => index)
    if (isOurs) await this.#members.send(place, ordered, all, definition.trace)
    return isOurs
  }

  /** @throws STORE_DAMAGED */
  get(place: FlowPlace): Promise<KeptFlow | undefined> {
    return this.#records.get(place)
  }

  /**
   * If a flow has ended, tells the job that awaits the flow a second time how it ended, because a server may
   * have lost the first message.
   *
   * @returns the flow. Undefined if there is no such flow
   */
  async tellAgain(place: FlowPlace): Promise<KeptFlow | undefined> {
    const found = await this.get(place)
    if (found?.state.phase === 'ended') await this.#nodes.tell(found)
    return found
  }

  /**
   * Notes how nodes and members have ended. @returns when the next flow or schedule of the partition is due
   */
  apply(home: string, ends: readonly MemberEnd[]): Promise<DueIn> {
    return this.#records.apply(home, ends)
  }

  /**
   * Takes the next step of a flow that the store has handed out because it is due.
   *
   * @returns when the next flow or schedule of its partition is due
   * @throws STORE_DAMAGED
   */
  async advance(home: string, stored: StoredFlow, at: number): Promise<DueIn> {
    const { nextTick, follow } = await this.#write(this.#records.parse(home, stored, at))
    return (await follow?.()) ?? nextTick
  }

  /**
   * Changes a flow, and does the work that follows.
   *
   * @param change makes the next state, or returns undefined to change nothing
   * @returns whether the flow was changed. Undefined if there is no such flow
   * @throws FLOW_TOO_LARGE if the new definition is too large
   */
  async change(
    place: FlowPlace,
    change: (found: KeptFlow) => FlowChange | undefined,
  ): Promise<boolean | undefined> {
    for (;;) {
      const found = await this.get(place)
      if (found === undefined) return undefined
      const changed = change(found)
      if (changed === undefined) return false
      const { definition = found.definition, state, crowd, isRelied } = changed
      const next = { ...found, definition, state, crowd: { ...found.crowd, ...crowd } }
      const text = changed.definition && JSON.stringify(changed.definition)
      if (text !== undefined)
        checkSize(text, (bytes) => `With what is added, flow ${place.flow} would have ${bytes} bytes`)
      const written = await this.#write(next, {
        ...defined({ definition: text }),
        ...(crowd !== undefined && { crowd: alarmed(definition, crowd) }),
        ...defined({ ends: changed.ends, isRelied }),
        before: found.state,
      })
      await begun(written)
      if (written.isWritten) return true
    }
  }

  /** Cancels a flow. @returns whether the flow had not ended. Undefined if there is no such flow */
  cancel(place: FlowPlace, reason: EndReason = 'user', because?: string): Promise<boolean | undefined> {
    return this.change(place, (found) => {
      const state = endNow(found, reason, because)
      return state && { state }
    })
  }

  /**
   * Restarts all parts of a flow that did not complete.
   *
   * @param within milliseconds from now within which the flow must end
   * @returns whether there was a part to start. Undefined if there is no such flow
   * @throws FLOW_LATE; FLOW_ENDING while jobs of the flow are still ending, because they could be taken for
   *   the jobs that start now
   */
  async retry(place: FlowPlace, within?: number): Promise<boolean | undefined> {
    const before = await this.get(place)
    const startable = before && (await this.#startable(before))
    return this.change(place, (found) => {
      const { definition } = found
      if (within === undefined && isLate(found)) throw late(place, definition)
      if (isEnding(found)) throw ending(place, found)
      const state = startAgain(found, startable, within)
      return state && { state, ...(within !== undefined && { definition: { ...definition, within } }) }
    })
  }

  async #startable(found: KeptFlow): Promise<Startable> {
    const members = await this.#members.canRetry(found)
    const spent = new Set<number>()
    for (const [node, child] of await this.#nodes.endedFlows(found))
      if (startAgain(child, await this.#startable(child)) === undefined) spent.add(node)
    return { members, spent }
  }

  /**
   * Reserves indices for members that are about to be queued, one range after another.
   *
   * @param filling passed by the dispatcher of the batch: the time within which it must report again, in
   *   milliseconds, and the number of this lot, from 1. With the number, a repeated call returns the same
   *   indices. Absent if the members are added after the batch was filled
   * @returns the first index
   * @throws FLOW_ENDED, FLOW_TOO_LARGE
   */
  async reserve(
    place: FlowPlace,
    runs: readonly { partition: string; count: number; keys: readonly string[] }[],
    filling?: { ms: number; lot: number },
  ): Promise<number> {
    let first: number | undefined
    await this.change(place, ({ definition, state, crowd, at }) => {
      // This function is called again if another process has written the flow meanwhile, so `first` is reset.
      first = undefined
      const isOpen = state.phase === 'filling' || (state.phase === 'open' && filling === undefined)
      if (!isOpen || state.ending !== undefined) return undefined
      first = state.lot?.[0] === filling?.lot ? state.lot?.[1] : undefined
      if (first !== undefined) return undefined
      first = crowd.reserved
      const fills: Fill[] = [...(state.fills ?? [])]
      let reserved = first
      for (const { partition, count } of runs) {
        if (fills.at(-1)?.[1] !== partition) fills.push([reserved, partition])
        reserved += count
      }
      if (reserved > MAX_MEMBERS) throw tooMany(place, definition, reserved)
      const isSealed = state.phase === 'open'
      const lot = filling && { fillsUntil: at + filling.ms, lot: [filling.lot, first] as [number, number] }
      return {
        state: { ...state, fills, keys: keysWith(state, runs), filledAt: at, ...lot },
        crowd: { reserved, ...(isSealed && { size: reserved }) },
        // If a server lost this write, the same indices would be given to other members.
        isRelied: true,
      }
    })
    if (first === undefined) throw ended(place)
    return first
  }

  /**
   * Records that the dispatcher of a batch is still filling it.
   *
   * @param filling the time within which it must report again, in milliseconds
   */
  async stillFills(place: FlowPlace, filling: number): Promise<void> {
    await this.change(place, ({ state, at }) =>
      state.phase === 'filling' ? { state: { ...state, fillsUntil: at + filling } } : undefined,
    )
  }

  /**
   * Records that a batch has all of its members. The call may be repeated.
   *
   * @throws FLOW_ENDED if the batch was given up
   */
  async seal(place: FlowPlace): Promise<void> {
    let isGivenUp = false
    const isChanged = await this.change(place, ({ state, crowd, at }) => {
      const { fillsUntil: _, ...rest } = state
      isGivenUp = (state.ending ?? state.end)?.reason === 'abandoned'
      if (state.phase !== 'filling') return undefined
      return {
        // Members that were just added need not be checked yet.
        state: {
          ...rest,
          phase: 'open',
          filledAt: at,
          checkAt: Math.max(state.checkAt, at + LOOK_AFTER_FILL),
        },
        crowd: { reserved: crowd.reserved, size: crowd.reserved },
        isRelied: true,
      }
    })
    if (isGivenUp || isChanged === undefined) throw ended(place)
  }

  /** Adds nodes to a flow that is open. @throws FLOW_ENDED */
  async add(place: FlowPlace, added: (found: KeptFlow) => FlowDefinition['nodes']): Promise<void> {
    const isChanged = await this.change(place, (found) => {
      const { definition, state } = found
      if (state.phase === 'ended' || state.ending !== undefined) return undefined
      const nodes = added(found)
      return {
        definition: { ...definition, nodes: [...definition.nodes, ...nodes] },
        state: { ...state, nodes: state.nodes + 'b'.repeat(nodes.length) },
        isRelied: true,
      }
    })
    if (isChanged !== true) throw ended(place)
  }

  /**
   * Computes the next step of a flow and writes it together with a change. The caller must then do the work
   * of the step.
   *
   * @param change `before`: the stored state, if the state in `found` was already changed
   */
  async #write(
    found: KeptFlow,
    change: {
      definition?: string
      crowd?: CrowdChange
      ends?: readonly KeptEnd[]
      isRelied?: boolean
      before?: FlowState
    } = {},
  ): Promise<Written> {
    const { home, id, rev, news, at, definition } = found
    const heard = change.ends === undefined ? news : [...news, ...change.ends]
    const step = advance(found, heard)
    const { state, starts, size } = step
    if (step.forgets) return this.#forget(found)
    const before = change.before ?? found.state
    if (before.phase === 'ended') await this.#queueLeftBehind({ ...found, state: before, news: heard }, state)
    for (const node of starts)
      if (definition.nodes[node]!.flow !== undefined)
        state.flows = { ...state.flows, [node]: state.flows?.[node] ?? newId(at) }
    const made = await this.#nodes.make({ ...found, state }, starts)
    const jobs = made.jobs.get(home) ?? []
    const crowd = size === undefined ? change.crowd : { ...change.crowd, size }
    const write: FlowWrite = {
      id,
      rev,
      state: JSON.stringify(state),
      ...defined({ definition: change.definition, next: step.next, crowd }),
      ...(news.length > 0 && { heard: news.length }),
      ...(jobs.length > 0 && { jobs }),
    }
    const written = await this.#store.flows.write(home, write, this.#boundOf(home), change.isRelied)
    if (!written.isWritten) return written
    made.jobs.delete(home)
    const ends = rejected(jobs, written.jobs, at)
    const follow = () =>
      this.#follow({ ...found, rev: written.rev, state, news: [] }, step, made, ends).catch(async (error) => {
        // After a failed check, the pause is not doubled, because the store may be back soon.
        if (step.checks && isResendable(error))
          await this.change({ home, flow: id }, (now) => ({ state: lookAgain(now) })).catch(() => {})
        throw error
      })
    return { isWritten: true, nextTick: written.nextTick, follow }
  }

  /**
   * When a flow that has ended goes on, its callbacks will start again under other ids. Callbacks in other
   * partitions may not have been queued yet, and no later check would look for them. So this method queues
   * these callbacks before the flow is written.
   */
  async #queueLeftBehind(before: KeptFlow, next: FlowState): Promise<void> {
    const ended = new Set(before.news.map(({ index }) => index))
    const nodes = startedNodes(before.state).filter((node) => {
      const index = jobIndex(before.state, node)
      return index !== jobIndex(next, node) && !ended.has(index)
    })
    if (nodes.length > 0) await this.#nodes.check(before, nodes)
  }

  /** Does the work of a step after the step was written. @param ends the ends of jobs that were not queued */
  async #follow(
    found: KeptFlow,
    step: Step,
    made: MadeNodes,
    ends: ReturnType<typeof rejected>,
  ): Promise<DueIn> {
    const { home, id, definition, state, at } = found
    for (const some of inLots(step.purges, MAX_ITEMS)) await this.#store.flows.purge(home, id, some)
    ends.push(...made.ends, ...(await this.#nodes.send(made.jobs, at)))
    await Promise.all(made.flows.map((node) => this.#nodes.startFlow(found, node)))
    if (step.tells) await this.#nodes.tell(found)
    if (step.asks) {
      await this.#nodes.askToEnd(found)
      if (definition.kind === 'batch') await this.#members.askToEnd(found)
      await this.change(
        { home, flow: id },
        ({ state }) => state.ending && { state: { ...state, ending: { ...state.ending, isAsked: true } } },
      )
    }
    if (step.retries) await this.#members.retry(found)
    if (step.checks) {
      ends.push(...(await this.#nodes.check(found)))
      if (definition.kind === 'batch' && state.phase === 'open') await this.#members.check(found)
      await this.#hearAgain(found)
      await this.#checkKeys(found)
    }
    return ends.length > 0 ? this.#records.apply(home, ends) : undefined
  }

  /**
   * Applies ends of nodes again that were already applied. The partition of the flow keeps these ends. If a
   * server has lost its last writes, it may have lost what followed from these ends.
   */
  async #hearAgain(found: KeptFlow): Promise<void> {
    const ends = await this.#records.ends(found, startedNodes(found.state))
    if (ends.length > 0)
      await this.change({ home: found.home, flow: found.id }, ({ state }) => ({ state, ends }))
  }

  /** Cancels jobs whose keys no living worker has known for too long. */
  async #checkKeys(found: KeptFlow): Promise<void> {
    const { home, id, definition, state, at } = found
    if (this.#keys === undefined) return
    const keys = [...this.#nodes.keysOf(found), ...(state.keys ?? [])]
    const { overdue, since, isChanged } = unknownKeys(definition, state, keys, await this.#keys(), at)
    if (isChanged)
      await this.change({ home, flow: id }, ({ state }) => ({ state: { ...state, unknown: since } }))
    if (overdue.size === 0) return
    await this.#nodes.cancelUnknown(found, overdue)
    if (state.keys?.some((key) => overdue.has(key))) await this.#members.cancelUnknown(found, overdue)
  }

  /** Removes a flow, with everything that the store keeps about its nodes. */
  async #forget(found: KeptFlow): Promise<Written> {
    const { home, id, rev, crowd } = found
    if (crowd.failed > 0) await this.#members.unpin(found)
    for (const place of await this.#nodes.remove(found)) await this.#forgetNode(place)
    return this.#store.flows.write(home, { id, rev, remove: true })
  }

  /**
   * Removes a flow that was a node. If another process has written the flow meanwhile, the removal is
   * repeated, because nobody would remove the flow later.
   */
  async #forgetNode(place: FlowPlace): Promise<void> {
    for (;;) {
      const found = await this.get(place)
      if (found === undefined || (await this.#forget(found)).isWritten) return
    }
  }
}

/** `follow`: does the work of the step. */
interface Written {
  isWritten: boolean
  nextTick?: DueIn
  follow?: () => Promise<DueIn>
}

/**
 * Begins the work that follows a change by hand. The change has certainly been written, so this function must
 * not throw an error. If the store becomes unreachable, a worker does the rest, because the flow is due.
 */
async function begun({ follow }: Written): Promise<void> {
  await follow?.().catch((error) => {
    if (!isResendable(error)) throw error
  })
}

type CrowdChange = NonNullable<Extract<FlowWrite, { state: string }>['crowd']>

/**
 * The state after a failed check. A failed check gives no information, so it does not double the pause until
 * the next check.
 */
function lookAgain({ state, at }: KeptFlow): FlowState {
  const pause = Math.max(LOOK_AFTER_FAILURE, state.pause / 2)
  return { ...state, pause, checkAt: at + pause }
}

/** Adds keys to the known keys. Undefined if there are too many keys to store. */
function keysWith(
  { keys = [], fills }: FlowState,
  runs: readonly { keys: readonly string[] }[],
): string[] | undefined {
  if (keys.length === 0 && fills !== undefined && fills.length > 0) return undefined
  const all = [...new Set([...keys, ...runs.flatMap((run) => run.keys)])]
  return all.length > MAX_KEYS ? undefined : all
}

function alarmed({ allowed }: FlowDefinition, { reserved, size }: Partial<Crowd>): CrowdChange {
  return { ...defined({ reserved, size }), ...(allowed !== undefined && { alarm: allowed + 1 }) }
}

function ended({ flow }: FlowPlace): JobsError {
  return new JobsError('FLOW_ENDED', `The flow ${flow} has ended, or ends already: nothing can be added`, {
    hint: 'Add to a flow while one of its jobs runs.',
  })
}

function late(place: FlowPlace, definition: FlowDefinition): JobsError {
  const time = readable(definition.within!)
  return new JobsError('FLOW_LATE', `${shown(place, definition)} had not ended within ${time}`, {
    id: place.flow,
    hint: "Say how long it may take from now on, such as within: '2h'.",
  })
}

function ending(place: FlowPlace, { definition, state }: KeptFlow): JobsError {
  const why = state.ending!.state === 'cancelled' ? 'is being cancelled' : 'fails'
  return new JobsError('FLOW_ENDING', `${shown(place, definition)} ${why}, and jobs of it still run`, {
    id: place.flow,
    hint: 'Start it again when status() says that it has ended. Jobs that run are asked to end.',
  })
}

function tooMany(place: FlowPlace, definition: FlowDefinition, count: number): JobsError {
  return new JobsError(
    'FLOW_TOO_LARGE',
    `${shown(place, definition)} would have ${count} members, the limit is ${MAX_MEMBERS}`,
    { id: place.flow, hint: 'Dispatch several batches, perhaps as nodes of a workflow.' },
  )
}

function shown({ flow }: FlowPlace, { kind, name }: FlowDefinition): string {
  return name === undefined ? `The ${kind} ${flow}` : `The ${kind} '${name}'`
}
