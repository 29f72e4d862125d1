/**
 * Adds children to a job that is in its queue, or runs already: `queue.add(…, { parent })`, and a flow whose
 * root job has a `parent`.
 */
import {
  FlowBook,
  FlowRecords,
  type FlowSpec,
  flowPlace,
  memberOf,
  opened,
  startFlow,
} from '@s18i/lark-jobs/internal'
import { unsupported } from '../compared/unsupported.ts'
import { EveryJob } from '../job/every-job.ts'
import type { ParentOptions } from '../job/job-options.ts'
import { larkIds } from '../job/own-id.ts'
import type { JobHome, SharedStore } from '../store/shared-store.ts'
import { FlowNode } from './flow-node.ts'
import { type FlowPlace, flowIdFor, shownId } from './flow-rules.ts'
import { idIn, type TreeJob, workflowOf } from './flow-tree.ts'
import { type ChildNote, JobChildren, type JobPlace, ruleOfChild } from './job-children.ts'

/** The part of the manual about such children. */
const page = 'bullmq-flows.md'

/** A job that gets children. */
interface Parent extends JobPlace {
  home: JobHome
  /** The id that the application knows. */
  shownId: string
  /** `prefix:queue:id`. */
  key: string
}

/** A job with the jobs below it, ready to be added. */
export interface ReadyTree {
  tree: readonly TreeJob[]
  spec: FlowSpec
  place: FlowPlace
  /** Undefined if the root job has no parent. */
  parent?: Parent
}

/** A job below another one. */
type ReadyChild = ReadyTree & { parent: Parent }

export function isChild(ready: ReadyTree): ready is ReadyChild {
  return ready.parent !== undefined
}

/** @throws BULLMQ_UNSUPPORTED, JOB_INVALID; Error if the parent of the root job does not exist */
export async function readyTree(
  who: string,
  store: SharedStore,
  tree: readonly TreeJob[],
): Promise<ReadyTree> {
  const { partitions, prefix } = await store.settings()
  const { queue, opts } = tree.at(-1)!
  const { jobId } = opts
  const place = flowPlace(jobId === undefined ? undefined : flowIdFor(jobId), queue, partitions)
  const ready = { tree, place, spec: workflowOf(who, tree, place, prefix) }
  return opts.parent ? { ...ready, parent: await findParent(who, store, opts.parent) } : ready
}

/**
 * Adds children, each in an atomic step, and then tells their parents of them.
 *
 * @throws BULLMQ_UNSUPPORTED; Error if a child has another parent already; the errors of a dispatch
 */
export async function addChildren(
  who: string,
  store: SharedStore,
  ready: readonly ReadyChild[],
): Promise<void> {
  const notes = new Map<string, { parent: Parent; all: ChildNote[] }>()
  const { prefix } = await store.settings()
  for (const { tree, spec, place, parent } of ready) {
    const { queue, opts } = tree.at(-1)!
    const { partition, id, key } = parent
    const isNew = await startFlow(store.jobs, { ...spec, parentJob: { partition, id } })
    if (!isNew) await joinAgain(store, place, parent)
    const shown = shownId(idIn(place, tree.length - 1), opts)
    const note = { ...place, key: `${prefix}:${queue}:${shown}`, rule: ruleOfChild(opts) }
    notes.set(key, { parent, all: [...(notes.get(key)?.all ?? []), note] })
  }
  for (const { parent, all } of notes.values()) {
    store.running.get(parent.home.queue, parent.shownId)?.gotChildren()
    if (await JobChildren.note(parent.home, parent, all)) continue
    throw unsupported(who, 'a parent to which children were added 1,000 times', '`batch()`', page)
  }
}

async function findParent(who: string, store: SharedStore, { id, queue }: ParentOptions): Promise<Parent> {
  const { prefix } = await store.settings()
  const name = `${queue}`.replaceAll(/[{}]/g, '')
  const missing = new Error(`Missing key for parent job ${queue}:${id}. addJob`)
  if (!name.startsWith(`${prefix}:`)) throw missing
  const home = { store, queue: name.slice(prefix.length + 1) }
  store.admit(home.queue)
  const node = await FlowNode.find(home, id)
  const own = node?.id ?? larkIds(id)[0]!
  const found = await store.jobs.handle(EveryJob, own, { queue: home.queue }).status()
  const key = `${queue}:${id}`
  if (found !== undefined) return { home, id: own, shownId: id, partition: found.partition, key }
  if (node?.state === 'b')
    throw unsupported(who, 'a parent that waits for the children of its flow', '`this.flow.add()`', page)
  throw missing
}

/** A child with this id exists already. If it has the same parent, it tells the parent of its end again. */
async function joinAgain(store: SharedStore, place: FlowPlace, { id, key }: Parent): Promise<void> {
  const { store: inner } = await opened(store.jobs)
  const found = await new FlowRecords(inner).get(place)
  if (found?.definition.parentJob?.id !== id)
    throw new Error(`The parent job ${key} cannot be replaced. addJob`)
  await new FlowBook({ store: inner }).tellAgain(place)
}

/** The jobs in the store that wait for a job of a flow, other than those of the same flow. @internal */
export async function outerParentOf(home: JobHome, id: string): Promise<JobPlace | undefined> {
  const member = memberOf(id)
  if (member === undefined) return undefined
  const { store } = await opened(home.store.jobs)
  return (await new FlowRecords(store).get(member))?.definition.parentJob
}
