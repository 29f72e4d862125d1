/**
 * Adds parts to a flow that was dispatched: members to a batch, steps to a chain, or a node to a workflow.
 */
import { checkPlace } from '../../config/queues.ts'
import { FlowJobs } from '../../dispatch/flow-definition.ts'
import { LOT_BYTES, lotsOf, MemberLots } from '../../dispatch/member-lots.ts'
import { bytesOf, type NewJobs } from '../../dispatch/new-job.ts'
import { NodeNames } from '../../dispatch/node-names.ts'
import { FlowBook } from '../../flow/flow-book.ts'
import { FlowSize } from '../../flow/flow-size.ts'
import { JobSender } from '../../flow/job-sender.ts'
import { JobsError } from '../../model/errors.ts'
import { type FlowDefinition, type FlowJob, type FlowPlace, MAX_NODES } from '../../model/flow.ts'
import { queueOf } from '../../model/partition.ts'
import { flowNotFound } from '../../operate/flows/flow-finding.ts'
import type { Operated } from '../../operate/operated.ts'
import { nodeEntries } from '../../options/flow.ts'
import { isText, option, type Read, Schema, voiceOf } from '../../options/schema.ts'
import { isResendable } from '../../store/contract/store.ts'
import { listed } from '../../words/listed.ts'
import { shown } from '../../words/secret.ts'
import type { FlowPart } from './flow-draft.ts'
import { nameOfPart, readMember } from './flow-part.ts'
import { workOf } from './flow-spec.ts'
import { type FlowNodeOptions, readPart } from './workflow-builder.ts'

const addOptions = new Schema('an object', {
  ...nodeEntries,
  after: option<string | readonly string[]>(
    'the name of a node, or a list of these',
    (value) => isText(value) || (Array.isArray(value) && value.every(isText)),
  ),
})

/** The options of a node that is added to a workflow. */
export interface FlowAddOptions extends Omit<FlowNodeOptions, 'after'> {
  /** The names of the nodes that the new node waits for. Default: the new node waits for no node. */
  after?: string | readonly string[] | undefined
}
type AddRead = Read<typeof addOptions.entries>

/** @throws the errors of `FlowHandle.add` @internal */
export async function addTo(
  jobs: Operated,
  id: string,
  place: FlowPlace | undefined,
  part: FlowPart | readonly FlowPart[],
  options: FlowAddOptions,
): Promise<void> {
  const voice = voiceOf('FLOW_INVALID', 'add()', 'the options')
  const read = addOptions.readAll(options, voice)
  const parts = Array.isArray(part) ? (part as readonly FlowPart[]) : [part as FlowPart]
  const { store, settings } = await jobs.open()
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
    for (const lot of checkedLots(parts, made)) await lots.queue(lot)
  } catch (error) {
    if (!(isResendable(error) && lots.hasReserved) && !JobsError.is(error, 'STORE_UNCERTAIN')) throw error
    throw uncertain(id, error as Error)
  }
}

/** The error for an addition that may have happened completely, partly, or not at all. */
function uncertain(id: string, cause: Error): JobsError {
  const message = `The flow ${id} may have all, some or none of what was added: ${cause.message}`
  const hint =
    "handle.status() says what is in it. Members that were not queued end as failed, with the reason 'lost'."
  return new JobsError('DISPATCH_UNCERTAIN', message, { id, cause, hint })
}

async function addNodes(
  book: FlowBook,
  place: FlowPlace,
  made: FlowJobs,
  parts: readonly FlowPart[],
  { name, ifFailed, after = [] }: AddRead,
): Promise<void> {
  const size = new FlowSize()
  const named = parts.map((part) => {
    const what = nameOfPart(part, 'add()')
    return { what, part: readPart(part, size, what) }
  })
  const read = await Promise.all(
    named.map(async ({ what, part }) => ({ what, work: await workOf(part, 2, size) })),
  )
  await book.add(place, ({ definition }) => {
    const { nodes, kind } = definition
    const names = new NodeNames(nodes)
    const isChain = kind === 'chain'
    const before = isChain ? lastStep(nodes) : [after].flat().map((each) => indexOfNode(each, definition))
    checkCount(place.flow, nodes.length + read.length)
    const specs = read.map(({ what, work }, i) => ({
      name: names.of(what, name),
      after: isChain && i > 0 ? [nodes.length + i - 1] : before,
      ifFailed,
      work,
    }))
    return made.nodes(specs, place.home)
  })
}

/**
 * Returns the members in lots. All members are checked before the first lot is returned. Because all members
 * together may not fit into memory, only the first few megabytes are kept after the check. Later members are
 * made a second time when their lot is returned.
 */
function checkedLots(parts: readonly FlowPart[], made: FlowJobs): Iterable<FlowJob[]> {
  const drafts = parts.map(readMember)
  const ahead: FlowJob[] = []
  let bytes = 0
  for (const each of drafts) {
    const member = made.member(each)
    bytes += bytesOf(member.job)
    if (ahead.length === 0 || bytes <= LOT_BYTES) ahead.push(member)
  }
  function* members(): Iterable<FlowJob> {
    for (const [i, each] of drafts.entries()) yield ahead[i] ?? made.member(each)
  }
  return lotsOf(members())
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
function checkCount(id: string, count: number): void {
  if (count <= MAX_NODES) return
  const message = `With what is added, flow ${id} would have ${count} nodes; the limit is ${MAX_NODES}`
  throw new JobsError('FLOW_TOO_LARGE', message, { id })
}
