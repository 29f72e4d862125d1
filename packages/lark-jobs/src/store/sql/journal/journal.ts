/**
 * Journals in SQLite (`contract/journals.ts`). A journal is a row of the table `journals`, with rows in the
 * tables `entries` and `signals`. The column `journal` of a job has the id of the row. The row of each entry
 * has the number of bytes of all entries up to this one, so a step writes only one row. When the row of the
 * job is removed, the rows of its journal are also removed.
 *
 * An early journal belongs to a job that does not exist yet. The row of an early journal has the id of this
 * job, and the time until which the journal is kept. When the job is queued, it takes the journal. The
 * partition counts its early journals (`early`), so that other new jobs need not look for one.
 */
import { isDeepStrictEqual } from 'node:util'
import { defined } from '@s18i/lark/internal'
import type { Journal, KeptSignal, Recorded } from '../../../model/journal.ts'
import type { ClaimedJob, Outcome } from '../../../model/record.ts'
import { suspendedIn } from '../../contract/rules/reason.ts'
import { isChildSignal, type KeptSignals, textToKeep } from '../../contract/rules/signal-room.ts'
import { restedIn, resting } from '../../contract/rules/suspended-time.ts'
import {
  type AppendVerdict,
  type BringVerdict,
  CHILD_SIGNAL,
  EARLY_MEMORY,
  JOURNAL_BYTES,
  type Journals,
  type NewSignal,
  type SignalVerdict,
  waitsEnd,
} from '../../contract/store.ts'
import type { Access } from '../access.ts'
import type { Database } from '../database.ts'
import { move } from '../end/move.ts'
import { notify } from '../events/waiters.ts'
import type { Partition } from '../partition.ts'
import { columns, holderOf, type JobRow } from '../row.ts'
import { ACTIVE, COMPLETED, GONE, HIDDEN, PENDING } from '../states.ts'

const open = 'INSERT INTO journals DEFAULT VALUES RETURNING id'
const openEarly = 'INSERT INTO journals (partition, job, until) VALUES (?, ?, ?) RETURNING id'
const link = 'UPDATE jobs SET journal = ? WHERE seq = ?'
/** Adds an entry. If the previous entry is missing, `bytes` would be NULL, and SQLite refuses the new row. */
const add = `
  INSERT OR IGNORE INTO entries (journal, place, entry, bytes) VALUES (
    ?1, ?2, ?3, ?4 + iif(?2 = 0, 0, (SELECT bytes FROM entries WHERE journal = ?1 AND place = ?2 - 1))
  )`
const forgive = 'UPDATE jobs SET failures = 0, crashes = 0 WHERE seq = ?'
const sizeOf = `
  SELECT ifnull(place + 1, 0) AS count, ifnull(bytes, 0) AS bytes, undo, rests
  FROM journals LEFT JOIN entries ON journal = id AND place = (SELECT max(place) FROM entries WHERE journal = ?1)
  WHERE id = ?1`
const setRests = 'UPDATE journals SET rests = ? WHERE id = ?'
const findUndo = 'SELECT undo FROM journals WHERE id = ?'
const setUndo = 'UPDATE journals SET undo = ? WHERE id = ?'
const readEntries = 'SELECT entry FROM entries WHERE journal = ? AND place >= ? ORDER BY place LIMIT ?'
const readSignals = 'SELECT name, text FROM signals WHERE journal = ? AND place >= ? ORDER BY place'
const countSignals = 'SELECT ifnull(max(place) + 1, 0) AS count FROM signals WHERE journal = ?'
const keptSignals = `
  SELECT count(*) AS count, ifnull(sum(octet_length(text)), 0) AS bytes FROM signals
  WHERE journal = ? AND name GLOB '${CHILD_SIGNAL}*' = ?`
