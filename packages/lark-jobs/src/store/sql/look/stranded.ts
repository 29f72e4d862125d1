/**
 * Stranded jobs, which no worker could read (`Stranded`). The column `reason` of such a job has a mark
 * (`store/contract/rules/reason.ts`), and a partial index contains the marked jobs. So no call has to
 * maintain a list of stranded jobs, and other jobs take no additional time.
 */
import type { Stranded } from '../../contract/store.ts'
import type { Partition } from '../partition.ts'
import { STRANDED } from '../states.ts'

/** The largest number of stranded jobs that a query looks at; each job takes about 1 µs. */
const MOST = 10_000

const find = `
  SELECT count(*) AS count, total(dueAt > ?) AS delayed, min(since) AS since, id FROM (
    SELECT id, dueAt, CAST(substr(reason, instr(reason, char(30)) + 1) AS INTEGER) AS since
    FROM jobs INDEXED BY stranded WHERE partition = ? AND ${STRANDED} LIMIT ${MOST}
  )`

export function strandedIn({ database, id, now }: Partition): Stranded | undefined {
  const found = database.get<Stranded>(find, now, id)!
  return found.count > 0 ? { ...found } : undefined
}
