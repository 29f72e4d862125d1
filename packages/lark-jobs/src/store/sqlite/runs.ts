/**
 * The last runs of a schedule: a text in its row, one run a line, written in the step that ends the job of a tick.
 *
 *   tick state at [took]        1767225600000 completed 1767225601200 1150
 */
import { type ScheduleRun, tickOf } from '../../model/tick.ts'
import { MAX_RUNS } from '../contract/store.ts'
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
  const line = `${tick!.at} ${state} ${now}`
  const run = state === 'completed' && took !== undefined ? `${line} ${took}` : line
  database.run(keep, [...linesOf(found.runs), run].slice(-MAX_RUNS).join('\n'), id, tick!.schedule)
}

/** Damaged lines are left out. */
export function readRuns(text: string | null): ScheduleRun[] {
  const runs: ScheduleRun[] = []
  for (const line of linesOf(text)) {
    const [tick, state, at, took] = line.split(' ')
    const run: ScheduleRun = { tick: Number(tick), state: state as ScheduleRun['state'], at: Number(at) }
    if (took !== undefined) run.took = Number(took)
    if (!Number.isNaN(run.tick + run.at + (run.took ?? 0))) runs.push(run)
  }
  return runs
}

function linesOf(text: unknown): string[] {
  return typeof text === 'string' && text !== '' ? text.split('\n') : []
}
