/**
 * Settles and claims jobs in one transaction: the main call of a worker.
 */
import { defined } from '@s18i/lark/internal'
import { bothLimits } from '../../contract/rules/pause.ts'
import { checkLimits } from '../../contract/rules/rate.ts'
import type { Call, DueFlows, Exchange, Settlement, Verdict, Want } from '../../contract/store.ts'
import { recall, remember } from '../calls.ts'
import { handOutFlows } from '../documents/flows.ts'
import { exchangeEffects } from '../effects/effect.ts'
import { countEndsAtHome } from '../effects/tally.ts'
import { settle } from '../end/settle.ts'
import { joinWaiters, leaveWaiters } from '../events/waiters.ts'
import { allowedStarts } from '../limits/rate.ts'
import type { Partition } from '../partition.ts'
import { claim, claimedBefore } from './claim.ts'
import { repositionLanes } from './lane.ts'
import { limited, nextJob } from './order.ts'

export function exchange(
  partition: Partition,
  call: Call,
  settlements: readonly Settlement[],
  want: Want,
): Exchange {
  if (want.limits) checkLimits(want.limits)
  const token = `${call.caller}.${call.number}`
  const known = recall<Verdict>(partition, call, settlements.length, 'settled')
  if (known) {
    const jobs = claimedBefore(partition, token)
    return withTick(partition, want, { verdicts: known, jobs, ...due(partition, 0) })
  }

  const verdicts = settle(partition, settlements)
  countEndsAtHome(partition)
  repositionLanes(partition)
  const limits = bothLimits(partition.limits, want.limits)
  const within = limits && want.limit > 0 ? allowedStarts(partition, limits) : undefined
  const limit = Math.min(want.limit, within?.free ?? want.limit)
  const jobs = claim(partition, limits ? { ...want, limit, prefetch: 0 } : want, token)
  within?.note(jobs.length)
  repositionLanes(partition)
  const isLimited = jobs.length === within?.free && jobs.length < want.limit
  const hasLess = jobs.length < want.limit && (isLimited || nextJob(partition) !== 0)
  // If the partition has limits or lanes, each settled job may let a waiting job begin, so a waiting caller
  // is rung for it.
  const ended = verdicts.filter((verdict) => verdict === 'settled').length
  if (partition.lanes > 0) partition.freed = ended
  else if (limits) partition.freed = Math.max(0, ended - jobs.length)
  remember<Verdict>(partition, call, verdicts, 'settled')
  if (hasLess) joinWaiters(partition, call.caller)
  else if (want.limit > 0) leaveWaiters(partition, call.caller)
  const dueFlows = flowsFor(partition, want)
  const exchanged = withTick(partition, want, {
    verdicts,
    ...defined({ dueFlows }),
    jobs,
    ...due(partition, isLimited ? within?.wait : 0),
  })
  const effects = exchangeEffects(partition, want.effects)
  if (effects.length > 0) exchanged.effects = effects
  const counts = limit > 0 && partition.lanes > 0 && !partition.paused ? limited(partition) : {}
  return Object.keys(counts).length > 0 ? { ...exchanged, limited: counts } : exchanged
}

/** Hands out the due flows, if this call has made a flow due and its caller can advance it. */
function flowsFor(partition: Partition, { flows, limit }: Want): DueFlows | undefined {
  const isWanted = flows === true && limit > 0 && partition.ticksSooner && partition.nextTick === 0
  return isWanted ? handOutFlows(partition) : undefined
}

/**
 * Adds the time at which the next schedule or flow is due, if the caller has free slots or has made a flow
 * due. A caller that wants jobs also handles due schedules and flows, so no other caller is rung for them. A
 * caller that wants no jobs may be about to stop, so another caller is rung for them.
 */
function withTick(partition: Partition, { limit }: Want, exchanged: Exchange): Exchange {
  const { nextTick } = partition
  if (nextTick === undefined) return exchanged
  const isNews = partition.ticksSooner || exchanged.dueFlows !== undefined
  if (isNews || exchanged.jobs.length < limit) exchanged.nextTick = nextTick
  if (limit > 0) partition.ticksSooner = false
  return exchanged
}

/**
 * @param after milliseconds after which more jobs may begin; undefined if an active job must end before more
 *   jobs may begin
 */
function due(partition: Partition, after: number | undefined): Pick<Exchange, 'nextDue'> {
  const nextDue = nextJob(partition)
  // During a pause no caller is rung, so every answer says when the pause ends.
  if (nextDue !== undefined && partition.paused) return { nextDue }
  return nextDue === undefined || after === undefined ? {} : { nextDue: Math.max(nextDue, after) }
}
