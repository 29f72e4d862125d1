/** Dispatches a flow: reads its draft, chooses the partition that keeps it, and starts it. */
import { defined } from '@s18i/lark/internal'
import { checkPlace } from '../../config/queues.ts'
import { BatchFill, FILLING } from '../../dispatch/batch-fill.ts'
import { FlowJobs, type FlowSpec, flowPlace, queueOfFlow } from '../../dispatch/flow-definition.ts'
import { bytesOf, type NewJobs } from '../../dispatch/new-job.ts'
import { isAway, patiently } from '../../dispatch/patience.ts'
import { FlowBook } from '../../flow/flow-book.ts'
import { JobSender } from '../../flow/job-sender.ts'
import { JobsError } from '../../model/errors.ts'
import type { FlowDefinition, FlowJob, FlowPlace } from '../../model/flow.ts'
import { newNonce } from '../../model/id.ts'
import { queueOf } from '../../model/partition.ts'
import type { Operated } from '../../operate/operated.ts'
import { MAX_BODY, rowOfFlow, tooLargeInTransaction } from '../../outbox/row.ts'
import type { TransactionHandle } from '../../outbox/transaction.ts'
import { isResendable } from '../../store/contract/store.ts'
import type { Transactions } from '../transactions.ts'
import { BatchMembers } from './batch-members.ts'
import { type FlowDraft, insideOfFlow, isFlowDraft } from './flow-draft.ts'
import { FlowHandle } from './flow-handle.ts'
import { readFlow } from './flow-spec.ts'

/** The transaction that a flow is dispatched in: the transaction of a handle, or a `Jobs.transaction()`. */
interface FlowTransaction {
  of: Transactions
  tx: TransactionHandle | undefined
}

/** @param flow a draft, or a spec without members @throws the errors of `FlowDraft.dispatch` */
export async function dispatchOf(
  jobs: Operated,
  flow: FlowDraft | FlowSpec,
  transaction?: FlowTransaction,
): Promise<FlowHandle> {
  const isDraft = isFlowDraft(flow)
  const content = isDraft ? insideOfFlow(flow).content : undefined
  const spec = isDraft ? await readFlow(flow) : flow
  const members = content?.kind === 'batch' ? await BatchMembers.of(content.members) : undefined
  try {
    const settings = transaction === undefined ? (await jobs.open()).settings : await jobs.settings()
    const { partitions } = settings
    const placing = { ...settings, check: (job: NewJobs) => checkPlace(job, settings) }
    const queue = queueOfFlow(spec, placing, members?.first)
    const place = flowPlace(spec.id, queue, partitions)
    const sending = settings.telemetry?.sending({ queue, flow: place.flow })
    const made = new FlowJobs(placing, sending?.trace)
    const dispatch = async () => {
      // In a transaction, all members are read now, because the row must contain all of them, and because the
      // application may change them before the transaction ends.
      const filled = transaction && members ? await listed(place, members.jobs(made)) : members?.jobs(made)
      const definition = made.define(spec, place.home, queue)
      if (transaction?.tx !== undefined) {
        const { home } = place
        const row = rowOfFlow(place.flow, queue, {
          home,
          definition,
          ...defined({ members: filled as FlowJob[] }),
        })
        await transaction.of.addRow(row, transaction.tx)
        return true
      }
      const start = () => startIn(jobs, place, definition, filled)
      if (transaction === undefined) return start()
      transaction.of.addFlow(start)
      return true
    }
    const isNew = await dispatch().catch((error) => {
      sending?.failed(error, made.count)
      throw error
    })
    sending?.sent({ count: made.count, rejected: isNew ? 0 : 1 })
    return new FlowHandle(jobs, place, isNew, transaction !== undefined)
  } finally {
    await members?.close()
  }
}

/** Starts a flow in the store, and adds its members. @returns whether the flow is new */
async function startIn(
  jobs: Operated,
  place: FlowPlace,
  definition: FlowDefinition,
  filled: Iterable<FlowJob> | AsyncIterable<FlowJob> | undefined,
): Promise<boolean> {
  const { store, settings } = await jobs.open()
  const boundOf = (partition: string) => settings.bounds.get(queueOf(partition))
  const book = new FlowBook({ store, boundOf })
  const by = newNonce()
  const isNew = await started(place.flow, () =>
    book.start(place, definition, filled && { fillsFor: FILLING }, by),
  )
  if (!isNew || filled === undefined) return isNew
  const sender = new JobSender(store, boundOf)
  await new BatchFill(place, { book, sender, store }).fill(filled).catch((error) => {
    throw begun(place.flow, error)
  })
  return true
}

/**
 * Reads the members of a batch in a transaction.
 *
 * @throws FLOW_TOO_LARGE; the errors that iterating the members throws
 */
async function listed(
  { flow: id }: FlowPlace,
  members: Iterable<FlowJob> | AsyncIterable<FlowJob>,
): Promise<FlowJob[]> {
  const all: FlowJob[] = []
  let bytes = 0
  for await (const member of members) {
    bytes += bytesOf(member.job)
    if (bytes > MAX_BODY) throw tooLargeInTransaction(id, bytes)
    all.push(member)
  }
  return all
}

/**
 * The error for a batch that was not filled. The batch was certainly started, so the error must not say that
 * nothing was queued.
 */
function begun(id: string, error: unknown): unknown {
  if (!isResendable(error)) return error
  const message = `Batch ${id} was started, and perhaps not filled: ${(error as Error).message}`
  const hint = `Jobs.flow('${id}').status() says what became of the batch. If it was not filled, it ends as failed.`
  return new JobsError('DISPATCH_UNCERTAIN', message, { id, cause: error, hint })
}

/**
 * Starts a flow. If the store does not answer, tries again for a few seconds.
 *
 * @returns whether the flow is new
 * @throws STORE_UNREACHABLE; DISPATCH_UNCERTAIN if the flow may have been started
 */
async function started(id: string, start: () => Promise<boolean>): Promise<boolean> {
  let wasSent = false
  const attempt = () =>
    start().catch((error) => {
      wasSent ||= JobsError.is(error, 'STORE_UNCERTAIN')
      throw error
    })
  try {
    return await patiently(attempt, isAway)
  } catch (error) {
    if (!wasSent || !isResendable(error)) throw error
    const why = (error as Error).message
    const message = `The dispatch of flow ${id} was sent and got no answer; it may have been started: ${why}`
    const hint = `Jobs.flow('${id}').status() says whether it was. A batch that was not filled ends as failed.`
    throw new JobsError('DISPATCH_UNCERTAIN', message, { id, cause: error, hint })
  }
}
