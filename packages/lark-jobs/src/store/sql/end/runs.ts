/**
 * The last runs of a schedule: a text in its row, one run a line, written in the same step that ends the job
 * of a tick.
 *
 *   tick state at [took]        1767225600000 completed 1767225601200 1150
 */
import { type ScheduleRun, tickOf } from '../../../model/tick.ts'
import { MAX_RUNS } from '../../contract/store.ts'
import type { Partition } from '../partition.ts'

/**
 * The bytes of the longest possible line, with its line break: instants have 13 digits, and runs take less
 * than a year.
 */
const LINE = 50

/**
 * The first line is removed when the text is as long as `MAX_RUNS` of the longest lines. Counting the lines
 * would take 2 µs a run, so a few more lines than that may be kept. (Measured on 2026-11-27, 2 cores, busy,
 * Node 20.20, `libsql`, 500 schedules with 20 runs each: 6.2 µs of CPU a run if SQLite changes the text, and
 * 11.1 if it is read and written.)
 */
const note = `
  UPDATE schedules SET runs = ifnull(
    CASE WHEN typeof(runs) <> 'text' OR runs = '' THEN NULL
      WHEN octet_length(runs) > ${(MAX_RUNS - 1) * LINE} THEN substr(runs, instr(runs, char(10)) + 1)
      ELSE runs END || char(10), '') || ?
  WHERE partition = ? AND id = ?`

/**
 * Notes how a job ended, if it is the job of a tick and its schedule exists.
 *
 * @param took milliseconds, for a job that completed
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

/** Damaged lines are left out. */
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
