/**
 * The findings of the doctor for the outbox in the configuration: whether the outbox can be read, whether
 * workers relay its rows, and whether some rows cannot become jobs.
 */
import type { Settings } from '../../config/config.ts'
import type { OutboxBacklog } from '../../outbox/outbox-database.ts'
import { OUTBOX_VERSION } from '../../outbox/table.ts'
import { readable } from '../../words/duration.ts'
import { plural } from '../../words/plural.ts'
import { textOf } from '../../words/thrown.ts'
import { type DoctorFinding, Examination } from './finding-codes.ts'

/** How long the oldest row may wait, in milliseconds. */
const STANDS = 60_000
/** How long to wait for the database of the application, in milliseconds. */
const PATIENCE = 3_000

/**
 * The backlog of an outbox, an error if the outbox cannot be read, or undefined if no outbox is configured.
 */
export type FoundOutbox = OutboxBacklog | Error | undefined

export async function lookAtOutbox({ outbox }: Pick<Settings, 'outbox'>): Promise<FoundOutbox> {
  if (outbox === undefined) return undefined
  const { OutboxDatabase } = await import('../../outbox/outbox-database.ts')
  const database = new OutboxDatabase(outbox, PATIENCE)
  return database.checked().catch((error: unknown) => error as Error)
}

export function outboxFindings(found: FoundOutbox): DoctorFinding[] {
  if (found === undefined) return []
  const examination = new Examination('the outbox')
  if (found instanceof Error) {
    examination.fail(
      'outbox-readable',
      textOf(found),
      'Look at the database, and at jobs.outbox of the configuration.',
    )
    return examination.findings
  }
  examination.ok('outbox-readable', `can be read, with tables of version ${OUTBOX_VERSION}`)
  const { waiting, bad, age } = found
  if (age > STANDS)
    examination.fail(
      'outbox-relayed',
      `stands still: ${plural(waiting, 'row')} ${waiting === 1 ? 'waits' : 'wait'}, the oldest for ${readable(age)}`,
      'Start a worker whose configuration has the outbox, or look at the log of the workers: ',
      { do: 'see-workers' },
    )
  else examination.ok('outbox-relayed', 'is relayed')
  if (bad > 0)
    examination.warn(
      'outbox-rows',
      `has ${plural(bad, 'row')} that cannot become jobs`,
      'See why beside the rows; when the cause is gone, let the relay take them again.',
    )
  else examination.ok('outbox-rows', 'has no row that cannot become a job')
  return examination.findings
}