const addSignal = 'INSERT INTO signals (journal, place, name, key, text) VALUES (?, ?, ?, ?, ?)'
const carrySignals = 'SELECT name, key, text FROM signals WHERE journal = ? ORDER BY place'
const signalBytes = 'SELECT ifnull(sum(octet_length(text)), 0) AS bytes FROM signals WHERE journal = ?'
const isKnown = 'SELECT 1 FROM signals WHERE journal = ? AND name = ? AND key = ?'
const find = `SELECT ${columns} FROM jobs WHERE partition = ? AND id = ? AND state < ${HIDDEN}`
const isGone = `SELECT 1 FROM jobs WHERE partition = ? AND id = ? AND state = ${GONE}`
const isThere = 'SELECT 1 FROM jobs WHERE partition = ? AND id = ?'
const findEarly = 'SELECT id FROM journals WHERE partition = ? AND job = ? AND until IS NOT NULL'
const arrive = 'UPDATE journals SET partition = NULL, job = NULL, until = NULL WHERE id = ?'
const drop = 'DELETE FROM journals WHERE id = ?'
const over = `
  DELETE FROM journals WHERE id IN (
    SELECT id FROM journals WHERE partition = ? AND until <= ? AND until IS NOT NULL LIMIT ?
  )`
/**
 * SQL for a row of `partitions`: whether the partition has journals that `forgetEarly` would remove at the
 * instant `now`.
 */
export const olderEarly = (now: string) =>
  `(early > 0 AND EXISTS (SELECT 1 FROM journals WHERE partition = partitions.id AND until <= ${now} AND until IS NOT NULL))`

/**
 * The largest number of entries that one query reads. Of large entries, a query reads only as many as fit
 * into an answer.
 */
const PAGE = 200

type SizeRow = Pick<Journal, 'count' | 'bytes'> & { undo: string | null; rests: string | null }
type SignalRow = KeptSignal & { key: string | null }
type Journalled = Pick<JobRow, 'seq' | 'journal'>

export class SqliteJournals implements Journals {
  readonly record: Journals['record']
  readonly #on: Access

  /**
   * @param record the verb `record`, as a parameter, because this file must not import the files about claims
   */
  constructor(on: Access, record: Journals['record']) {
    this.#on = on
    this.record = record
  }

  read(name: string, id: string, from: number): Promise<Journal | undefined> {
    return this.#on.look(name, undefined, (partition) => {
      const row = partition.database.get<JobRow>(find, partition.id, id)
      if (row?.journal == null) return undefined
      const found = read(partition, row.journal, from)
      if (from === 0) found.signals = wholeSignals(partition.database, row.journal)
      return found
    })
  }

  bring(...[name, id, journal]: Parameters<Journals['bring']>): Promise<BringVerdict> {
    return this.#on.change(name, (partition) => bring(partition, id, journal))
  }

  append(name: string, id: string, steps: Pick<Recorded, 'at' | 'entries'>): Promise<AppendVerdict> {
    return this.#on.change(name, ({ id: of, database }) => {
      const row = database.get<JobRow>(find, of, id)
      if (row?.journal == null) return 'missing'
      if (row.state === ACTIVE) return 'active'
      const { count } = sizeOfJournal(database, row.journal)
      if (count === steps.at) append(database, row.journal, steps)
      const entries = database.all<{ entry: string }>(readEntries, row.journal, steps.at, -1)
      const isThere =
        count >= steps.at &&
        same(
          entries.map(({ entry }) => entry),
          steps.entries,
        )
      return isThere ? 'added' : 'changed'
    })
  }

  signal(name: string, id: string, signal: NewSignal): Promise<SignalVerdict> {
    return this.#on.change(name, (partition) => keep(partition, id, signal))
  }
}

/**
 * Adds entries to the journal of a job. If the journal lacks entries before the new ones, nothing is added.
 *
 * @returns the number of entries in the journal if entries before the new ones are missing; undefined if none
 * are missing
 */
export function record(database: Database, row: Journalled, steps: Recorded | undefined): number | undefined {
  if (steps === undefined || (steps.entries.length === 0 && steps.hasUndos === undefined)) return undefined
  const journal = journalOf(database, row)
  if (steps.hasUndos) database.run(setUndo, '', journal)
  const added = append(database, journal, steps)
  if (added > 0 && added === steps.entries.length) return undefined
  const { count } = sizeOfJournal(database, journal)
  return count < steps.at ? count : undefined
}

