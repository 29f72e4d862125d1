/** Reads the rows of the outbox: rows that wait for the relay, and rows that cannot become jobs. */
import { defined } from '@s18i/lark/internal'
import type { Settings } from '../../config/config.ts'
import { JobsError } from '../../model/errors.ts'
import { partitionWith, placeNameOf } from '../../model/partition.ts'
import type { JobRecord } from '../../model/record.ts'
import type { JobLike } from '../../options/job-class.ts'
import { OutboxDatabase } from '../../outbox/outbox-database.ts'
import { decode, type OutboxRow } from '../../outbox/row.ts'
import { type JobDetail, stored } from './stored-jobs.ts'

/** A row of the outbox. */
export interface ShownOutboxRow {
  /**
   * The place of the row in the order of the outbox. The next page continues after the place of the last row.
   */
  place: string
  /** The id of the job, or of the flow. */
  id: string
  queue: string
  kind: 'job' | 'flow' | 'unreadable'
  /** The key of the job. Absent for a flow, and if the row cannot be read. */
  key?: string
  /** How many milliseconds ago the row was written. */
  age: number
  /** Why the row cannot become a job. Absent if the row waits for the relay. */
  error?: string
}

/** @throws OUTBOX_NOT_CONFIGURED */
export function outboxOf({ outbox }: Pick<Settings, 'outbox'>): OutboxDatabase {
  if (outbox !== undefined) return new OutboxDatabase(outbox)
  throw new JobsError('OUTBOX_NOT_CONFIGURED', 'The configuration names no database for the outbox', {
    hint: "Set jobs.outbox: { for: 'postgres', execute }.",
  })
}

export async function outboxRows(
  database: OutboxDatabase,
  most: number,
  options: { marked?: boolean; after?: string },
): Promise<ShownOutboxRow[]> {
  const rows = await database.run(database.table.list(most, options))
  return rows.map(decode).map(shownRow)
}

function shownRow({ place, id, queue, age, error, work }: OutboxRow): ShownOutboxRow {
  const kind = work?.kind ?? 'unreadable'
  return {
    place,
    id,
    queue,
    kind,
    age,
    ...defined({ key: work?.kind === 'job' ? work.job.key : undefined, error }),
  }
}

/** Finds a job whose row is committed but not yet relayed to the store. Undefined if there is no such row. */
export async function findInOutbox<J extends JobLike>(
  settings: Settings,
  id: string,
  queue: string | undefined,
  now: number,
): Promise<JobDetail<J> | undefined> {
  const database = outboxOf(settings)
  const rows = (await database.run(database.table.find(id))).map(decode)
  const row = rows.find((each) => queue === undefined || each.queue === queue)
  if (row?.work?.kind !== 'job') return undefined
  const { key, payload, priority = 0, delay = 0, options, group, limiter } = row.work.job
  const queuedAt = now - row.age
  const job: JobRecord = {
    ...{ id, key, payload, priority, queuedAt, dueAt: queuedAt + delay },
    partition: partitionWith(placeNameOf(row.work.job) ?? id, row.queue, settings.partitions),
    state: delay > row.age ? 'delayed' : 'waiting',
    ...{ runs: 0, failures: 0, crashes: 0, releases: 0, errors: [] },
    ...defined({ options, group: group?.name, limiter }),
  }
  return { ...stored<J>(job), log: [], inOutbox: { age: row.age, ...defined({ error: row.error }) } }
}
