/**
 * Divides the workers that have not announced themselves for too long into dead workers and silent workers. A
 * silent worker is alive, but a handler blocks its event loop, and the lease thread of its process still
 * renews the leases of its jobs. Therefore a worker that holds a job with a valid lease does not count as
 * dead.
 */
import { defined } from '@s18i/lark/internal'
import { type LostWorker, MAX_ITEMS } from '../../store/contract/store.ts'
import { type ActiveJob, runs } from './runs.ts'
import type { OpenQueues } from './stored-jobs.ts'

/** The maximum number of pages of active jobs that are read to find the jobs of silent workers. */
const PAGES = 5

/** A worker that has been silent for too long, but whose leases have not ended. */
export interface SilentWorker extends Omit<LostWorker, 'taken'> {
  /** One of the jobs that the worker holds. */
  job: ActiveJob
}

/** A job that several workers held when they died. */
export interface DeadlyJob {
  id: string
  /** How many of the dead workers held the job. */
  deaths: number
}

export interface UnheardWorkers {
  /** The dead workers, the latest death first. */
  lost: LostWorker[]
  silent: SilentWorker[]
  /** The jobs that several of the dead workers held. Jobs with the most deaths come first. */
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

/** Returns one job with a lease that has not ended for each of the given workers. */
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
