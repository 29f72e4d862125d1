/** The stored flows: reads them, and records how their nodes and members have ended. */

import { JobsError } from '../model/errors.ts'
import type { EndReason, FlowDefinition, FlowJob, FlowPlace, FlowState } from '../model/flow.ts'
import { NODES, nodeOf } from '../model/flow.ts'
import { inLots } from '../store/contract/rules/in-lots.ts'
import {
  type Crowd,
  type KeptEnd,
  MAX_ITEMS,
  type MemberEnd,
  type Store,
  type StoredFlow,
} from '../store/contract/store.ts'
import { type FirstMembers, type FlowView, jobIndex } from './advance.ts'

/** How many parsed definitions are kept in memory. */
const DEFINITIONS = 100
/**
 * How many ends of nodes are kept in memory (ENDS), and the length of a result, in characters, above which an
 * end is not kept.
 */
const ENDS = 1_000
const LARGE = 4_096

/** A flow as it was read from the store. */
export interface KeptFlow extends FlowView {
  home: string
  id: string
  rev: number
  news: KeptEnd[]
}

/** A change of a flow. */
export interface FlowChange {
  state: FlowState
  definition?: FlowDefinition
  crowd?: Pick<Crowd, 'reserved' | 'size'> | undefined
  /** The ends of nodes that the change takes into account as news. */
  ends?: readonly KeptEnd[]
  /** Whether the write must have the full durability that the store is configured with. */
  isRelied?: boolean
}

/** How a node ended. */
export type NodeEnd = KeptEnd & { node: number }

/** Milliseconds until a flow or schedule of a partition is due. Undefined if none will be due. */
export type DueIn = number | undefined

/** The functions of `flow-book.ts` that the parts of a flow use. */
export interface FlowControl {
  start(place: FlowPlace, definition: FlowDefinition, members?: FirstMembers): Promise<boolean>
  startWith(place: FlowPlace, definition: FlowDefinition, members: readonly FlowJob[]): Promise<boolean>
  change(place: FlowPlace, change: (found: KeptFlow) => FlowChange | undefined): Promise<boolean | undefined>
  cancel(place: FlowPlace, reason?: EndReason, because?: string): Promise<boolean | undefined>
}

export class FlowRecords {
  readonly #store: Store
  /** Definitions that were read recently, by flow. */
  readonly #definitions = new Map<string, { text: string; definition: FlowDefinition }>()

  /** Ends of nodes that this process has brought recently. */
  readonly #ends = new Map<string, KeptEnd>()

  constructor(store: Store) {
    this.#store = store
  }

  /** @throws STORE_DAMAGED */
  async get({ home, flow }: FlowPlace): Promise<KeptFlow | undefined> {
    const { at, found } = await this.#store.flows.get(home, flow)
    return found && this.parse(home, found, at)
  }

  /** @throws STORE_DAMAGED */
  parse(home: string, { id, rev, definition, state, news, crowd }: StoredFlow, at: number): KeptFlow {
    try {
      return {
        home,
        id,
        rev,
        definition: this.#definition(id, definition),
        state: JSON.parse(state),
        news,
        crowd,
        at,
      }
    } catch (cause) {
      throw new JobsError('STORE_DAMAGED', `The flow ${id} in ${home} is not readable`, { cause })
    }
  }

  /**
   * Notes how nodes and members have ended. @returns when the next flow or schedule of the partition is due
   */
  async apply(home: string, ends: readonly MemberEnd[]): Promise<DueIn> {
    for (const end of ends) if (end.index >= NODES) this.#remember(home, end)
    let next: DueIn
    for (const some of inLots(ends, MAX_ITEMS)) next = (await this.#store.flows.apply(home, some)).nextTick
    return next
  }

  /** How nodes ended, with their results. Nodes that have not ended are left out. */
  async ends(found: KeptFlow, nodes: readonly number[]): Promise<NodeEnd[]> {
    const { home, id, definition, state } = found
    const all: NodeEnd[] = []
    let left: number[] = []
    for (const node of nodes) {
      const index = jobIndex(state, node)
      const { ended, purged } = definition.nodes[node]!
      // `ended` is an end that the node had before the flow was dispatched. This end counts until the node is
      // started again.
      const before = state.generations?.[node] === undefined ? ended : undefined
      const kept = purged ? undefined : this.#ends.get(nameOf(home, id, index))
      const known = before === undefined ? kept : { ...before, index }
      if (known === undefined) left.push(index)
      else all.push({ ...known, node })
    }
    while (left.length > 0) {
      const some = await this.#store.flows.ends(home, id, left.slice(0, MAX_ITEMS))
      if (some.length === 0) left = left.slice(MAX_ITEMS)
      else {
        all.push(...some.map((end) => ({ ...end, node: nodeOf(end.index)!.node })))
        const last = left.indexOf(some.at(-1)!.index)
        left = left.slice(last + 1)
      }
    }
    return all
  }

  /**
   * Keeps an end in memory, because the worker that reports the end of a node usually also starts the next
   * node, which may use the result.
   */
  #remember(home: string, { flow, ...end }: MemberEnd): void {
    // Only ends of completed nodes are kept, because a failed node may end again after a retry.
    if (end.state !== 'completed' || (end.result?.length ?? 0) > LARGE) return
    if (this.#ends.size >= ENDS) this.#ends.delete(this.#ends.keys().next().value!)
    this.#ends.set(nameOf(home, flow, end.index), end)
  }

  #definition(id: string, text: string): FlowDefinition {
    const known = this.#definitions.get(id)
    if (known?.text === text) return known.definition
    const definition = JSON.parse(text) as FlowDefinition
    this.#definitions.delete(id)
    if (this.#definitions.size >= DEFINITIONS)
      this.#definitions.delete(this.#definitions.keys().next().value!)
    this.#definitions.set(id, { text, definition })
    return definition
  }
}

function nameOf(home: string, flow: string, index: number): string {
  return `${flow}.${home}:${index}`
}
