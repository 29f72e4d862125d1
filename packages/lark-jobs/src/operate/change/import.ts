/**
 * Restores jobs from the records that `remove({ before })` and `records()` return. Ended jobs get back the
 * state in which they ended, and other jobs are put into their queue. Schedules are restored from the records
 * of `schedules.records()`. Jobs and schedules that already exist are left unchanged, so an import may be
 * repeated.
 */

import { defined } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import { isId, newNonce } from '../../model/id.ts'
import type { WholeJournal } from '../../model/journal.ts'
import { partitionWith, queueOf } from '../../model/partition.ts'
import { type NewJob, type State, states, type WholeRecord } from '../../model/record.ts'
import { isReserved } from '../../model/reserved-key.ts'
import { flag, isObject, isText, type OptionsOf, option } from '../../options/schema.ts'
import { MAX_ENTRIES } from '../../step/recorder.ts'
import { fatesFollowed } from '../../store/contract/moved.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import { type Journals, MAX_BYTES, MAX_ITEMS, MAX_SIGNALS } from '../../store/contract/store.ts'
import { shown } from '../../words/secret.ts'
import { checkFilter, conditions, type Flags, isFunction, signal } from '../look/filter.ts'
import { type OpenQueues, partitionsToLookIn } from '../look/stored-jobs.ts'
import { RECORDS } from '../look/whole-records.ts'
import {
  isScheduleRecord,
  type MovedSchedule,
  putSchedule,
  readSchedule,
} from '../schedules/schedule-records.ts'

export interface Imported {
  /** How many jobs were restored. */
  imported: number
  /** How many jobs and schedules were left unchanged because they already exist. */
  existing: number
  /** How many schedules were restored. Absent if there were none. */
  schedules?: number
}

const ended: readonly State[] = ['completed', 'failed', 'cancelled']

const importConditions = conditions({
  /** Where the records come from, such as the path of a file. The audit shows this text. */
  source: option<string>('a text', isText),
  /**
   * Also accepts jobs that run commands of `lark`, with any command. Use this option only for records that
   * you trust. Default: such jobs are refused.
   */
  commands: flag(),
  /**
   * When this signal is aborted, the call ends before the next lot of jobs. The answer counts the jobs that
   * were already restored.
   */
  signal,
  /** Called after each lot with the number of records that were processed so far. */
  onProgress: option<(done: number) => void>('a function', isFunction),
})

export interface ImportOptions extends OptionsOf<typeof importConditions.entries> {}

/** @throws FILTER_INVALID */
export function checkImport(options: unknown): void {
  checkFilter('operate().import()', options, importConditions, { whole: 'the second argument' })
}

/**
 * @param noted called with the number of records that were processed so far
 * @param names the names of the options for messages, if a command makes the call
 * @throws IMPORT_INVALID for a value that is not the record of a job, before any job of its list is restored;
 *   UNKNOWN_QUEUE
 */
export async function importJobs(
  open: OpenQueues,
  records: readonly unknown[] | AsyncIterable<readonly unknown[]>,
  { commands, signal, onProgress }: ImportOptions,
  noted: (done: number) => void,
  names?: Flags,
): Promise<Imported> {
  const sum = { imported: 0, existing: 0, schedules: 0 }
  const lists = Array.isArray(records)
    ? [records as readonly unknown[]]
    : (records as AsyncIterable<readonly unknown[]>)
  for await (const values of lists) {
    if (signal?.aborted) break
    const { imported, existing, schedules } = await importAll(
      open,
      values,
      defined({ commands, signal, names }),
    )
    sum.imported += imported
    sum.existing += existing
    sum.schedules += schedules
    const done = sum.imported + sum.existing + sum.schedules
    noted(done)
    onProgress?.(done)
  }
  const { schedules, ...counts } = sum
  return schedules > 0 ? sum : counts
}

