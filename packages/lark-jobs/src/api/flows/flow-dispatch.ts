/**
 * Dispatches a flow: reads its draft, chooses its home, and has it started.
 */
import { checkPlace } from '../../config/queues.ts'
import { BatchFill, FILLING } from '../../dispatch/batch-fill.ts'
import { FlowJobs, type FlowSpec, flowPlace, queueOfFlow } from '../../dispatch/flow-definition.ts'
import type { NewJobs } from '../../dispatch/new-job.ts'
import { isAway, patiently } from '../../dispatch/patience.ts'
import { FlowBook } from '../../flow/flow-book.ts'
import { JobSender } from '../../flow/job-sender.ts'
import { JobsError } from '../../model/errors.ts'
import { newNonce } from '../../model/id.ts'
import { queueOf } from '../../model/partition.ts'
import type { Operated } from '../../operate/operated.ts'
import { isResendable } from '../../store/contract/store.ts'
import { BatchMembers } from './batch-members.ts'
import { type FlowDraft, insideOfFlow, isFlowDraft } from './flow-draft.ts'
import { FlowHandle } from './flow-handle.ts'
import { readFlow } from './flow-spec.ts'

/** @param flow a draft, or a spec without members @throws as `FlowDraft.dispatch` */
export async function dispatchOf(jobs: Operated, flow: FlowDraft | FlowSpec): Promise<FlowHandle> {
  const isDraft = isFlowDraft(flow)
  const content = isDraft ? insideOfFlow(flow).content : undefined
  const spec = isDraft ? await readFlow(flow) : flow
  const members = content?.kind === 'batch' ? await BatchMembers.of(content.members) : undefined
  try {
    const { store, settings } = await jobs.open()
    const { partitions, bounds } = settings
    const placing = { ...settings, check: (job: NewJobs) => checkPlace(job, settings) }
    const queue = queueOfFlow(spec, placing, members?.first)
    const place = flowPlace(spec.id, queue, partitions)
    const sending = settings.telemetry?.sending({ queue, flow: place.flow })
    const made = new FlowJobs(placing, sending?.trace)
    const dispatch = async () => {
      const filled = members?.jobs(made)
      const definition = made.define(spec, place.home, queue)
      const boundOf = (partition: string) => bounds.get(queueOf(partition))
      const book = new FlowBook({ store, boundOf })
      const by = newNonce()
      const start = () => book.start(place, definition, filled && { fillsFor: FILLING }, by)
      const isNew = await started(place.flow, start)
      if (isNew && filled !== undefined) {
        const sender = new JobSender(store, boundOf)
        await new BatchFill(place, { book, sender, store }).fill(filled).catch((error) => {
          throw begun(place.flow, error)
        })
      }
      return isNew
    }
    const isNew = await dispatch().catch((error) => {
      sending?.failed(error, made.count)
      throw error
    })
    sending?.sent({ count: made.count, rejected: isNew ? 0 : 1 })
    return new FlowHandle(jobs, place, isNew)
  } finally {
    await members?.close()
  }
}

/**
 * Why a batch was not filled. That it was started is certain, so no error may say that nothing was queued.
 */
function begun(id: string, error: unknown): unknown {
  if (!isResendable(error)) return error
  const message = `Batch ${id} was started, and perhaps not filled: ${(error as Error).message}`
  const hint = `Jobs.flow('${id}').status() says what became of it. If it was not filled, it ends failed.`
  return new JobsError('DISPATCH_UNCERTAIN', message, { id, cause: error, hint })
}

/**
 * Starts a flow, again and again until there is an answer, or for a few seconds.
 *
 * @returns whether it is new
 * @throws STORE_UNREACHABLE; DISPATCH_UNCERTAIN if it perhaps was started
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
    const hint = `Jobs.flow('${id}').status() says whether it was. A batch that was not filled ends failed.`
    throw new JobsError('DISPATCH_UNCERTAIN', message, { id, cause: error, hint })
  }
}
