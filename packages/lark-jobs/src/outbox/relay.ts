/**
 * The relay: takes the oldest rows of the outbox, puts their jobs and flows into the store, and removes the
 * rows once the store has answered. If the relay dies in between, the next relay sends the jobs and flows
 * again, with the same ids. The store remembers these ids and takes no job twice (`model/record.ts#Keep`).
 *
 * A row that cannot become a job, or that the store refuses for good, is marked and stays in the table, so
 * that it does not hold up the other rows. While the store or the database is unreachable, no row is marked
 * or removed.
 */
import { defined, visible } from '@s18i/lark/internal'
import type { FlowBook } from '../flow/flow-book.ts'
import type { JobSender } from '../flow/job-sender.ts'
import { groupedBy } from '../model/grouped.ts'
import { partitionWith, placeNameOf } from '../model/partition.ts'
import { endedStates, type JobRecord, type Keep, type NewJob } from '../model/record.ts'
import { inLots } from '../store/contract/rules/in-lots.ts'
import { type Enqueued, isResendable, RELAYED_MEMORY, type Store } from '../store/contract/store.ts'
import { textOf } from '../words/thrown.ts'
import type { OutboxDatabase } from './outbox-database.ts'
import { decode, type NewFlow, type OutboxRow } from './row.ts'
import { LOT, LOT_BYTES } from './table.ts'

/** The maximum length of a row's `error`, in characters. */
const LONGEST = 500
/**
 * After this many consecutive lots of a backlog, the next lot is read from the beginning of the table again.
 * With 1, 10 and 100, the relay moved 54,000, 75,000 and 78,000 rows a second from PostgreSQL into Redis, and
 * 56,000, 72,000 and 57,000 while an open transaction held back the vacuum (the fastest of 3 turns of 100,000
 * rows, 2026-12-02, 2 cores).
 */
const IN_A_ROW = 10
/**
 * The maximum number of flows that are started together. With 1, 20, 100 and 1,000, the relay started 3,000,
 * 9,000, 9,900 and 10,000 chains a second in a Redis that writes each answer to the disk (the fastest of 3
 * turns of 2,000 chains, 2026-12-03, 2 cores).
 */
const FLOWS = 100

export interface RelayOptions {
  database: OutboxDatabase
  store: Store
  sender: JobSender
  flows: FlowBook
  /** The number of partitions of each queue. A queue that is not configured here has one partition. */
  partitions: ReadonlyMap<string, number>
}

/** What the relay did with a lot. `bad`: the rows that were marked, with the reasons. */
export interface RelayedLot {
  count: number
  bad: { row: OutboxRow; why: string }[]
}

interface RowJob {
  row: OutboxRow
  job: NewJob
  partition: string
}

export class Relay {
  readonly #options: RelayOptions
  /** The next lot, which is read in advance. */
  #ahead: Promise<OutboxRow[]> | undefined
  #inARow = 0

  constructor(options: RelayOptions) {
    this.#options = options
  }

  /**
   * @param goesOn whether to continue with the next lot, which was read in advance. Rows that are committed
   *   late with a smaller place are missing in a lot that was read in advance. So after `IN_A_ROW` lots, the
   *   oldest rows are read again
   * @throws OUTBOX_AWAY, OUTBOX_NO_TABLE; the errors of the store, if it is unreachable
   */
  async lot(goesOn = false): Promise<RelayedLot> {
    const { database } = this.#options
    const ahead = goesOn ? this.#ahead : undefined
    this.#ahead = undefined
    this.#inARow = ahead === undefined ? 1 : this.#inARow + 1
    const rows = await (ahead ?? this.#take())
    if (rows.length === 0) return { count: 0, bad: [] }
    if (rows.length === LOT && this.#inARow < IN_A_ROW) {
      this.#ahead = this.#take(rows.at(-1)!.place)
      this.#ahead.catch(() => {})
    }
    const bad: RelayedLot['bad'] = []
    // The reason is made visible, because it may quote a body, and PostgreSQL accepts no text with a NUL
    // character.
    const marks = (row: OutboxRow, why: string) => bad.push({ row, why: visible(why).slice(0, LONGEST) })
    for (const row of rows) if (row.work === undefined) marks(row, row.flaw ?? 'it has no work')
    await this.#sendJobs(this.#jobsOf(rows), marks)
    await this.#startFlows(rows, marks)
    const marked = new Set(bad.map(({ row }) => row))
    for (const [why, some] of groupedBy(bad, (each) => each.why))
      await database.run(database.table.mark(placesOf(some.map(({ row }) => row)), why))
    const done = rows.filter((row) => !marked.has(row))
    if (done.length > 0) await database.run(database.table.remove(placesOf(done)))
    return { count: rows.length, bad }
  }

  async #take(after?: string): Promise<OutboxRow[]> {
    const { database } = this.#options
    return (await database.run(database.table.take(LOT, LOT_BYTES, after))).map(decode)
  }

