/**
 * The last runs of a schedule are one text in the row of the schedule, with one line for each run. The
 * transaction that ends the job of a tick adds the line.
 *
 *   tick state at [took]        1767225600000 completed 1767225601200 1150
 */
import { type ScheduleRun, tickOf } from '../../../model/tick.ts'
import { MAX_RUNS } from '../../contract/store.ts'
import type { Partition } from '../partition.ts'

/**
 * The largest size of a line in bytes, with the line break: an instant has 13 digits, and a run takes less
 * than a year.
 */
const LINE = 50

/**
 * The first line is removed when the text is as long as `MAX_RUNS` lines of the largest size. So a few more
 * than `MAX_RUNS` shorter lines may be kept. The statement does not count lines, because that would take 2 µs
 * a run. (Measured on 2026-11-27, 2 cores, busy, Node 20.20, `libsql`, 500 schedules with 20 runs each: 6.2
 * µs of CPU a run if SQLite changes the text, and 11.1 µs if JavaScript reads and writes the text.)
 */
const note = `
  UPDATE schedules SET runs = ifnull(
    CASE WHEN typeof(runs) <> 'text' OR runs = '' THEN NULL
      WHEN octet_length(runs) > ${(MAX_RUNS - 1) * LINE} THEN substr(runs, instr(runs, char(10)) + 1)
      ELSE runs END || char(10), '') || ?
  WHERE partition = ? AND id = ?`

/**
 * Adds a run to a schedule when the job of a tick ends. Does nothing for other jobs, or if the schedule does
 * not exist.
 *
 * @param took how long a completed run took, in milliseconds
 */
export function noteRun(
  { database, id, now }: Partition,
  job: string,
  state: ScheduleRun['state'],
  took?: number,
): void {
  const tick = tickOf(job)
  if (tick === undefined) return
  const line = `${tick.at} ${state} ${now}`
  const run = state === 'completed' && took !== undefined ? `${line} ${took}` : line
  database.run(note, run, id, tick.schedule)
}

/** Reads the runs from the text of a schedule. Damaged lines are left out. */
export function readRuns(text: string | null): ScheduleRun[] {
  const runs: ScheduleRun[] = []
  for (const line of linesOf(text)) {
    const [tick, state, at, took] = line.split(' ')
    const run: ScheduleRun = { tick: Number(tick), state: state as ScheduleRun['state'], at: Number(at) }
    if (took !== undefined) run.took = Number(took)
    if (!Number.isNaN(run.tick + run.at + (run.took ?? 0))) runs.push(run)
  }
  return runs.slice(-MAX_RUNS)
}

function linesOf(text: unknown): string[] {
  return typeof text === 'string' && text !== '' ? text.split('\n') : []
}
