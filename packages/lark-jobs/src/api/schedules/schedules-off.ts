/**
 * Reports which schedules a worker does not run because schedules are off in its process: the schedules of
 * its classes, and the schedules that code has set in the store. The check is made when the worker starts,
 * and then every minute, because more schedules may be set meanwhile.
 */
import { LarkError } from '@s18i/lark/internal'
import { ScheduleBook } from '../../schedule/book.ts'
import type { Store } from '../../store/contract/store.ts'
import { listed } from '../../words/listed.ts'
import { textOf } from '../../words/thrown.ts'
import type { WorkerReport } from '../../worker/report.ts'

/** Milliseconds between two checks. */
const LOOK = 60_000

/**
 * @param declared the ids of the schedules that the classes of the worker declare
 * @param over resolves when the worker has ended
 * @returns a promise that resolves after the first check
 */
export async function saySchedulesOff(
  store: Store,
  report: Pick<WorkerReport, 'info'>,
  declared: readonly string[],
  over: Promise<unknown>,
): Promise<void> {
  const book = new ScheduleBook(store, () => undefined)
  const said = new Set<string>()
  const look = async () => {
    const kept = await book.list().catch((error: unknown) => {
      // The error is ignored here, because the worker itself reports that the store is unreachable.
      if (LarkError.is(error)) return []
      throw error
    })
    const running = kept.filter(({ state }) => state.ended === undefined).map(({ id }) => id)
    const fresh = [...new Set([...declared, ...running])].filter((id) => !said.has(id))
    if (fresh.length > 0) report.info(turnedOff(fresh))
    for (const id of fresh) said.add(id)
  }
  const timer = setInterval(() => {
    void look().catch((error) => {
      clearInterval(timer)
      report.info(`Stopped looking for schedules that do not run here: ${textOf(error)}`)
    })
  }, LOOK).unref()
  void over.finally(() => clearInterval(timer))
  await look()
}

function turnedOff(schedules: readonly string[]): string {
  const what = schedules.length === 1 ? 'This schedule does' : 'These schedules do'
  return `${what} not run here: ${listed(schedules)}. jobs.schedules.enabled turns schedules on; in development they are off`
}
