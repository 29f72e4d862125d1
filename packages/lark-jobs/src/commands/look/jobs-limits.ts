import { Command } from '@s18i/lark'
import { visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { operate } from '../../operate.ts'
import { circuitWords, grants } from './limit-words.ts'

/**
 * `lark jobs:limits`: lists the limiters, their limits and the jobs that hold their permits, and the open
 * circuits.
 */
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
    for (const circuit of circuits) this.warn(circuitWords(circuit))
  }
}
