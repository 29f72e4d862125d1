/**
 * Changes of jobs that can be taken back: what the store has before is remembered for as long as the viewer may undo it.
 */
import { LarkError } from '@s18i/lark/config'
import type {
  CancelFilter,
  Cancelled,
  JobRecord,
  Operate,
  PendingFilter,
  Removed,
  RemoveFilter,
  Rescheduled,
  RetryFilter,
} from '@s18i/lark-jobs/operate'
import { type Act, refused, textOf } from './act.ts'
import type { Meanwhile } from './underway.ts'
import type { Undone } from './undo.ts'

/** The most jobs whose records are kept for an undo. */
const MOST_UNDONE = 1_000
/** How often an undo begins again because a job has begun meanwhile. */
const ATTEMPTS = 10
/** How often an undo puts removed jobs back, and milliseconds between two times: a minute in all. */
const IMPORTS = 60
const PAUSE = 1_000
/** How many jobs are looked up at a time. */
const AT_ONCE = 50

interface ChangeInput {
  dryRun?: boolean
  queue?: string
  /** Of a change that may take long. */
  meanwhile?: Meanwhile
}

/** With the id of an undo, if it can be undone. */
export type Undoable<T> = T & { undo?: string }

const optionsOf = ({ dryRun = false, queue, meanwhile }: ChangeInput) => ({
  dryRun,
  ...(queue !== undefined && { queue }),
  ...meanwhile,
})

/** A retry is undone by putting the jobs back as they had ended, unless they run or have run meanwhile. */
export async function retryJobs(
  { operate, undos, viewer }: Act,
  which: string[] | RetryFilter,
  input: ChangeInput,
): Promise<Undoable<{ retried: number }>> {
  if (input.dryRun) return { retried: await operate.retry(which, optionsOf(input)) }
  const before = await recordsOf(operate, which, input.queue)
  const retried = await operate.retry(which, optionsOf(input))
  if (before === undefined || retried === 0) return { retried }
  return { retried, undo: undos.keep(viewer.user, () => putBack(operate, before)) }
}

export async function cancelJobs(
  { operate }: Act,
  which: string[] | CancelFilter,
  input: ChangeInput & { because?: string },
): Promise<Cancelled> {
  const { because } = input
  return await operate.cancel(which, { ...optionsOf(input), ...(because !== undefined && { because }) })
}

/** Jobs that were named are delayed again if that is undone. */
export async function runJobsNow(
  { operate, undos, viewer }: Act,
  which: string[] | PendingFilter,
  input: ChangeInput,
): Promise<Undoable<Rescheduled>> {
  if (input.dryRun || !Array.isArray(which)) return await operate.runNow(which, optionsOf(input))
  const due = (await found(operate, which, input.queue)).filter(({ state }) => state === 'delayed')
  const answer = await operate.runNow(which, optionsOf(input))
  if (due.length === 0) return answer
  const undo = async (): Promise<Undone> => {
    let undone = 0
    for (const { id, queue, dueAt = 0, runs } of due) {
      const now = await operate.find(id, { queue })
      if (now?.state !== 'waiting' || now.runs !== runs) continue
      await operate.reschedule([id], Math.max(1_000, dueAt - Date.now()), { queue })
      undone++
    }
    return { undone, left: due.length - undone }
  }
  return { ...answer, undo: undos.keep(viewer.user, undo) }
}

export async function removeJobs(
  { operate, undos, viewer }: Act,
  which: string[] | RemoveFilter,
  input: ChangeInput,
): Promise<Undoable<Removed>> {
  if (input.dryRun) return await operate.remove(which, optionsOf(input))
  const removed: JobRecord[] = []
  let isWhole = true
  const before = (jobs: readonly JobRecord[]) => {
    if (removed.length + jobs.length <= MOST_UNDONE) removed.push(...jobs)
    else isWhole = false
  }
  const answer = await operate.remove(which, { ...optionsOf(input), before })
  if (!isWhole || removed.length === 0) return answer
  const undo = async (): Promise<Undone> => {
    const { imported } = await operate.import(removed, { source: 'an undo' })
    return { undone: imported, left: removed.length - imported }
  }
  return { ...answer, undo: undos.keep(viewer.user, undo) }
}

