import { Command, flag } from '@s18i/lark'
import { visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import {
  type EndedCounts,
  type Incident,
  type Operate,
  operate,
  type QueueRetention,
  type QueueStatus,
} from '../../operate.ts'
import { incidentsInLines, writtenIncident } from '../words/incident-words.ts'
import { remarksOn, remarksOnAlarms, remarksOnUnheard } from './queue-remarks.ts'
import { everyOf, outlasts } from './watched.ts'

const keptStates = ['failed', 'completed', 'cancelled'] as const
type KeptState = (typeof keptStates)[number]

/** `lark jobs:status`: shows an overview of the queues. */
export class JobsStatusCommand extends Command {
  readonly key = 'jobs:status'
  override description = 'Show the queues, their jobs and their workers'

  watch = flag.boolean('Draw it again and again, until Ctrl-C', { short: 'w' })
  every = flag.string('How often --watch draws it, such as 500ms or 1m. Default: 1s')

  async handle() {
    const every = everyOf(this)
    await using jobs = Jobs
    const operating = operate(jobs)
    if (this.watch) return await this.live(() => this.#show(operating), { every, outlasts })
    if (this.json) {
      const [status, incidents] = await Promise.all([operating.status(), operating.incidents()])
      return { ...status, incidents: incidents.map(writtenIncident) }
    }
    return await this.#show(operating)
  }

  async #show(operating: Operate): Promise<void> {
    const [status, unheard, incidents] = await Promise.all([
      operating.status(),
      operating.workers.unheard(),
      operating.incidents(),
    ])
    const { queues } = status
    const keeps = new Map<string, QueueRetention>()
    for (const { queue } of queues) keeps.set(queue, await operating.retention(queue))
    /**
     * Whether the store has as many ended jobs of this state as it keeps. If so, there may have been more
     * such jobs.
     */
    const isFull = ({ queue, partitions }: QueueStatus, state: KeptState) =>
      partitions.some(({ counts }) => counts[state] >= keeps.get(queue)![state].count)
    const column = (head: string, of: (queue: QueueStatus) => string) => toTheRight([head, ...queues.map(of)])
    const kept = keptStates.map((state) =>
      column(state.toUpperCase(), (each) => `${each.counts[state]}${isFull(each, state) ? '+' : ''}`),
    )
    // The cell also shows the number of suspended jobs, if there are any.
    const delayed = column('DELAYED', ({ counts: { delayed }, suspended }) =>
      suspended === 0 ? `${delayed}` : `${delayed} (${suspended} suspended)`,
    )
    const ended = [
      column('1 MIN', ({ lastMinute }) => words(lastMinute)),
      column('1 H', ({ lastHour }) => words(lastHour)),
    ]
    const columns = [...kept, ...ended]
    this.info(visible(status.store))
    const paint = (colour: 'red' | 'yellow', text: string) => this.console.paint(colour, text)
    for (const line of incidentsInLines(withoutRemarks(incidents), paint)) this.line(line)
    this.table(
      ['QUEUE', 'WAITING', delayed[0]!, 'RETRYING', 'ACTIVE', ...columns.map(([head]) => head!), 'WORKERS'],
      queues.map(({ queue, counts: { waiting, active }, retrying, workers }, i) => {
        return [
          visible(queue),
          waiting,
          delayed[i + 1],
          retrying,
          active,
          ...columns.map((cells) => cells[i + 1]),
          workers,
        ]
      }),
    )
    const limits = new Set<string>()
    for (const state of keptStates)
      for (const each of queues.filter((each) => isFull(each, state)))
        limits.add(`${keeps.get(each.queue)![state].count.toLocaleString('en')} ${state}`)
    const each = queues.some(({ partitions }) => partitions.length > 1) ? 'partition' : 'queue'
    if (limits.size > 0) this.info(`+: each ${each} keeps only its newest ${[...limits].join(', ')} jobs`)
    for (const { kind, text } of [
      ...remarksOnAlarms(status.alarms),
      ...remarksOn(status, incidents),
      ...remarksOnUnheard(unheard),
    ])
      this[kind](text)
  }
}

/** The incidents of queues. The remarks below the table show all other incidents. */
function withoutRemarks(incidents: readonly Incident[]): Incident[] {
  return incidents.filter(({ kind }) => kind !== 'finding')
}

function words({ completed, failed }: EndedCounts): string {
  return failed === 0 ? `${completed}` : `${completed}, ${failed} failed`
}

/** Aligns the head and the cells of a column to the right. (A table aligns text to the left by default.) */
function toTheRight(cells: readonly string[]): string[] {
  const width = Math.max(...cells.map((cell) => cell.length))
  return cells.map((cell) => cell.padStart(width))
}
