/**
 * Counts the ends of nodes and members in the rows of their flows. An end comes with a call of `apply`, or a
 * job has ended in the home of its flow (`end.ts`).
 */
import { NODES } from '../../../model/flow.ts'
import {
  type Applied,
  MAX_FAILURES,
  MAX_RESULTS,
  type MemberEnd,
  RESULT_NOT_KEPT,
} from '../../contract/store.ts'
import { noteNext } from '../documents/tick.ts'
import type { Partition } from '../partition.ts'
import { forgetEnd, isStartedSince, keepFailure, keepNews, keepStart } from './ends.ts'
import { Members } from './members.ts'

/** The columns of a flow that are needed for counting, without the long texts. */
export interface FlowRow {
  number: number
  dueAt: number | null
  lent: number | null
  reached: 0 | 1
  reserved: number
  size: number | null
  alarm: number | null
  completed: number
  failed: number
}

export const columns = 'number, dueAt, lent, reached, reserved, size, alarm, completed, failed'
export const find = `SELECT ${columns} FROM flows WHERE partition = ? AND id = ?`
const count = `
  UPDATE flows SET completed = ?, failed = ?, reached = ?, dueAt = ?, results = results + ?, cancelled = cancelled + ?
  WHERE number = ?`
/**
 * In the row, the column `results` comes after the column `state`, which may be large. So `results` is read
 * only if a result must be counted.
 */
const findResults = 'SELECT results FROM flows WHERE number = ?'

/** Counts the ends of nodes and members that this transaction has ended in the home of their flows. */
export function countEndsAtHome(partition: Partition): void {
  if (partition.ends.length > 0) countEnds(partition, partition.ends.splice(0))
}

/** @returns one verdict for each end */
export function countEnds(partition: Partition, ends: readonly MemberEnd[]): Applied['verdicts'] {
  const flows = new Map<string, FlowTally | undefined>()
  const verdicts = ends.map((end) => {
    const { flow } = end
    if (!flows.has(flow)) flows.set(flow, FlowTally.find(partition, flow))
    return flows.get(flow)?.end(end) ?? 'unknown'
  })
  let isDue = false
  for (const flow of flows.values()) if (flow?.save()) isDue = true
  if (isDue) noteNext(partition)
  return verdicts
}

/** Whether a count has reached `mark`, which is a `size` or an `alarm`; false if there is no mark. */
export function isReached(mark: number | null, count: number): boolean {
  return mark !== null && count >= mark
}

/** Counts the ends of one flow's nodes and members in one transaction. `save()` writes the counts. */
export class FlowTally {
  readonly #partition: Partition
  readonly #row: FlowRow
  readonly #members: Members
  readonly #before: Pick<FlowRow, 'completed' | 'failed'>
  #hasNews = false
  /** By how much this transaction changes the number of cancelled members. */
  #cancelled = 0
  /**
   * The bytes of results in the row before this transaction (`kept`), and the bytes that this transaction
   * adds (`added`).
   */
  #results: { kept: number; added: number } | undefined

  private constructor(partition: Partition, row: FlowRow) {
    this.#partition = partition
    this.#row = row
    this.#members = new Members(partition.database, row.number)
    this.#before = { completed: row.completed, failed: row.failed }
  }

  static find(partition: Partition, id: string): FlowTally | undefined {
    const row = partition.database.get<FlowRow>(find, partition.id, id)
    return row && new FlowTally(partition, row)
  }

  end(end: MemberEnd): Applied['verdicts'][number] {
    const { database } = this.#partition
    const row = this.#row
    const { index, state, start } = end
    if (index >= NODES) {
      if (!keepNews(database, row.number, end, (result) => this.#keptOf(result))) return 'repeated'
      this.#hasNews = true
      return 'counted'
    }
    if (index >= row.reserved) return 'unknown'
    const before = this.#members.of(index)
    if (before === 'completed' || (before !== undefined && state !== 'completed')) return 'repeated'
    const mayBeFormer = before === undefined && state !== 'completed' && start !== undefined
    if (mayBeFormer && isStartedSince(database, row.number, index, start)) return 'former'
    this.#members.set(index, state)
    if (state === 'completed') row.completed += 1
    else row.failed += 1
    if (state === 'cancelled') this.#cancelled += 1
    if (before !== undefined) {
      this.#failedNoMore(index, before)
      row.reached = 1
    } else if (state !== 'completed' && row.failed <= MAX_FAILURES) keepFailure(database, row.number, end)
    return 'counted'
  }

  #failedNoMore(index: number, before: 'failed' | 'cancelled'): void {
    this.#row.failed -= 1
    if (before === 'cancelled') this.#cancelled -= 1
    forgetEnd(this.#partition.database, this.#row.number, index)
  }

  /** The text to keep for a result: the result, or a note if it does not fit. */
  #keptOf(result: string): string {
    const { number } = this.#row
    this.#results ??= {
      kept: this.#partition.database.get<{ results: number }>(findResults, number)!.results,
      added: 0,
    }
    const results = this.#results
    const bytes = Buffer.byteLength(result)
    if (results.kept + results.added + bytes > MAX_RESULTS) return RESULT_NOT_KEPT
    results.added += bytes
    return result
  }

  /** Marks members that ended without completing as missing again. @returns how many members were marked */
  reopen(indices: readonly number[], starts: readonly number[]): number {
    const row = this.#row
    for (const [i, index] of indices.entries()) {
      const before = this.#members.of(index)
      if (before === undefined || before === 'completed') continue
      this.#members.set(index, undefined)
      this.#failedNoMore(index, before)
      const start = starts[i]
      if (start !== undefined) keepStart(this.#partition.database, row.number, index, start)
    }
    const count = this.#before.failed - row.failed
    if (count > 0) this.save()
    return count
  }

  /** @returns whether the flow is due now because of this transaction */
  save(): boolean {
    const { database, now } = this.#partition
    const { number, completed, failed, size, alarm, lent, dueAt } = this.#row
    const before = this.#before
    const reaches = (mark: number | null, from: number, to: number) =>
      isReached(mark, to) && !isReached(mark, from)
    if (reaches(size, before.completed + before.failed, completed + failed)) this.#row.reached = 1
    if (reaches(alarm, before.failed, failed)) this.#row.reached = 1
    const { reached } = this.#row
    const isCalled = this.#hasNews || reached === 1
    const isDue = isCalled && (lent === null || lent <= now) && (dueAt === null || dueAt > now)
    this.#members.save()
    const hasCounted = completed !== before.completed || failed !== before.failed
    const added = this.#results?.added ?? 0
    if (hasCounted || isDue || added > 0)
      database.run(count, completed, failed, reached, isDue ? now : dueAt, added, this.#cancelled, number)
    return isDue
  }
}
