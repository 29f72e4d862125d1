/**
 * The log lines of a job, kept as JSON in its row: the newest lines, within a limit of lines and a limit of
 * bytes.
 */
import type { LogLine } from '../../../model/record.ts'
import { damagedLine, readList } from '../../contract/rules/unreadable.ts'
import { type LeaseNote, MAX_LOG_BYTES, MAX_LOG_LINES } from '../../contract/store.ts'
import type { Database } from '../database.ts'

const read = 'SELECT log FROM jobs WHERE seq = ?'
const write = 'UPDATE jobs SET log = ? WHERE seq = ?'
const writeProgress = 'UPDATE jobs SET progress = ? WHERE seq = ?'

/** Keeps the report of a run: its latest progress, and its log lines. */
export function keepReport(
  database: Database,
  seq: number,
  { log, progress }: Pick<LeaseNote, 'log' | 'progress'>,
): void {
  appendLog(database, seq, log)
  if (progress !== undefined) database.run(writeProgress, progress, seq)
}

/** Appends lines. If the log already ends with these lines, the call was sent twice, and nothing is added. */
function appendLog(database: Database, seq: number, lines: readonly LogLine[] | undefined): void {
  if (lines === undefined || lines.length === 0) return
  const added = lines.map(cut)
  const text = database.get<{ log: string | null }>(read, seq)?.log
  const kept: LogLine[] = text ? readList(text, damagedLine) : []
  if (JSON.stringify(kept.slice(-added.length)) === JSON.stringify(added)) return
  database.run(write, JSON.stringify(newest([...kept, ...added])), seq)
}

/**
 * Shortens a line that is longer than a whole log may be. It counts three bytes for each UTF-16 unit, which
 * is the maximum.
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