export async function purgeJobs(
  { operate }: Act,
  which: string[] | RemoveFilter,
  input: ChangeInput,
): Promise<Removed> {
  return await operate.purge(which, optionsOf(input))
}

/** @param input `payload` is JSON text, so that the viewer's numbers arrive as they were written */
export async function editJob(
  { operate }: Act,
  input: { id: string; queue?: string; payload: string },
): Promise<{ edited: number; running: number }> {
  let payload: unknown
  try {
    payload = JSON.parse(textOf(input, 'payload'))
  } catch {
    throw refused('payload', input.payload, 'JSON')
  }
  const { queue } = input
  return await operate.edit([textOf(input, 'id')], payload, queue === undefined ? {} : { queue })
}

/** The records of the jobs that a retry is about to change; undefined if they are too many to keep. */
async function recordsOf(
  operate: Operate,
  which: string[] | RetryFilter,
  queue: string | undefined,
): Promise<JobRecord[] | undefined> {
  const records: JobRecord[] = []
  if (!Array.isArray(which)) {
    const { all: _, ...filter } = which as RetryFilter & { all?: true }
    for await (const some of operate.records({ state: 'failed', ...filter })) {
      records.push(...some)
      if (records.length > MOST_UNDONE) return undefined
    }
    return records
  }
  for (const job of await found(operate, which, queue)) {
    const { payload, result, progress, queue: _, log: __, group, ...rest } = job
    // A hidden part of a payload cannot be put back.
    if (rest.options?.redact !== undefined || group !== undefined) return undefined
    records.push({
      ...rest,
      payload: payload === undefined ? '' : JSON.stringify(payload),
      ...(result !== undefined && { result: JSON.stringify(result) }),
      ...(progress !== undefined && { progress: JSON.stringify(progress) }),
    } as JobRecord)
  }
  return records
}

async function found(operate: Operate, ids: readonly string[], queue: string | undefined) {
  const jobs = []
  for (let i = 0; i < ids.length; i += AT_ONCE) {
    const some = ids.slice(i, i + AT_ONCE).map((id) => operate.find(id, queue === undefined ? {} : { queue }))
    jobs.push(...(await Promise.all(some)))
  }
  return jobs.filter((job) => job !== undefined)
}

/** Removes those jobs of a queue that have not begun since they were retried. @returns what they were before */
async function takeOut(
  operate: Operate,
  queue: string,
  before: ReadonlyMap<string, JobRecord>,
): Promise<JobRecord[]> {
  for (let attempt = 1; ; attempt++) {
    const ids = (await found(operate, [...before.keys()], queue)).flatMap(({ id, runs, state }) =>
      runs === before.get(id)!.runs && (state === 'waiting' || state === 'delayed') ? [id] : [],
    )
    if (ids.length === 0) return []
    try {
      await operate.remove(ids, { queue, before: () => {} })
      return ids.map((id) => before.get(id)!)
    } catch (error) {
      // One of them has begun since it was found: then none was removed.
      const hasBegun = LarkError.is(error) && error.code === 'JOB_NOT_REMOVABLE'
      if (!hasBegun || attempt === ATTEMPTS) throw error
    }
  }
}

/** Replaces jobs that wait again by what they were before. Those that have begun are met by the import, and stay. */
async function putBack(operate: Operate, records: readonly JobRecord[]): Promise<Undone> {
  const before = new Map<string, Map<string, JobRecord>>()
  for (const record of records) {
    const queue = record.partition.replace(/#\d+$/, '')
    before.set(queue, (before.get(queue) ?? new Map()).set(record.id, record))
  }
  const back: JobRecord[] = []
  for (const [queue, some] of before) {
    back.push(...(await takeOut(operate, queue, some)))
  }
  if (back.length === 0) return { undone: 0, left: records.length }
  const imported = await restored(operate, back)
  return { undone: imported, left: records.length - imported }
}

/** Until the import is answered, nothing has these jobs: a store that is away is asked again. */
async function restored(operate: Operate, records: readonly JobRecord[]): Promise<number> {
  for (let attempt = 1; ; attempt++)
    try {
      return (await operate.import(records, { source: 'an undo' })).imported
    } catch (error) {
      if (attempt === IMPORTS) throw error
      await new Promise((resolve) => setTimeout(resolve, PAUSE))
    }
}
