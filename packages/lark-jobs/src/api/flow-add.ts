/**
 * Adds to a flow that was dispatched: members to a batch, steps to a chain, a node to a workflow.
 */
import { checkPlace } from '../config/queues.ts'
import { FlowJobs } from '../dispatch/flow-definition.ts'
import { LOT, MemberLots } from '../dispatch/member-lots.ts'
import type { NewJobs } from '../dispatch/new-job.ts'
import { NodeNames } from '../dispatch/node-names.ts'
import { FlowBook } from '../flow/flow-book.ts'
import { JobSender } from '../flow/job-sender.ts'
import { JobsError } from '../model/errors.ts'
import { type FlowDefinition, type FlowPlace, MAX_DEFINITION, MAX_NODES } from '../model/flow.ts'
import { listed } from '../model/listed.ts'
import { queueOf } from '../model/partition.ts'
import { shown } from '../model/secret.ts'
import { flowNotFound } from '../operate/flow-finding.ts'
import { type Operated, open } from '../operate/operations.ts'
import { nodeEntries } from '../options/flow.ts'
import { isText, option, type Read, Schema, voiceOf } from '../options/schema.ts'
import { isResendable } from '../store/contract/store.ts'
import type { FlowPart } from './flow-draft.ts'
import { nameOfPart, readMember } from './flow-part.ts'
import { readPart } from './flow-spec.ts'
import type { NodeOptions } from './workflow-builder.ts'

const addOptions = new Schema('an object', {
  ...nodeEntries,
  after: option<string | readonly string[]>(
    'the name of a node, or a list of these',
    (value) => isText(value) || (Array.isArray(value) && value.every(isText)),
  ),
})

/** What a new node of a workflow may say. */
export interface AddOptions extends Omit<NodeOptions, 'after'> {
  /** The names of the nodes that it waits for. Default: none. */
  after?: string | readonly string[] | undefined
}
type AddRead = Read<typeof addOptions.entries>

/** @throws as `FlowHandle.add` @internal */
export async function addTo(
  jobs: Operated,
  id: string,
  place: FlowPlace | undefined,
  part: FlowPart | readonly FlowPart[],
  options: AddOptions,
): Promise<void> {
  const voice = voiceOf('FLOW_INVALID', 'add()', 'the options')
  const read = addOptions.readAll(options, voice)
  const parts = Array.isArray(part) ? (part as readonly FlowPart[]) : [part as FlowPart]
  const { store, settings } = await jobs[open]()
  const boundOf = (partition: string) => settings.bounds.get(queueOf(partition))
  const book = new FlowBook({ store, boundOf })
  const found = place && (await book.get(place))
  if (place === undefined || found === undefined) throw flowNotFound(id)
  const { kind, trace } = found.definition
  const made = new FlowJobs({ ...settings, check: (job: NewJobs) => checkPlace(job, settings) }, trace)
  if (kind !== 'workflow' && Object.values(read).some((value) => value !== undefined))
    throw new JobsError('FLOW_INVALID', `add() was given options, and flow ${id} is a ${kind}`, {
      hint: 'Only the nodes of a workflow have options.',
    })
  const lots = new MemberLots(place, { book, sender: new JobSender(store, boundOf), store })
  try {
    if (kind !== 'batch') return await addNodes(book, place, made, parts, read)
    const members = parts.map((each) => made.member(readMember(each)))
    for (let i = 0; i < members.length; i += LOT) await lots.queue(members.slice(i, i + LOT))
  } catch (error) {
    if (!(isResendable(error) && lots.hasReserved) && !JobsError.is(error, 'STORE_UNCERTAIN')) throw error
    throw uncertain(id, error as Error)
  }
}

/** Why something was perhaps not added, or not all of it. */
function uncertain(id: string, cause: Error): JobsError {
  const message = `What was added to flow ${id} may be in it, or only a part of it: ${cause.message}`
  const hint = `lark jobs:flow ${id} shows what is in it. Members that were not queued end failed, with the reason 'lost'.`
  return new JobsError('DISPATCH_UNCERTAIN', message, { id, cause, hint })
}

async function addNodes(
  book: FlowBook,
  place: FlowPlace,
  made: FlowJobs,
  parts: readonly FlowPart[],
  { name, ifFailed, after = [] }: AddRead,
): Promise<void> {
  const read = await Promise.all(
    parts.map(async (part) => ({ what: nameOfPart(part, 'add()'), work: await readPart(part, 2) })),
  )
  await book.add(place, ({ definition }) => {
    const { nodes, kind } = definition
    const names = new NodeNames(nodes)
    const isChain = kind === 'chain'
    const before = isChain ? lastStep(nodes) : [after].flat().map((each) => indexOfNode(each, definition))
    const added = read.map(({ what, work }, i) => {
      const own = {
        name: names.of(what, name),
        after: isChain && i > 0 ? [nodes.length + i - 1] : before,
        ifFailed,
        work,
      }
      return made.node(own, place.home)
    })
    checkSize(place.flow, { ...definition, nodes: [...nodes, ...added] })
    return added
  })
}

function lastStep(nodes: FlowDefinition['nodes']): number[] {
  const last = nodes.findLastIndex(({ on }) => on === undefined)
  return last < 0 ? [] : [last]
}

function indexOfNode(name: string, { nodes }: FlowDefinition): number {
  const node = nodes.findIndex((each) => each.name === name && each.on === undefined)
  if (node >= 0) return node
  const known = nodes.filter(({ on }) => on === undefined).map((each) => each.name)
  throw new JobsError('FLOW_INVALID', `add(): there is no node ${shown(name)} to come after`, {
    hint: `Its nodes are ${listed(known)}.`,
  })
}

/** @throws FLOW_TOO_LARGE */
function checkSize(id: string, definition: FlowDefinition): void {
  const count = definition.nodes.length
  const bytes = Buffer.byteLength(JSON.stringify(definition))
  if (count <= MAX_NODES && bytes <= MAX_DEFINITION) return
  const [has, limit] = count > MAX_NODES ? [`${count} nodes`, MAX_NODES] : [`${bytes} bytes`, MAX_DEFINITION]
  throw new JobsError(
    'FLOW_TOO_LARGE',
    `With what is added, flow ${id} would have ${has}; the limit is ${limit}`,
    { id },
  )
}
