/** Reads the draft of a flow: calls the functions that make its steps and nodes, and checks its data. */
import { excerpt } from '@s18i/lark/internal'
import { type FlowSpec, MAX_NESTING, type NodeSpec } from '../../dispatch/flow-definition.ts'
import { NodeNames } from '../../dispatch/node-names.ts'
import { makeOpenResult } from '../../dispatch/open-result.ts'
import { FlowSize } from '../../flow/flow-size.ts'
import { JobsError } from '../../model/errors.ts'
import { flowOptions } from '../../options/flow.ts'
import { isJobClass } from '../../options/job-class.ts'
import { voiceOf } from '../../options/schema.ts'
import { BatchMembers } from './batch-members.ts'
import { type FlowDraft, type FlowPart, type FlowSays, insideOfFlow, isFlowDraft } from './flow-draft.ts'
import { nameOfFlow, nameOfPart, partWords } from './flow-part.ts'
import { type ReadPart, readPart, WorkflowBuilder } from './workflow-builder.ts'

/** A node whose part may be a flow that has not been read yet. */
type UnreadNode = Omit<NodeSpec, 'work'> & { part: ReadPart }

/**
 * Reads the data in the draft of a flow, and in the drafts of the flows inside it.
 *
 * @param size counts the size of the outermost flow
 * @throws FLOW_INVALID, FLOW_TOO_LARGE; the errors of functions that make steps or nodes
 */
export async function readFlow(flow: FlowDraft, nesting = 1, size = new FlowSize()): Promise<FlowSpec> {
  const { content, callbacks, ...says } = insideOfFlow(flow)
  const { kind } = content
  if (nesting > MAX_NESTING)
    throw new JobsError('FLOW_TOO_LARGE', `A ${kind} is nested more than ${MAX_NESTING} flows deep`)
  const voice = voiceOf('FLOW_INVALID', excerpt(nameOfFlow(insideOfFlow(flow))))
  const allowFailures = content.kind === 'batch' ? content.allowed : undefined
  const options = flowOptions.readAll({ ...says, allowFailures }, voice)
  if (nesting > 1 && options.id !== undefined)
    throw new JobsError(
      'FLOW_INVALID',
      `${excerpt(nameOfFlow(insideOfFlow(flow)))}: a flow in another has the id ${options.id}`,
      {
        hint: 'Flows in a flow get their ids from it: leave out withId(), or give the outermost flow an id.',
      },
    )
  const names = new NodeNames()
  const { scope, nodes } = await nodesOf(content, names, size)
  for (const [on, part] of callbacks) {
    const name = names.of(nameOfPart(part, `on${on[0]!.toUpperCase()}${on.slice(1)}()`))
    nodes.push({ name, after: [], on, part: readPart(part, size, name) })
  }
  const spec: FlowSpec = { ...options, kind, scope, nodes: [] }
  for (const { part, ...node } of nodes)
    spec.nodes.push({ ...node, work: await workOf(part, nesting + 1, size) })
  if (content.kind === 'batch' && nesting > 1)
    spec.members = await (await BatchMembers.of(content.members)).all(size)
  return spec
}

/** Reads a part of a flow. @throws the errors of `readFlow` */
export async function workOf(part: ReadPart, nesting: number, size: FlowSize): Promise<NodeSpec['work']> {
  return isFlowDraft(part) ? readFlow(part, nesting, size) : part
}

async function nodesOf(
  content: FlowSays['content'],
  names: NodeNames,
  size: FlowSize,
): Promise<{ scope: object; nodes: UnreadNode[] }> {
  if (content.kind === 'batch') return { scope: content, nodes: [] }
  if (content.kind === 'chain') return { scope: content, nodes: steps(content, names, size) }
  if (typeof content.build !== 'function')
    throw new JobsError(
      'FLOW_INVALID',
      `workflow() was given ${partWords(content.build)} as its second argument; it must be a function that adds nodes`,
    )
  const builder = new WorkflowBuilder(names, size)
  await content.build(builder as never)
  builder.close()
  return { scope: builder, nodes: builder.nodes }
}

function steps(
  content: FlowSays['content'] & { kind: 'chain' },
  names: NodeNames,
  size: FlowSize,
): UnreadNode[] {
  const nodes: UnreadNode[] = []
  const results: unknown[] = []
  for (const [node, step] of content.steps.entries()) {
    const isStep = typeof step === 'function' && !isJobClass(step)
    const part = isStep ? (step as (results: unknown[]) => FlowPart)([...results]) : (step as FlowPart)
    const name = names.of(nameOfPart(part, 'chain()'))
    nodes.push({ name, after: node === 0 ? [] : [node - 1], part: readPart(part, size, name) })
    results.push(makeOpenResult({ scope: content, node, name, path: [] }))
  }
  return nodes
}
