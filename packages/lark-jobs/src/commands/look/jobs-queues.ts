import { Command, flag } from '@s18i/lark'
import { defined, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import {
  type LimiterStatus,
  type Operate,
  operate,
  type QueueMeasures,
  type QueueStatus,
} from '../../operate.ts'
import { readable } from '../../words/duration.ts'
import { completed } from '../words/completed.ts'
import { circuitWords, grants } from './limit-words.ts'
import { remarksOn } from './queue-remarks.ts'
import { everyOf, outlasts } from './watched.ts'

/** A queue with its jobs and its figures. */
type WholeQueue = QueueStatus & QueueMeasures

/**
 * `lark jobs:queues`: shows the queues with all their figures: how long jobs wait, how many jobs become due
 * and how many end.
 */
export class JobsQueuesCommand extends Command {
  readonly key = 'jobs:queues'
  override description = 'Show the queues in full: their jobs, how long these wait and run, the limits in use'
  queue = flag.string('Only this queue')
  watch = flag.boolean('Draw it again and again, until Ctrl-C', { short: 'w' })
  every = flag.string('How often --watch draws it, such as 500ms or 1m. Default: 1s')

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    const every = everyOf(this)
    await using jobs = Jobs
    const operating = operate(jobs, { names: { queue: '--queue' } })
    if (this.watch) return await this.live(() => this.#show(operating), { every, outlasts })
    if (this.json) return await this.#look(operating)
    return await this.#show(operating)
  }

  async #look(operating: Operate) {
    // This call comes first, because it throws for a queue that does not exist.
    const figures = await operating.figures(defined({ queue: this.queue }))
    const status = await operating.status()
    const [limiters, circuits] = [await operating.limiters(), await operating.circuits()]
    const queues = figures.queues.flatMap((measures): WholeQueue[] => {
      const its = status.queues.find(({ queue }) => queue === measures.queue)
      return its === undefined ? [] : [{ ...its, ...measures }]
    })
    return { ...status, queues, limiters, circuits }
  }

  async #show(operating: Operate): Promise<void> {
    const { store, queues, workers, limiters, circuits } = await this.#look(operating)
    this.info(visible(store))
    this.table(
      ['QUEUE', 'WAITING', 'DELAYED', 'RETRYING', 'ACTIVE', 'FAILED', 'COMPLETED', 'CANCELLED', 'WORKERS'],
      queues.map(({ queue, counts, retrying, workers }) => {
        const { waiting, delayed, active, failed, completed, cancelled } = counts
        return [visible(queue), waiting, delayed, retrying, active, failed, completed, cancelled, workers]
      }),
    )
    this.line()
    this.table(
      ['QUEUE', 'IN/MIN', 'OUT/MIN', 'WAIT P50', 'P95', 'P99', 'RUN P50', 'P95', 'OLDEST'],
      queues.map((each) => {
        const { queue, wait, process } = each
        const times = [wait.p50, wait.p95, wait.p99, process.p50, process.p95].map(time)
        return [visible(queue), each.in, each.out, ...times, this.#oldest(each)]
      }),
    )
    this.#limits(limiters)
    for (const circuit of circuits) this.warn(circuitWords(circuit))
    for (const { kind, text } of remarksOn({ queues, workers })) this[kind](text)
  }

  /**
   * How long the oldest waiting job has waited, with the target of the queue, if it has one: `40 s of 30 s`.
   */
  #oldest({ oldest, target }: QueueMeasures): string {
    if (oldest === undefined) return ''
    const text = target === undefined ? readable(oldest) : `${readable(oldest)} of ${readable(target)}`
    return target !== undefined && oldest > target ? this.console.paint('red', text) : text
  }

  #limits(limiters: readonly LimiterStatus[]): void {
    const used = limiters.filter(({ held, waits }) => held > 0 || waits.length > 0)
    if (used.length === 0) return
    this.line()
    this.table(
      ['LIMITER', 'HELD', 'WANTED', 'GRANTS'],
      used.map((each) => {
        const wanted = each.waits.reduce((sum, { permits }) => sum + permits, 0)
        return [visible(each.limiter), each.held, wanted, grants(each)]
      }),
    )
  }
}

function time(ms: number | undefined): string {
  return ms === undefined ? '' : readable(ms)
}