/**
 * The text that says whether the job has steps to undo, or how it ends after they are undone
 * (`contract/rules/undoing.ts`).
 */
export function undoOf({ database }: Partition, { journal }: Pick<JobRow, 'journal'>): string | null {
  return journal === null ? null : database.get<{ undo: string | null }>(findUndo, journal)!.undo
}

/** Changes the text about the undos of a job. The job must have a journal. @param undo the new text */
export function keepUndo({ database }: Partition, { journal }: Pick<JobRow, 'journal'>, undo: string): void {
  database.run(setUndo, undo, journal)
}

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((each, i) => each === other[i])
}

/**
 * Adds the entries that the journal does not have yet. If the journal lacks entries before the new ones,
 * nothing is added. @returns how many entries were added
 */
function append(database: Database, journal: number, { at, entries }: Recorded): number {
  let added = 0
  for (const [i, entry] of entries.entries())
    added += database.run(add, journal, at + i, entry, Buffer.byteLength(entry))
  return added
}

/**
 * Records steps of a run that goes on. If the steps are marked as progress, earlier failures and crashes of
 * the job no longer count.
 */
export function recordMore(
  database: Database,
  row: Journalled,
  steps: Recorded | undefined,
): number | undefined {
  const short = record(database, row, steps)
  if (steps?.isProgress) database.run(forgive, row.seq)
  return short
}

/**
 * @returns the outcome of a run, changed so that the job is due at once if it is suspended and has signals
 * that the run does not know
 */
export function heardAll({ database }: Partition, { journal }: Journalled, outcome: Outcome): Outcome {
  if (outcome.kind !== 'suspended' || journal === null) return outcome
  return countOf(database, journal) > outcome.heard ? { ...outcome, in: 0 } : outcome
}

/** The signals of a job that come after the first `heard` signals. */
export function signalsBehind(database: Database, { journal }: Journalled, heard: number): KeptSignal[] {
  return journal === null ? [] : database.all<KeptSignal>(readSignals, journal, heard)
}

/** Adds the journal to a claimed job. If the time of the job's suspension is measured, it ends now. */
export function withJournal(partition: Partition, job: ClaimedJob, { journal }: Journalled): ClaimedJob {
  if (journal === null) return job
  job.journal = read(partition, journal, 0)
  const { rested } = job.journal
  if (rested !== undefined) partition.database.run(setRests, `${rested}`, journal)
  return job
}

/**
 * Notes that a job is suspended from now on, if the outcome asks for a measurement of this time (`rests`).
 */
export function noteRest({ database, now }: Partition, row: Journalled, outcome: Outcome): void {
  if (outcome.kind !== 'suspended' || !outcome.rests) return
  const journal = journalOf(database, row)
  database.run(setRests, resting(sizeOfJournal(database, journal).rests, now), journal)
}

/**
 * Removes the measured time for which a job was suspended, because the `retryUntil` of a job begins again
 * with a retry by hand.
 */
export function forgetRest({ database }: Partition, { journal }: Journalled): void {
  if (journal !== null) database.run(setRests, null, journal)
}

/** Whether the journal of a job has entries. */
export function hasRecorded({ database }: Partition, { journal }: Journalled): boolean {
  return journal !== null && sizeOfJournal(database, journal).count > 0
}

/** Changes the end of all waits of a suspended job. @param until the new end: milliseconds since 1970 */
export function moveWaits({ database }: Partition, row: JobRow, until: number): void {
  if (suspendedIn(row.reason, row.runs) === undefined) return
  const journal = journalOf(database, row)
  append(database, journal, { at: sizeOfJournal(database, journal).count, entries: [waitsEnd(until)] })
}

/** Removes the journal of a job: its entries and its signals. */
export function forgetJournal({ database }: Partition, row: Journalled): void {
  if (row.journal === null) return
  database.run(drop, row.journal)
  database.run(link, null, row.seq)
  row.journal = null
}

