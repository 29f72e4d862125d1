/**
 * Begins the child of a job (`step/child.ts`). The child is dispatched as a flow with one node, and the flow
 * tells the parent when the child has ended (`flow/child.ts`).
 */
import { setTimeout as pause } from 'node:timers/promises'
import { checkPlace } from '../../config/queues.ts'
import {
  FlowJobs,
  type FlowSpec,
  flowPlace,
  queueOfFlow,
  writtenDraft,
} from '../../dispatch/flow-definition.ts'
import type { Drafted, NewJobs } from '../../dispatch/new-job.ts'
import { isAway } from '../../dispatch/patience.ts'
import { FlowBook } from '../../flow/flow-book.ts'
import { JobsError } from '../../model/errors.ts'
import type { FlowPlace } from '../../model/flow.ts'
import { queueOf } from '../../model/partition.ts'
import type { Operated } from '../../operate/operated.ts'
import { flowOptions } from '../../options/flow.ts'
import { voiceOf } from '../../options/schema.ts'
import type { ChildParent, ReadyChild } from '../../step/child.ts'

/** Milliseconds between two attempts while the store is unreachable. */
const AGAIN = 200

/** @throws the errors of a dispatch; STEP_INVALID */
export async function readyChild(jobs: Operated, drafted: Drafted, parent: ChildParent): Promise<ReadyChild> {
  const { partition, id, queue, step } = parent
  const { store, settings } = await jobs.open()
  const { partitions, bounds } = settings
  const placing = { ...settings, check: (job: NewJobs) => checkPlace(job, settings) }
  const written = writtenDraft(drafted)
  const record = written.made.records[0]!
  record.options = { ...record.options, parent: { id, queue } }
  refuse(step, drafted, record.lock?.replace)
  const nodes = [{ name: step, after: [], work: written }]
  const options = flowOptions.readAll({}, voiceOf('FLOW_INVALID', step))
  const spec: FlowSpec = { ...options, kind: 'chain', scope: {}, nodes, parentJob: { partition, id } }
  const place = flowPlace(undefined, queueOfFlow(spec, placing), partitions)
  const boundOf = (of: string) => bounds.get(queueOf(of))
  const book = new FlowBook({ store, boundOf })
  const begin = async (at: FlowPlace) => {
    const sending = settings.telemetry?.sending({ queue: queueOf(at.home), flow: at.flow })
    const made = new FlowJobs(placing, sending?.trace)
    const definition = made.define(spec, at.home, queueOf(at.home))
    try {
      const isNew = await lasting(parent, () => book.start(at, definition))
      sending?.sent({ count: 1, rejected: isNew ? 0 : 1 })
      if (!isNew) await lasting(parent, () => book.tellAgain(at))
    } catch (error) {
      sending?.failed(error, 1)
      throw error
    }
  }
  const goesOn = async (at: FlowPlace) => {
    const found = await lasting(parent, () => book.get(at))
    if (found?.state.phase !== 'ended') return found !== undefined
    if (found.state.end!.state !== 'completed') return false
    await lasting(parent, () => book.tellAgain(at))
    return true
  }
  // Mistakes in the draft are reported before anything is recorded.
  new FlowJobs(placing).define(spec, place.home, queueOf(place.home))
  return { place, begin, goesOn }
}

/** Repeats an action while the store is unreachable, until the run is over. */
async function lasting<T>(parent: ChildParent, act: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act()
    } catch (error) {
      if (!isAway(error) || parent.reason !== undefined) throw error
      await pause(AGAIN)
    }
  }
}

/** @throws STEP_INVALID */
function refuse(step: string, { ownId, Class }: Drafted, replaces: unknown): void {
  const what =
    ownId !== undefined ? `has the id ${ownId.id}` : replaces ? 'may be replaced by a later one' : undefined
  if (what === undefined) return
  throw new JobsError('STEP_INVALID', `runJob(${step}) was given a ${Class.name} that ${what}`, {
    hint:
      ownId === undefined
        ? 'runJob() waits for this job, and a job that is replaced never runs: leave out replace, debounce and keepLast.'
        : 'runJob() itself chooses the id, so that the job begins only once and reports its end to this job alone. Leave out withId(). To find the job, give it tags; to have only one at a time, make it unique.',
  })
}
