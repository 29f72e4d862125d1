/**
 * Counts the ends of nodes and members at their flows, in one transaction: ends that come with `apply`, and
 * ends of jobs in the home of their flow (`end.ts`).
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

/** The counts of a flow, and when it is due, without its texts. */
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
/** `results` is stored after the large column `state`, so it is read only when a result is counted. */
const findResults = 'SELECT results FROM flows WHERE number = ?'

/** Counts the ends of jobs of this partition that have ended in this transaction. */
export function countEndsAtHome(partition: Partition): void {
  if (partition.ends.length > 0) countEnds(partition, partition.ends.splice(0))
}

/** @returns a verdict for each */
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

/** Whether a count has reached a mark; false without a mark. */
export function isReached(mark: number | null, count: number): boolean {
  return mark !== null && count >= mark
}

/** The ended nodes and members of a flow, as one transaction counts them. */
export class FlowTally {
  readonly #partition: Partition
  readonly #row: FlowRow
  readonly #members: Members
  readonly #before: Pick<FlowRow, 'completed' | 'failed'>
  #hasNews = false
  /** How many more members count as cancelled than before. */
  #cancelled = 0
  /** Bytes of results: `kept` in the row, and `added` by this transaction. */
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

  /** The text that is kept of a result. */
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

  /** @returns how many members are missing again */
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

  /** @returns whether the flow is due earlier than before */
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
