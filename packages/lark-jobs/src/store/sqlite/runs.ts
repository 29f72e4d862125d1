/**
 * The last runs of a schedule: JSON in its row, written in the step that ends the job of a tick.
 */
import { type ScheduleRun, tickOf } from '../../model/tick.ts'
import { MAX_RUNS } from '../contract/store.ts'
import { parsed } from '../contract/unreadable.ts'
import type { Partition } from './partition.ts'

const find = 'SELECT runs FROM schedules WHERE partition = ? AND id = ?'
const keep = 'UPDATE schedules SET runs = ? WHERE partition = ? AND id = ?'

/**
 * Notes how a job ended, if it is the job of a tick and its schedule is there.
 *
 * @param took milliseconds, of a job that completed
 */
export function noteRun(
  { database, id, now }: Partition,
  job: string,
  state: ScheduleRun['state'],
  took?: number,
): void {
  const tick = tickOf(job)
  const found = tick && database.get<{ runs: string | null }>(find, id, tick.schedule)
  if (found === undefined) return
  const run: ScheduleRun = { tick: tick!.at, state, at: now }
  if (state === 'completed' && took !== undefined) run.took = took
  database.run(keep, JSON.stringify([...readRuns(found.runs), run].slice(-MAX_RUNS)), id, tick!.schedule)
}

/** A damaged list counts as an empty one. */
export function readRuns(text: string | null): ScheduleRun[] {
  const runs = parsed(text)
  return Array.isArray(runs) ? runs : []
}
