/**
 * The store at the end: every job in it, whatever its state.
 */
import { type JobRecord, states } from '../../src/model/record.ts'
import type { Store } from '../../src/store/contract/store.ts'
import type { Kept } from './evidence.ts'

const PAGE = 500

export async function readLedger(store: Store, queues: readonly string[]): Promise<Kept[]> {
  const kept = new Map<string, Kept>()
  for (const queue of queues) {
    for (const state of states) {
      let cursor: string | undefined
      do {
        const page = await store.list(queue, { state, limit: PAGE, ...(cursor !== undefined && { cursor }) })
        for (const job of page.jobs) take(kept, job)
        cursor = page.cursor
      } while (cursor !== undefined)
    }
  }
  return [...kept.values()]
}

function take(kept: Map<string, Kept>, job: JobRecord): void {
  const { id, state, runs, failures, crashes, releases, finishedAt, result, errors } = job
  const known = kept.get(id)
  if (known !== undefined) return void known.states.push(state)
  kept.set(id, {
    id,
    n: (JSON.parse(job.payload) as { n: string }).n,
    states: [state],
    ...{ runs, failures, crashes, releases },
    ...(finishedAt !== undefined && { finishedAt }),
    ...(result !== undefined && { result: JSON.parse(result) as string }),
    errors: errors.map(({ code }) => code),
  })
}

/** Jobs that have not ended. */
export async function unended(store: Store, queues: readonly string[]): Promise<number> {
  const all = await Promise.all(queues.map((queue) => store.counts(queue)))
  return all.reduce(
    (sum, { waiting, delayed, blocked, active }) => sum + waiting + delayed + blocked + active,
    0,
  )
}
