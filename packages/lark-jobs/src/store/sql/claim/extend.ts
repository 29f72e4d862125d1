/**
 * Renews leases. A note for one job renews the lease of the whole claim, and marks this job as started. The
 * note for a suspect also says whether the job is alone. If a job has new progress, its watchers are rung.
 */
import { readCancelled, untimed } from '../../contract/rules/reason.ts'
import type { Extension, LeaseNote, Recording, StepsNote } from '../../contract/store.ts'
import type { Database } from '../database.ts'
import { tell } from '../events/events.ts'
import { keepReport } from '../events/log.ts'
import { notify } from '../events/waiters.ts'
import { watchersOf } from '../events/watch.ts'
import { recordMore, signalsBehind } from '../journal/journal.ts'
import type { Partition } from '../partition.ts'
import { isSuspectRow, type JobRow } from '../row.ts'
import { ACTIVE, BESIDE, NOT_STARTED, STARTED } from '../states.ts'
import { renewLease } from './lease.ts'

const find = `
  SELECT seq, ahead, asked, crashes, options, journal FROM jobs WHERE partition = ? AND id = ? AND state = ${ACTIVE} AND token = ?`
const start = 'UPDATE jobs SET ahead = ? WHERE seq = ?'

type HeldRow = Pick<JobRow, 'seq' | 'ahead' | 'asked' | 'crashes' | 'options' | 'journal'>

export function extend(partition: Partition, notes: readonly LeaseNote[], leaseMs: number): Extension {
  const { database } = partition
  const extension: Extension = { lost: [], notices: [] }
  const renewed = new Set<string>()
  const watchers = watchersOf(
    partition,
    notes.map(({ id }) => id),
  )
  for (const note of notes) {
    const { id, token, alone, progress, unstarted } = note
    const row = database.get<HeldRow>(find, partition.id, id, token)
    if (row === undefined) {
      extension.lost.push(id)
      continue
    }
    if (!renewed.has(token)) renewLease(partition, token, leaseMs)
    renewed.add(token)
    if (!unstarted && noteStart(database, row, alone)) tell(partition, 'started', [id])
    keepReport(database, row.seq, note)
    const its = watchers.get(id)
    if (its !== undefined) extension.watched = [...(extension.watched ?? []), id]
    for (const watcher of (progress !== undefined && its) || []) notify(partition, watcher)
    if (row.asked !== null)
      extension.notices.push({ kind: 'cancel', id, ...readCancelled(untimed(row.asked)) })
  }
  return extension
}

/**
 * Adds entries that runs have recorded, marks their jobs as started, and returns the signals that the runs do
 * not know. The row of the partition is not read, because that would take as much time as finding the job and
 * adding a step.
 *
 * @param partition the id of the partition
 * @param started called with the id of each job that this call marks as started
 */
export function recordSteps(
  database: Database,
  partition: number,
  notes: readonly StepsNote[],
  started: (id: string) => void,
): Recording {
  const recording: Recording = { lost: [] }
  for (const { id, token, steps, heard } of notes) {
    const row = database.get<HeldRow>(find, partition, id, token)
    if (row === undefined) {
      recording.lost.push(id)
      continue
    }
    if (noteStart(database, row)) started(id)
    const count = recordMore(database, row, steps)
    if (count !== undefined) recording.short = [...(recording.short ?? []), { id, count }]
    const signals = heard === undefined ? [] : signalsBehind(database, row, heard)
    if (signals.length > 0) recording.signals = [...(recording.signals ?? []), { id, signals }]
  }
  return recording
}

/** Marks a job as started. @returns false if the job had started before */
function noteStart(database: Database, row: HeldRow, alone?: boolean): boolean {
  const ahead = startOf(row, alone)
  if (ahead !== row.ahead) database.run(start, ahead, row.seq)
  return row.ahead === NOT_STARTED && ahead !== NOT_STARTED
}

function startOf(row: HeldRow, alone: boolean | undefined): JobRow['ahead'] {
  if (!isSuspectRow(row)) return STARTED
  if (alone === undefined && row.ahead !== NOT_STARTED) return row.ahead
  return alone ? STARTED : BESIDE
}