  #jobsOf(rows: readonly OutboxRow[]): RowJob[] {
    // Equal `keep` settings become one object, because jobs that share this object are sent in one call.
    const keeps = new Map<string, Keep>()
    return rows.flatMap((row) => {
      if (row.work?.kind !== 'job') return []
      // The job is changed in place, because no other code uses it. A copy would be most of the cost of a
      // row.
      const { job } = row.work
      const text = job.keep === undefined ? '' : JSON.stringify(job.keep)
      const known = keeps.get(text) ?? { ...job.keep, relayed: true as const }
      keeps.set(text, known)
      job.keep = known
      // The delay counts from the dispatch, so the time that the row has waited is subtracted.
      const left = Math.max(0, (job.delay ?? 0) - row.age)
      if (left > 0) job.delay = left
      else delete job.delay
      const partition = partitionWith(placeNameOf(job) ?? job.id, row.queue, this.#options.partitions)
      return [{ row, job, partition }]
    })
  }

  async #sendJobs(jobs: readonly RowJob[], marks: (row: OutboxRow, why: string) => void): Promise<void> {
    const parts = [...groupedBy(jobs, ({ partition }) => partition)]
    await Promise.all(
      parts.map(async ([partition, some]) => {
        try {
          await this.#send(partition, some, marks)
        } catch (error) {
          if (isResendable(error)) throw error
          // The store refuses at least one of these jobs. The jobs are sent one by one, so that the other
          // jobs are queued.
          for (const each of some) await this.#send(partition, [each], marks).catch(sparing(each.row, marks))
        }
      }),
    )
  }

  async #send(
    partition: string,
    some: readonly RowJob[],
    marks: (row: OutboxRow, why: string) => void,
  ): Promise<void> {
    const { sender, store } = this.#options
    const answers = await sender.send(
      partition,
      some.map(({ job }) => job),
    )
    const rejected: [OutboxRow, NewJob, Exclude<Enqueued, string>][] = []
    for (const [i, { row, job }] of some.entries()) {
      const answer = answers[i]!
      if (typeof answer === 'string') continue
      if (answer.kind === 'refused')
        marks(row, 'its priority is refused, because too many other priorities are in use')
      // If another job has this id, the rejected job is not stored: people find the other job by the id.
      else if (!('reason' in answer) || answer.reason !== 'exists') rejected.push([row, job, answer])
    }
    if (rejected.length === 0) return
    const now = await store.now(partition)
    await store.restore(
      partition,
      rejected.map((each) => rejection(partition, now, ...each)),
    )
  }

  /**
   * Starts the flows of the rows. The flows are started together, because each flow waits at least twice for
   * an answer of the store. The calls reach the store in the order of the rows.
   */
  async #startFlows(rows: readonly OutboxRow[], marks: (row: OutboxRow, why: string) => void): Promise<void> {
    const flows = rows.flatMap((row) => (row.work?.kind === 'flow' ? [{ row, flow: row.work.flow }] : []))
    for (const some of inLots(flows, FLOWS))
      await Promise.all(some.map(({ row, flow }) => this.#start(row, flow).catch(sparing(row, marks))))
  }

  /**
   * Starts a flow, unless it has been started. The flow is kept for at least as long as the store remembers
   * the id of a job, so that another relay does not start the flow again.
   */
  async #start({ place, id }: OutboxRow, { home, definition, members }: NewFlow): Promise<void> {
    const { flows } = this.#options
    const by = `outbox-${place}`
    const { keep } = definition
    for (const state of endedStates) keep[state] = Math.max(keep[state], RELAYED_MEMORY)
    for (const { job } of members ?? []) job.keep = { ...job.keep, relayed: true }
    if (members === undefined) await flows.start({ flow: id, home }, definition, undefined, by)
    else await flows.startWith({ flow: id, home }, definition, members, by)
  }
}

/** Marks a row that the store refuses for good. @throws errors that may be temporary */
function sparing(row: OutboxRow, marks: (row: OutboxRow, why: string) => void) {
  return (error: unknown) => {
    if (isResendable(error)) throw error
    marks(row, textOf(error))
  }
}

function placesOf(rows: readonly OutboxRow[]): string[] {
  return rows.map(({ place }) => place)
}

/**
 * The record of a job that the store rejected. The record is stored so that people find the job by its id.
 */
function rejection(
  partition: string,
  now: number,
  { age }: OutboxRow,
  { id, key, payload, priority = 0, options, group, limiter }: NewJob,
  answer: Exclude<Enqueued, string>,
): JobRecord {
  const isReplaced = answer.kind === 'replaced'
  return {
    ...{ id, key, payload, priority, partition, state: 'cancelled', queuedAt: now - age, finishedAt: now },
    ...{ runs: 0, failures: 0, crashes: 0, releases: 0, errors: [] },
    reason: isReplaced ? 'replaced' : 'rejected',
    because: whyRejected(answer),
    ...defined({ options, group: group?.name, limiter }),
  }
}

function whyRejected(answer: Exclude<Enqueued, string>): string {
  if (answer.kind === 'replaced') return `job ${answer.by} has its payload now`
  if (answer.reason === 'unique') return `it is unique, and job ${answer.by} has not ended`
  if (answer.reason === 'throttled') return `it came too soon after job ${answer.by}`
  return answer.reason === 'full' ? 'the queue was full' : 'its id or priority was refused'
}
