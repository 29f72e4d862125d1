/**
 * Short forms of jobs with groups, for tests.
 */
import type { Group, NewJob } from '../../src/model/record.ts'
import { type Caller, LEASE } from './caller.ts'
import { completed, settlement } from './jobs.ts'

export const of = (name: string, fields: Partial<Group> = {}): Partial<NewJob> => ({
  group: { name, ...fields },
})
export const limited = (name: string, concurrency: number) => of(name, { limits: { concurrency } })

/** Settles one job and claims other jobs in the same call. */
export function swap(
  caller: Caller,
  held: Parameters<typeof settlement>[0],
  outcome = completed,
  limit = 10,
) {
  return caller.exchange([settlement(held, outcome)], { limit, leaseMs: LEASE })
}
