/**
 * The last call of each caller on a partition, and its answer, so that a call can be sent again.
 *
 * Only answers that cannot be read from the tables are kept: the verdicts, unless an enqueue queued all its
 * jobs or an exchange settled all its jobs. The jobs that a call claimed are found by their token, which
 * contains the call.
 */

import { parsed } from '../contract/rules/unreadable.ts'
import { CALL_MEMORY, type Call } from '../contract/store.ts'
import type { Partition } from './partition.ts'

const find = 'SELECT answer FROM calls WHERE partition = ? AND caller = ? AND number = ?'
const keep = `
  INSERT INTO calls (partition, caller, number, at, answer) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET number = excluded.number, at = excluded.at, answer = excluded.answer`
const prune = 'DELETE FROM calls WHERE partition = ? AND at < ?'
/** SQL: whether `forgetCalls` would remove something of a row of `partitions`, at an instant. */
export const olderCalls = (now: string) =>
  `EXISTS (SELECT 1 FROM calls WHERE partition = partitions.id AND at < ${now} - ${CALL_MEMORY})`

/**
 * The answers to this call if it was made before; undefined if not. If no answers were kept with the call,
 * each item had the answer `usual`.
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