async function importAll(
  open: OpenQueues,
  values: readonly unknown[],
  { commands, signal, names }: Pick<ImportOptions, 'commands' | 'signal'> & { names?: Flags },
): Promise<Required<Imported>> {
  const places = new Map<string, WholeRecord[]>()
  const known = new Map<string, string[]>()
  const schedules: MovedSchedule[] = []
  for (const value of values) {
    if (isScheduleRecord(value)) {
      schedules.push(
        readSchedule(value, commands, (why, isCommand) => {
          throw refused(why, value, isCommand ? trusted(names) : FORM)
        }),
      )
      continue
    }
    const record = readRecord(value)
    if (isReserved(record.key) && !commands) throw refused('it runs a command of lark', value, trusted(names))
    const queue = queueOf(record.partition)
    if (!known.has(queue)) known.set(queue, await partitionsToLookIn(open, queue))
    const partition = known.get(queue)!.includes(record.partition)
      ? record.partition
      : partitionWith(record.id, queue, open.queues)
    places.set(partition, [...(places.get(partition) ?? []), record])
  }
  const counts = { imported: 0, existing: 0, schedules: 0 }
  for (const [partition, records] of places) {
    for (const lot of inLots(records, RECORDS)) {
      if (signal?.aborted) break
      const put = await withJournals(open, partition, lot)
      counts.existing += lot.length - put.length
      const restored = [
        ...(await open.store.restore(
          partition,
          put.filter(({ state }) => ended.includes(state)),
        )),
        ...(await queueAgain(
          open,
          partition,
          put.filter(({ state }) => !ended.includes(state)),
        )),
      ]
      for (const each of restored)
        counts[each === 'restored' || each === 'queued' ? 'imported' : 'existing']++
    }
  }
  for (const schedule of schedules) {
    if (signal?.aborted) break
    counts[(await putSchedule(open, schedule)) ? 'schedules' : 'existing']++
  }
  return counts
}

/**
 * Stores the journals of jobs before the jobs themselves are stored. @returns the jobs that do not exist yet
 */
async function withJournals(
  { store }: OpenQueues,
  partition: string,
  records: readonly WholeRecord[],
): Promise<WholeRecord[]> {
  const journalled = records.filter(({ journal }) => journal !== undefined)
  if (journalled.length === 0) return [...records]
  // A job that was moved since its record was written is found in its new queue.
  const fates = await fatesFollowed(
    store,
    partition,
    journalled.map(({ id }) => id),
  )
  const there = new Set<WholeRecord>()
  for (const [i, record] of journalled.entries())
    if (fates[i]!.kind !== 'unknown' || !(await bring(store.journals, partition, record))) there.add(record)
  return records.filter((record) => !there.has(record))
}

/** @returns false if the job already exists */
async function bring(journals: Journals, partition: string, { id, journal }: WholeRecord): Promise<boolean> {
  const { entries, ...rest } = journal!
  for (let at = 0; at === 0 || at < entries.length; ) {
    let [end, bytes] = [at, 0]
    while (end < entries.length && end - at < MAX_ITEMS && bytes < MAX_BYTES)
      bytes += Buffer.byteLength(entries[end++]!)
    const some = { at, entries: entries.slice(at, end), ...(at === 0 && rest) }
    if ((await journals.bring(partition, id, some)) === 'exists') return false
    at = Math.max(end, 1)
  }
  return true
}

/**
 * Queues jobs that had not ended. The jobs get all their tries, and continue after their recorded steps. Jobs
 * that were suspended are due at once.
 */
async function queueAgain({ store }: OpenQueues, partition: string, all: readonly WholeRecord[]) {
  if (all.length === 0) return []
  // A job that was moved to another queue since its record was written is looked up in that queue.
  const kept = await fatesFollowed(
    store,
    partition,
    all.map(({ id }) => id),
  )
  const records = all.filter((_, i) => kept[i]!.kind === 'unknown')
  if (records.length === 0) return all.map(() => 'exists' as const)
  const now = await store.now(partition)
  const call = { caller: `import-${newNonce()}`, number: 1 }
  const verdicts = await store.enqueue(
    partition,
    call,
    records.map((record) => newJob(record, now)),
  )
  const queued = verdicts.filter((verdict) => verdict === 'queued').length
  return all.map((_, i) => (i < queued ? ('queued' as const) : ('exists' as const)))
}

