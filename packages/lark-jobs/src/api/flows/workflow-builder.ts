/**
 * The argument of the function that is passed to `workflow()`. The function adds nodes to the builder one by
 * one. A node can wait only for nodes that exist already, so a workflow has no cycles.
 */
import { textIn, type WrittenDraft, writtenDraft } from '../../dispatch/flow-definition.ts'
import type { NodeNames } from '../../dispatch/node-names.ts'
import { makeOpenResult } from '../../dispatch/open-result.ts'
import type { FlowSize } from '../../flow/flow-size.ts'
import { JobsError } from '../../model/errors.ts'
import { type IfFailed, MAX_NODES } from '../../model/flow.ts'
import { nodeEntries } from '../../options/flow.ts'
import { option, Schema, voiceOf } from '../../options/schema.ts'
import { insideOfDraft, isDraft } from '../draft.ts'
import type { FlowDraft, FlowPart, OpenResultOf, ResultOfPart } from './flow-draft.ts'
import { nameOfPart } from './flow-part.ts'

/** A node of a workflow that is being built. `Open` is the type of its result in payloads. */
export interface WorkflowNode<Open = unknown> {
  /** The name of the node, which is unique in the workflow. */
  readonly name: string
  /**
   * The future result of `handle`, to be passed on in the payload of a later node:
   * `charge.result.receiptUrl`. The future result has the type of the result, but no value yet. A node whose
   * payload contains this result waits for this node.
   */
  readonly result: Open
}

export interface FlowNodeOptions {
  /**
   * The name of the node, which must be unique in the workflow. Default: the name of the class. The second
   * node of a class gets a number: `Charge`, `Charge 2`.
   */
  name?: string | undefined
  /** The nodes that this node waits for. */
  after?: WorkflowNode | readonly WorkflowNode[] | undefined
  /**
   * What happens to this node if a node that it waits for ends without completing. `skip` (default): this
   * node is cancelled, with the reason `skipped`. `run`: this node starts anyway, without the result of the
   * other node. `fail`: this node fails.
   */
  ifFailed?: IfFailed | undefined
}

/** A node that was added to the builder. @internal */
export interface AddedNode {
  name: string
  after: number[]
  ifFailed: IfFailed | undefined
  part: ReadPart
}

/**
 * A part of a flow. The payload of a job is already serialized, so that its size is known. A flow is read
 * later.
 *
 * @internal
 */
export type ReadPart = WrittenDraft | FlowDraft

/**
 * @param what the name of the part, for messages
 * @param links how many nodes the part waits for
 * @throws FLOW_TOO_LARGE, the errors of a dispatch
 * @internal
 */
export function readPart(part: FlowPart, size: FlowSize, what: string, links = 0): ReadPart {
  const read = isDraft(part) ? writtenDraft(insideOfDraft(part)) : part
  size.add(what, 'made' in read ? textIn(read) : '', links)
  return read
}

export const nodeOptions = new Schema('an object', {
  ...nodeEntries,
  after: option<WorkflowNode | readonly WorkflowNode[]>(
    'a node that w.add() returned, or a list of these',
    (value) => (Array.isArray(value) ? value : [value]).every((each) => each instanceof BuiltNode),
  ),
})

export class WorkflowBuilder {
  /** @internal */
  readonly nodes: AddedNode[] = []
  readonly #names: NodeNames
  readonly #size: FlowSize
  #isClosed = false

  /** @internal */
  constructor(names: NodeNames, size: FlowSize) {
    this.#names = names
    this.#size = size
  }

  /**
   * Adds a node.
   *
   * @param part the draft of a job, or a chain, a batch or another workflow
   * @returns the node, to be used in `after` and in the payloads of later nodes
   * @throws FLOW_INVALID; FLOW_TOO_LARGE if there are too many nodes, or the nodes together are too large;
   *   the errors of the payload
   * @example const pack = w.add(new PackJob().with({ orderId }), { after: [charge, reserve], ifFailed: 'fail'
   *   })
   */
  add<W extends FlowPart>(
    part: W,
    options: FlowNodeOptions = {},
  ): WorkflowNode<OpenResultOf<ResultOfPart<W>>> {
    const what = nameOfPart(part, 'w.add()')
    if (this.#isClosed)
      throw new JobsError(
        'FLOW_INVALID',
        `w.add() was called with ${what} after the workflow had been built`,
        {
          hint: 'If the function of workflow() is async, await everything in it. To add to a flow that was dispatched, use handle.add().',
        },
      )
    if (this.nodes.length === MAX_NODES)
      throw new JobsError('FLOW_TOO_LARGE', `A workflow has more than ${MAX_NODES} nodes`, {
        hint: 'Jobs that wait for nothing can be a batch, which may have a million members.',
      })
    const {
      name,
      after = [],
      ifFailed,
    } = nodeOptions.readAll(options, voiceOf('FLOW_INVALID', `w.add(${what})`))
    const parents = (Array.isArray(after) ? after : [after]).map((each: BuiltNode) => {
      if (each.builder === this) return each.index
      throw new JobsError(
        'FLOW_INVALID',
        `${what} comes after ${each.name}, which is a node of another workflow`,
      )
    })
    const node = new BuiltNode(this, this.nodes.length, this.#names.of(what, name))
    const distinct = [...new Set(parents)]
    const read = readPart(part, this.#size, node.name, distinct.length)
    this.nodes.push({ name: node.name, after: distinct, ifFailed, part: read })
    return node as WorkflowNode as WorkflowNode<OpenResultOf<ResultOfPart<W>>>
  }

  /** Makes later calls of `add` fail. @internal */
  close(): void {
    this.#isClosed = true
  }
}

class BuiltNode implements WorkflowNode {
  readonly name: string
  readonly index: number
  readonly builder: WorkflowBuilder

  constructor(builder: WorkflowBuilder, index: number, name: string) {
    // The builder is not enumerable, so that printed nodes show only their names.
    Object.defineProperty(this, 'builder', { value: builder, enumerable: false })
    this.builder = builder
    this.index = index
    this.name = name
  }

  get result(): never {
    const { builder: scope, index: node, name } = this
    return makeOpenResult({ scope, node, name, path: [] }) as never
  }
}