/**
 * The journal of a job that moves to another partition: its entries, and the name, key and text of each
 * signal.
 */
export interface Carriage {
  entries: string[]
  signals: [name: string, key: string | null, text: string][]
  undo?: string
  rests?: string
}

/** The size of all entries and signals of a job, in bytes. */
export function journalBytes(database: Database, { journal }: Journalled): number {
  if (journal === null) return 0
  const signals = database.get<{ bytes: number }>(signalBytes, journal)!.bytes
  return sizeOfJournal(database, journal).bytes + signals
}

export function carryJournal(database: Database, { journal }: Journalled): { steps?: Carriage } {
  if (journal === null) return {}
  const entries = database.all<{ entry: string }>(readEntries, journal, 0, -1).map(({ entry }) => entry)
  const signals = database.all<SignalRow>(carrySignals, journal)
  const { undo, rests } = sizeOfJournal(database, journal)
  return {
    steps: {
      ...{ entries, signals: signals.map(({ name, key, text }) => [name, key, text]) },
      ...(undo !== null && { undo }),
      ...(rests !== null && { rests }),
    },
  }
}

/**
 * Stores the journal of a job that moves to this partition. The signals that the job brings come first,
 * followed by the signals that arrived in this partition before the job.
 *
 * @returns the id of the journal, or null if the job has no journal; and the names of the signals that
 *   arrived in this partition before the job
 */
export function putJournal(
  partition: Partition,
  job: string,
  { steps }: { steps?: Carriage },
): { journal: number | null; early: string[] } {
  const { database } = partition
  const before = takeEarly(partition, job)
  const early = before === undefined ? [] : database.all<SignalRow>(carrySignals, before)
  if (steps === undefined) return { journal: before ?? null, early: early.map(({ name }) => name) }
  if (before !== undefined) database.run(drop, before)
  const { id } = database.get<{ id: number }>(open)!
  append(database, id, { at: 0, entries: steps.entries })
  for (const signal of steps.signals) addBehind(database, id, ...signal)
  if (steps.undo !== undefined) database.run(setUndo, steps.undo, id)
  if (steps.rests !== undefined) database.run(setRests, steps.rests, id)
  const added = early.filter(({ name, key, text }) => addBehind(database, id, name, key, text))
  return { journal: id, early: added.map(({ name }) => name) }
}

function wholeSignals(database: Database, journal: number): KeptSignal[] {
  return database
    .all<SignalRow>(carrySignals, journal)
    .map(({ name, text, key }) => ({ name, text, ...(key !== null && { key }) }))
}

function bring(
  partition: Partition,
  job: string,
  { at, entries, signals = [], undo }: Parameters<Journals['bring']>[2],
): BringVerdict {
  const { database, id } = partition
  if (database.get(isThere, id, job) !== undefined) return 'exists'
  const before = database.get<{ id: number }>(findEarly, id, job)
  if (at === 0) {
    const here = before === undefined ? [] : wholeSignals(database, before.id)
    if (before !== undefined) {
      database.run(drop, before.id)
      partition.early -= 1
    }
    const journal = earlyOf(partition, job)
    const isAgain = signals.every((each, i) => isDeepStrictEqual(each, here[i]))
    for (const each of [...signals, ...(isAgain ? here.slice(signals.length) : here)])
      addBehind(database, journal, each.name, each.key ?? null, each.text)
    if (undo !== undefined) database.run(setUndo, undo, journal)
  }
  const journal = earlyOf(partition, job)
  if (sizeOfJournal(database, journal).count < at) return 'changed'
  append(database, journal, { at, entries })
  return 'brought'
}

/**
 * Adds a signal after all other signals of the journal. @returns false if the journal has a signal with the
 * same name and key
 */
function addBehind(database: Database, journal: number, ...signal: Carriage['signals'][number]): boolean {
  const [name, key] = signal
  if (key !== null && database.get(isKnown, journal, name, key) !== undefined) return false
  database.run(addSignal, journal, countOf(database, journal), ...signal)
  return true
}