function newJob(record: WholeRecord, now: number): NewJob {
  const { id, key, payload, priority, options, group, limiter, suspended } = record
  // A suspended job is due at once. Its run suspends the job again, and the outcome of the run tells the
  // store what the job waits for.
  const dueAt = suspended === undefined ? (record.dueAt ?? 0) : 0
  return {
    ...{ id, ownId: 'new', key, payload, priority, delay: Math.max(0, dueAt - now) },
    ...defined({ options }),
    ...(group !== undefined && { group: { name: group, joins: true as const } }),
    ...defined({ limiter }),
  }
}

const texts = ['id', 'key', 'partition', 'payload', 'state'] as const
const numbers = ['priority', 'queuedAt', 'runs', 'failures', 'crashes', 'releases'] as const
const optionalTexts = ['result', 'progress', 'group', 'limiter', 'reason', 'because'] as const
const optionalNumbers = ['finishedAt', 'dueAt'] as const

/** Reads the record of a job from an unchecked value. @throws IMPORT_INVALID */
export function readRecord(value: unknown): WholeRecord {
  if (!isObject(value)) throw refused('it is not an object', value)
  const record = value as Record<string, unknown>
  const is = (type: string, isNeeded: boolean) => (name: string) =>
    typeof record[name] === type || (!isNeeded && record[name] === undefined)
  const wrong =
    texts.find((name) => !is('string', true)(name)) ??
    optionalTexts.find((name) => !is('string', false)(name)) ??
    numbers.find((name) => !Number.isSafeInteger(record[name])) ??
    optionalNumbers.find((name) => record[name] !== undefined && !Number.isSafeInteger(record[name]))
  if (wrong !== undefined) throw refused(`its ${wrong} is ${shown(record[wrong])}`, value)
  if (!isId(record.id)) throw refused(`its id is ${shown(record.id)}`, value)
  if (!states.includes(record.state as State)) throw refused(`its state is ${shown(record.state)}`, value)
  if (!Array.isArray(record.errors) || !record.errors.every(isObject))
    throw refused('its errors are not a list of objects', value)
  if (record.options !== undefined && !isObject(record.options))
    throw refused('its options are not an object', value)
  if (record.journal !== undefined && !isJournal(record.journal))
    throw refused('its journal is not a list of texts as entries, and a list of signals', value)
  return record as unknown as WholeRecord
}

function isJournal(value: unknown): value is WholeJournal {
  if (!isObject(value)) return false
  const { entries, signals, undo } = value as Record<string, unknown>
  const isSignal = (each: unknown) => {
    if (!isObject(each)) return false
    const { name, text, key } = each as Record<string, unknown>
    return isText(name) && typeof text === 'string' && (key === undefined || isText(key))
  }
  if (!Array.isArray(entries) || !Array.isArray(signals) || entries.length > MAX_ENTRIES) return false
  const isSmall =
    signals.length <= MAX_SIGNALS + MAX_ENTRIES && (undo === undefined || typeof undo === 'string')
  return isSmall && entries.every((each) => typeof each === 'string') && signals.every(isSignal)
}

/**
 * The hint for a record that runs a command. Such records are refused by default, because the file may come
 * from a person who may not run commands.
 */
function trusted(names: Flags | undefined): string {
  return `If you trust all of the records, say so: ${names?.commands ?? '{ commands: true }'}`
}

const FORM = 'Exports of jobs have such records, and so have the files of removed jobs.'

function refused(why: string, value: unknown, hint = FORM): JobsError {
  const { id, schedule } = (isObject(value) ? value : {}) as { id?: unknown; schedule?: unknown }
  const named = isText(schedule) ? `schedule ${shown(schedule)}` : isId(id) ? id : undefined
  const which = named === undefined ? 'A record' : `The record of ${named}`
  return new JobsError('IMPORT_INVALID', `${which} cannot be imported: ${why}`, {
    exit: 2,
    hint,
  })
}
