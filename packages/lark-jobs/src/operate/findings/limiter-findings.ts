/**
 * The findings of the doctor for circuits, and for limiters that have granted no permit for a long time
 * although jobs wait.
 */
import type { Limits } from '../../model/limits.ts'
import type { WorkerRecord } from '../../model/record.ts'
import { MINUTE, type Store } from '../../store/contract/store.ts'
import { readable } from '../../words/duration.ts'
import { listed } from '../../words/listed.ts'
import { circuits, type LimiterStatus, limiters } from '../look/limiters.ts'
import { type DoctorFinding, Examination } from './finding-codes.ts'

/**
 * @param configured the limits of the configured limiters, by name. The store is not asked if there are no
 *   limiters and no circuits
 */
export async function limiterFindings(
  store: Store,
  configured: ReadonlyMap<string, Limits>,
  workers: readonly WorkerRecord[],
  now: number,
): Promise<DoctorFinding[]> {
  const hasLimiters = configured.size > 0 || workers.some(({ limiters }) => limiters?.length)
  const hasCircuits = workers.some(({ circuits }) => circuits?.length)
  const [all, open] = await Promise.all([
    hasLimiters ? limiters(store, configured) : [],
    hasCircuits ? circuits(store) : [],
  ])
  const alive = new Set(workers.map(({ id }) => id))
  const perLimiter = all.map(async (limiter) => {
    const found = new Examination(limiter.limiter)
    const stuck = await stuckSince(store, limiter, now)
    if (stuck === undefined) found.ok('limiter-stuck', 'has granted a permit lately, or no job waits for one')
    else
      found.warn(
        'limiter-stuck',
        `has granted no permit for ${readable(now - stuck)}, though jobs wait: ${holdersOf(limiter, alive)}`,
        'See who holds its permits: ',
        { do: 'see-limiters' },
        '. See what they run, and cancel what hangs: ',
        { do: 'see-workers' },
      )
    return found.findings
  })
  const perCircuit = open.map(({ circuit, state, until }) => {
    const found = new Examination(circuit)
    if (state === 'open')
      found.warn(
        'circuit-open',
        `is an open circuit: its jobs are put back for ${readable(until - now)} more`,
        'What its jobs call has failed too often. It closes when a trial completes: ',
        { do: 'see-limiters' },
      )
    else found.ok('circuit-open', 'lets a job run as a trial')
    return found.findings
  })
  return [...(await Promise.all(perLimiter)), ...perCircuit].flat()
}

/**
 * The time since which a limiter has granted no permit although jobs wait. Undefined if a permit was granted
 * recently, or if a rate determines when the limiter grants the next permit.
 */
async function stuckSince(
  store: Store,
  { limiter, limits, waits }: LimiterStatus,
  now: number,
): Promise<number | undefined> {
  const [first] = waits
  if (first === undefined || limits === undefined || now - first.since <= MINUTE) return undefined
  const { nextAt } = await store.limiters.look(limiter, { limits, each: first.permits })
  return nextAt === undefined ? first.since : undefined
}

function holdersOf({ holders }: LimiterStatus, alive: ReadonlySet<string>): string {
  const held = holders.map(
    ({ worker, permits }) => `worker ${worker} has ${permits}${alive.has(worker) ? '' : ', and is silent'}`,
  )
  return held.length === 0 ? 'nobody holds one' : listed(held, 3)
}
