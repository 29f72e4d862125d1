/**
 * The last call of each caller on a partition, and what it was answered: what makes resending safe.
 *
 * Only what cannot be found again is kept: nothing for an enqueue that queued everything or an exchange that
 * settled everything, the verdicts otherwise. Claimed jobs carry the call in their token.
 */
import { CALL_MEMORY, type Call } from '../store.ts'
import { parsed } from '../unreadable.ts'
import type { Partition } from './partition.ts'

const find = 'SELECT answer FROM calls WHERE partition = ? AND caller = ? AND number = ?'
const keep = `
  INSERT INTO calls (partition, caller, number, at, answer) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET number = excluded.number, at = excluded.at, answer = excluded.answer`
const prune = 'DELETE FROM calls WHERE partition = ? AND at < ?'
/** Whether `forgetCalls` would find something in a row of `partitions`, at an instant. */
export const olderCalls = (now: string) =>
  `EXISTS (SELECT 1 FROM calls WHERE partition = partitions.id AND at < ${now} - ${CALL_MEMORY})`

/**
 * The answers to this call if it came before. `usual` stands for every item without an answer of its own.
 */
export function recall<Answer>(
  partition: Partition,
  call: Call,
  items: number,
  usual: Answer,
): Answer[] | undefined {
  const found = partition.database.get<{ answer: string | null }>(
    find,
    partition.id,
    call.caller,
    call.number,
  )
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
