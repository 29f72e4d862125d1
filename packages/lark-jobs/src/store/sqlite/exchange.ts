/**
 * Settling and claiming in one step: a worker's whole conversation.
 */
import type { Call, Exchange, Settlement, Verdict, Want } from '../store.ts'
import { recall, remember } from './calls.ts'
import { claim, claimedBefore } from './claim.ts'
import type { Partition } from './partition.ts'
import { settle } from './settle.ts'
import { joinWaiters, leaveWaiters } from './waiters.ts'

export function exchange(
  partition: Partition,
  call: Call,
  settlements: readonly Settlement[],
  want: Want,
): Exchange {
  const token = `${call.caller}.${call.number}`
  const known = recall<Verdict>(partition, call, settlements.length, 'settled')
  if (known) return answer(partition, known, claimedBefore(partition, token))

  const verdicts = settle(partition, settlements)
  const jobs = claim(partition, want, token)
  const hasLess = jobs.length < want.limit && partition.nextDue !== 0
  remember<Verdict>(partition, call, verdicts, 'settled')
  if (hasLess) joinWaiters(partition, call.caller)
  else if (want.limit > 0) leaveWaiters(partition, call.caller)
  return answer(partition, verdicts, jobs)
}

function answer(partition: Partition, verdicts: Verdict[], jobs: Exchange['jobs']): Exchange {
  const { nextDue } = partition
  return nextDue === undefined ? { verdicts, jobs } : { verdicts, jobs, nextDue }
}
