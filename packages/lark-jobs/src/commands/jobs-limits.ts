import { Command } from '@s18i/lark'
import { visible } from '@s18i/lark/config'
import { Jobs } from '../api/default-jobs.ts'
import { readable } from '../model/duration.ts'
import { type LimiterStatus, operate } from '../operate.ts'

/** `lark jobs:limits`: what limiters grant and who has it, and which circuits are open. */
export class JobsLimitsCommand extends Command {
  readonly key = 'jobs:limits'
  override description = 'Show the limiters with their permits, and the open circuits'

  async handle() {
    await using jobs = Jobs
    const operating = operate(jobs)
    const [limiters, circuits] = [await operating.limiters(), await operating.circuits()]
    if (this.json) return { limiters, circuits }
    if (limiters.length > 0)
      this.table(
        ['LIMITER', 'GRANTS', 'HELD', 'BY', 'WAITING FOR'],
        limiters.map((each) => [
          visible(each.limiter),
          grants(each),
          each.held,
          visible(each.holders.map(({ worker, permits }) => `${worker}: ${permits}`).join(', ')),
          each.waits.map(({ permits }) => permits).join(', '),
        ]),
      )
    else this.success('No limiters')
    for (const { circuit, state, until } of circuits) {
      const next = state === 'open' ? ` for ${readable(Math.max(0, until - Date.now()))}` : ''
      this.warn(visible(`Circuit ${circuit} is ${state}${next}`))
    }
  }
}

/** What a limiter grants: `5 at a time, 100 in 1 min`. */
export function grants({ limits: { concurrency, rate } = {} }: LimiterStatus): string {
  const all = [
    ...(concurrency === undefined ? [] : [`${concurrency} at a time`]),
    ...(rate === undefined ? [] : [`${rate.limit} in ${readable(rate.per)}`]),
  ]
  return all.join(', ')
}
