/**
 * Keeps the last call of each caller on a partition, with the answer to the call, because a caller may send a
 * call again.
 *
 * Only the verdicts of an answer are kept, and only if they are not all `queued` (for an `enqueue`) or all
 * `settled` (for an `exchange`). The jobs that a call has claimed are found by their token, which contains
 * the caller and the number of the call.
 */

import { parsed } from '../contract/rules/unreadable.ts'
import { CALL_MEMORY, type Call } from '../contract/store.ts'
import type { Partition } from './partition.ts'

const find = 'SELECT answer FROM calls WHERE partition = ? AND caller = ? AND number = ?'
const keep = `
  INSERT INTO calls (partition, caller, number, at, answer) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET number = excluded.number, at = excluded.at, answer = excluded.answer`
const prune = 'DELETE FROM calls WHERE partition = ? AND at < ?'
/**
 * SQL for a row of `partitions`: whether the partition has calls that `forgetCalls` would remove at the
 * instant `now`.
 */
export const olderCalls = (now: string) =>
  `EXISTS (SELECT 1 FROM calls WHERE partition = partitions.id AND at < ${now} - ${CALL_MEMORY})`

/**
 * The verdicts of a call that was sent before; undefined if the call is new. If no verdicts were kept with
 * the call, each item had the verdict `usual`.
 */
export function recall<Answer>(
  partition: Partition,
  call: Call,
  items: number,
  usual: Answer,
): Answer[] | undefined {
  const { database, id } = partition
  const found = database.get<{ answer: string | null }>(find, id, call.caller, call.number)
  if (found === undefined) return undefined
  const answers = parsed(found.answer)
  return Array.isArray(answers) ? answers : new Array(items).fill(usual)
}

export function remember<Answer>(
  partition: Partition,
  call: Call,
  answers: readonly Answer[],
  usual: Answer,
): void {
  const answer = answers.every((given) => given === usual) ? null : JSON.stringify(answers)
  partition.database.run(keep, partition.id, call.caller, call.number, partition.now, answer)
}

export function forgetCalls(partition: Partition): void {
  partition.database.run(prune, partition.id, partition.now - CALL_MEMORY)
}
