/**
 * Of the workers that the store has not heard of for too long: those that have died, and those that are
 * silent, because a handler blocks their event loop. The lease thread of such a process renews the leases of
 * its jobs, so a worker with a job whose lease lasts is not called dead.
 */
import { defined } from '@s18i/lark/internal'
import { type LostWorker, MAX_ITEMS } from '../../store/contract/store.ts'
import { type ActiveJob, runs } from './runs.ts'
import type { OpenQueues } from './stored-jobs.ts'

/** The most pages of active jobs that are read to find what the workers hold. */
const PAGES = 5

/** A worker that has been silent for too long, but whose leases have not ended. */
export interface SilentWorker extends Omit<LostWorker, 'taken'> {
  /** One of the jobs that it holds. */
  job: ActiveJob
}

/** A job that several workers held when they died. */
export interface DeadlyJob {
  id: string
  /** How many of the dead workers held it. */
  deaths: number
}

export interface UnheardWorkers {
  /** The last one to die comes first. */
  lost: LostWorker[]
  silent: SilentWorker[]
  /** The jobs that several of the lost workers held. Those that most of them held come first. */
  deadly: DeadlyJob[]
}

export async function unheardWorkers(open: OpenQueues): Promise<UnheardWorkers> {
  const unheard = await open.store.lostWorkers()
  if (unheard.length === 0) return { lost: [], silent: [], deadly: [] }
  const jobs = await leasedBy(open, new Set(unheard.map(({ id }) => id)))
  const lost = unheard.filter(({ id }) => !jobs.has(id))
  return {
    ...{ lost, deadly: deadlyIn(lost) },
    silent: unheard.flatMap(({ taken: _, ...worker }) => {
      const job = jobs.get(worker.id)
      return job === undefined ? [] : [{ ...worker, job }]
    }),
  }
}

function deadlyIn(lost: readonly LostWorker[]): DeadlyJob[] {
  const deaths = new Map<string, number>()
  for (const id of lost.flatMap(({ taken }) => [...new Set(taken.flatMap(({ jobs }) => jobs))]))
    deaths.set(id, (deaths.get(id) ?? 0) + 1)
  const several = [...deaths].filter(([, count]) => count > 1)
  return several.map(([id, deaths]) => ({ id, deaths })).sort((one, other) => other.deaths - one.deaths)
}

/** By worker: a job whose lease has not ended. */
async function leasedBy(open: OpenQueues, workers: ReadonlySet<string>): Promise<Map<string, ActiveJob>> {
  const found = new Map<string, ActiveJob>()
  let cursor: string | undefined
  for (let page = 0; page < PAGES; page++) {
    const read = await runs(open, {}, defined({ cursor, limit: MAX_ITEMS }))
    for (const job of read.runs) {
      if (!workers.has(job.worker) || found.has(job.worker)) continue
      const stand = await open.store.stand(job.partition, job.id, {})
      if ((stand?.lease?.until ?? 0) > (stand?.at ?? 0)) found.set(job.worker, job)
    }
    cursor = read.cursor
    if (cursor === undefined) break
  }
  return found
}
