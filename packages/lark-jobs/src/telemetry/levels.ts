/**
 * The numbers of jobs and permits in a store, for a telemetry that observes them. (`/slo` says whether they
 * are too high: `health/endpoints.ts`.)
 */
import type { Levels } from '../model/run/telemetry.ts'
import { lateSchedules, pausedSchedules, storeErrors } from '../operate/findings/alarms.ts'
import { byQuantile, figuresOf } from '../operate/measures/figures.ts'
import { oldestOf } from '../operate/measures/measurement.ts'
import { strandedIn } from '../operate/measures/stranded-jobs.ts'
import type { Operated } from '../operate/operated.ts'
import { counted, findingCounts, lookAt } from './look.ts'

/** The maximum number of limiters that are read: the first ones in the configuration. */
const MAX_LIMITERS = 100

/**
 * Reads the numbers of the queues and of each configured limiter. The store is asked at most once a second.
 *
 * @throws the errors of `lookAt`
 */
export async function levelsOf(jobs: Operated): Promise<Levels> {
  const [look, counts] = await Promise.all([lookAt(jobs), findingCounts(jobs)])
  const { at, queues, findings } = look
  const figures = new Map(figuresOf(look, look.targets).map((each) => [each.queue, each]))
  const { store, settings } = await jobs.open()
  const configured = [...settings.limiters].slice(0, MAX_LIMITERS)
  const limiters = configured.map(async ([limiter, { concurrency }]) => {
    const { holders } = await store.limiters.look(limiter)
    return { limiter, held: holders.reduce((sum, { permits }) => sum + permits, 0), limit: concurrency }
  })
  return {
    queues: queues.map(({ queue, standings }) => ({
      queue,
      oldest: Math.max(0, at - (oldestOf(standings) ?? at)),
      retrying: standings.reduce((sum, each) => sum + each.retrying, 0),
      suspended: standings.reduce((sum, each) => sum + each.suspended, 0),
      stranded: strandedIn(standings),
      waited: byQuantile(figures.get(queue)!.wait),
      took: byQuantile(figures.get(queue)!.process),
      states: Object.fromEntries(
        counted.map((state) => [state, standings.reduce((sum, { counts }) => sum + counts[state], 0)]),
      ),
    })),
    limiters: await Promise.all(limiters),
    storeErrors: storeErrors(findings),
    schedules: { late: lateSchedules(findings), paused: pausedSchedules(findings) },
    findings: counts,
  }
}