/** Gives a new job the early journal with its id, if there is one. */
export function meetEarly(partition: Partition, id: string): void {
  const early = takeEarly(partition, id)
  if (early === undefined) return
  const row = partition.database.get<JobRow>(find, partition.id, id)!
  partition.database.run(link, early, row.seq)
}

/** @returns the id of the early journal of a job, which now belongs to the job; undefined if there is none */
function takeEarly(partition: Partition, id: string): number | undefined {
  if (partition.early === 0) return undefined
  const { database } = partition
  const early = database.get<{ id: number }>(findEarly, partition.id, id)
  if (early === undefined) return undefined
  partition.early -= 1
  database.run(arrive, early.id)
  return early.id
}

/**
 * Removes early journals whose time is over, at most `most`, because their jobs were never queued. @returns
 * how many journals were removed
 */
export function forgetEarly(partition: Partition, most: number): number {
  if (partition.early === 0) return 0
  const forgotten = partition.database.run(over, partition.id, partition.now, most)
  partition.early -= forgotten
  return forgotten
}

function journalOf(database: Database, row: Journalled): number {
  if (row.journal !== null) return row.journal
  const { id } = database.get<{ id: number }>(open)!
  database.run(link, id, row.seq)
  row.journal = id
  return id
}

function countOf(database: Database, journal: number): number {
  return database.get<{ count: number }>(countSignals, journal)!.count
}

function sizeOfJournal(database: Database, journal: number): SizeRow {
  return database.get<SizeRow>(sizeOf, journal)!
}

function read({ database, now }: Partition, journal: number, from: number): Journal {
  const { undo, rests, ...size } = sizeOfJournal(database, journal)
  const signals = from === 0 ? database.all<KeptSignal>(readSignals, journal, 0) : []
  const page = Math.min(PAGE, Math.ceil((JOURNAL_BYTES * size.count) / Math.max(1, size.bytes)))
  const entries = page === 0 ? [] : entriesBehind(database, journal, from, page)
  const rested = rests === null ? undefined : restedIn(rests, now)
  return { ...size, entries, signals, ...(undo !== null && { undo }), ...defined({ rested }) }
}

function entriesBehind(database: Database, journal: number, from: number, most: number): string[] {
  const entries: string[] = []
  let bytes = 0
  for (;;) {
    const page = database.all<{ entry: string }>(readEntries, journal, from + entries.length, most)
    for (const { entry } of page) {
      bytes += Buffer.byteLength(entry)
      if (bytes > JOURNAL_BYTES && entries.length > 0) return entries
      entries.push(entry)
    }
    if (page.length < most) return entries
  }
}

function keep(partition: Partition, id: string, signal: NewSignal): SignalVerdict {
  const { database, now } = partition
  const { name, key, mayBeEarly } = signal
  const row = database.get<JobRow>(find, partition.id, id)
  if (row === undefined && (!mayBeEarly || database.get(isGone, partition.id, id) !== undefined))
    return 'missing'
  if (row !== undefined && row.state >= COMPLETED) return 'ended'
  const journal = row === undefined ? earlyOf(partition, id) : journalOf(database, row)
  if (key !== undefined && database.get(isKnown, journal, name, key) !== undefined) return 'known'
  const kept = database.get<KeptSignals>(keptSignals, journal, Number(isChildSignal(name)))!
  const text = textToKeep(signal, kept)
  if (text === undefined) return 'full'
  addBehind(database, journal, name, key ?? null, text)
  if (row === undefined) return 'early'
  if (row.state === ACTIVE) notify(partition, holderOf(row.token!), row.seq)
  else if (row.dueAt > now && suspendedIn(row.reason, row.runs)?.includes(name))
    move(partition, row, { state: PENDING, dueAt: now })
  return 'kept'
}

function earlyOf(partition: Partition, job: string): number {
  const { database, id, now } = partition
  const early = database.get<{ id: number }>(findEarly, id, job)
  if (early !== undefined) return early.id
  partition.early += 1
  return database.get<{ id: number }>(openEarly, id, job, now + EARLY_MEMORY)!.id
}
