/**
 * The log lines of a job, which are JSON in the row of the job. Only the newest lines are kept: at most
 * `MAX_LOG_LINES`, and a limited number of bytes.
 */
import type { LogLine } from '../../../model/record.ts'
import { damagedLine, readList } from '../../contract/rules/unreadable.ts'
import { type LeaseNote, MAX_LOG_BYTES, MAX_LOG_LINES } from '../../contract/store.ts'
import type { Database } from '../database.ts'

const read = 'SELECT log FROM jobs WHERE seq = ?'
const write = 'UPDATE jobs SET log = ? WHERE seq = ?'
const writeProgress = 'UPDATE jobs SET progress = ? WHERE seq = ?'

/**
 * Keeps the report of a run: its latest progress and its log lines.
 *
 * @param mayBeSentTwice whether lines with which the log ends already are not added again
 */
export function keepReport(
  database: Database,
  seq: number,
  { log, progress }: Pick<LeaseNote, 'log' | 'progress'>,
  mayBeSentTwice = true,
): void {
  appendLog(database, seq, log, mayBeSentTwice)
  if (progress !== undefined) database.run(writeProgress, progress, seq)
}

function appendLog(
  database: Database,
  seq: number,
  lines: readonly LogLine[] | undefined,
  mayBeSentTwice: boolean,
): void {
  if (lines === undefined || lines.length === 0) return
  const added = lines.map(cut)
  const text = database.get<{ log: string | null }>(read, seq)?.log
  const kept: LogLine[] = text ? readList(text, damagedLine) : []
  if (mayBeSentTwice && JSON.stringify(kept.slice(-added.length)) === JSON.stringify(added)) return
  database.run(write, JSON.stringify(newest([...kept, ...added])), seq)
}

/**
 * Shortens a line that is longer than a whole log may be. Each UTF-16 unit counts as three bytes, the most
 * that it can take in UTF-8.
 */
function cut(line: LogLine): LogLine {
  if (Buffer.byteLength(line.text) <= MAX_LOG_BYTES) return line
  return { ...line, text: line.text.slice(0, MAX_LOG_BYTES / 3) }
}

function newest(lines: readonly LogLine[]): LogLine[] {
  let bytes = 0
  let from = lines.length
  while (from > 0 && lines.length - from < MAX_LOG_LINES) {
    bytes += Buffer.byteLength(lines[from - 1]!.text)
    if (bytes > MAX_LOG_BYTES) break
    from -= 1
  }
  return lines.slice(from)
}
