import { arg, Command, flag } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { codedLine } from '../../model/run/job-error.ts'
import {
  type EventGap,
  type EventKind,
  type JobDetail,
  type Operate,
  operate,
  type QueueEvent,
  type TailEvent,
} from '../../operate.ts'
import { writtenText } from '../../run/job-log.ts'
import { INTERRUPTED } from '../change/job-change.ts'
import { orFlow } from '../flows/flow-words.ts'
import { completed } from '../words/completed.ts'
import { delayWords, reportedWords } from '../words/job-words.ts'

/** The exit codes for the ways in which following a job may end. */
const codes = { completed: 0, failed: 1, cancelled: 3, gone: 4, interrupted: INTERRUPTED } as const
/**
 * The maximum number of events in a second that are printed. If there are more, all events except failures
 * are only counted.
 */
const CALM = 50
/** How many jobs are remembered, so that a job with several events is looked up only once. */
const MOST_KNOWN = 5_000

const styles: Partial<Record<string, 'green' | 'red' | 'yellow'>> = {
  completed: 'green',
  success: 'green',
  failed: 'red',
  crashed: 'red',
  error: 'red',
  retrying: 'yellow',
  warn: 'yellow',
}

/** `lark jobs:tail`: follows one job, or all jobs of some queues. */
export class JobsTailCommand extends Command {
  readonly key = 'jobs:tail'
  override description = 'Follow one job with its log until it ends, or what happens to all jobs'
  id = arg.string('The id of a job', { optional: true })
  queue = flag.strings('Only jobs of these queues')
  job = flag.string('Only jobs of this key')
  readonly #keys = new Map<string, string>()
  /** How many events there were in the current second, by kind. */
  readonly #events = new Map<EventKind, number>()
  #second: NodeJS.Timeout | undefined

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    const { id, queue, job } = this
    if (id !== undefined && (job !== undefined || queue.length > 1))
      throw usageError('A job was given beside --job, or several queues', 'Leave out one of them.')
    await using jobs = Jobs
    const operating = operate(jobs)
    if (id !== undefined) return await this.#follow(operating, id)
    for await (const event of operating.events({
      signal: this.signal,
      ...(queue.length > 0 && { queues: queue }),
    }))
      await this.#event(operating, event)
    this.#tell()
    return 0
  }

  /** @returns the exit code */
  async #follow(operating: Operate, id: string): Promise<number> {
    const { signal } = this
    try {
      for await (const news of operating.tail(id, { signal, ...defined({ queue: this.queue[0] }) })) {
        if (this.json) this.console.json(news)
        else this.#news(news)
        if (news.kind === 'gone') return codes.gone
        if (news.kind !== 'state') continue
        const { state } = news.job
        if (state === 'completed' || state === 'failed' || state === 'cancelled') return codes[state]
      }
    } catch (error) {
      throw await orFlow(operating, error, 'jobs:flow')
    }
    return codes.interrupted
  }

  #news(news: TailEvent): void {
    const now = Date.now()
    if (news.kind === 'log') {
      const { at, level, text } = news.line
      this.#line(at, level, writtenText(text))
    } else if (news.kind === 'progress') this.#line(now, 'progress', visible(reportedWords(news.progress)))
    else if (news.kind === 'gap')
      this.#line(now, 'gap', 'the job wrote more than is kept: some lines are missing')
    else if (news.kind === 'gone') this.#line(now, 'gone', 'the job was removed, or is not kept any longer')
    else {
      const { job } = news
      const { state, key, queue, runs, failures, holder, claimedAt, finishedAt, reason, because } = job
      const error = job.errors.at(-1)
      const words = {
        waiting: `${key} in ${queue}`,
        delayed: `${key} in ${queue}, ${delayWords(job)}`,
        blocked: `${key} in ${queue}`,
        active: `${key} in ${queue}, attempt ${failures + 1}, worker ${holder}`,
        completed: `after ${runs} ${runs === 1 ? 'run' : 'runs'}`,
        failed: error === undefined ? '' : codedLine(error),
        cancelled: [reason, because].filter(Boolean).join(': '),
      }[state]
      const again =
        state !== 'failed' && finishedAt === undefined && error ? `, after ${codedLine(error)}` : ''
      this.#line(finishedAt ?? claimedAt ?? now, state, visible(`${words}${again}`))
    }
  }

  async #event(operating: Operate, event: QueueEvent | EventGap): Promise<void> {
    if (event.kind === 'gap') {
      if (this.json) this.console.json({ kind: 'gap', queue: event.queue })
      else this.#line(Date.now(), 'gap', visible(`some events of ${event.queue} may be missing`))
      return
    }
    const { kind, id, queue, at, schedule } = event
    const hasFailed = kind === 'failed' || kind === 'retrying' || kind === 'crashed'
    const isCounted = this.job === undefined && !this.json && this.#count(kind)
    if (isCounted && !hasFailed) return
    const job = hasFailed || !this.#keys.has(id) ? await this.#find(operating, id, queue) : undefined
    const key = this.#keys.get(id)
    if (this.job !== undefined && key !== this.job) return
    const error = hasFailed ? job?.errors.at(-1) : undefined
    if (this.json) {
      this.console.json({ kind, id, queue, at, ...defined({ key, schedule, error }) })
      return
    }
    const why = error === undefined ? '' : `  ${codedLine(error)}`
    this.#line(at, kind, visible(`${key ?? '?'} ${id}  ${queue}${why}`))
  }

  /** Counts an event. @returns whether there are too many events to show each of them */
  #count(kind: EventKind): boolean {
    this.#second ??= setTimeout(() => this.#tell(), 1_000)
    this.#events.set(kind, (this.#events.get(kind) ?? 0) + 1)
    return this.#total > CALM
  }

  get #total(): number {
    return [...this.#events.values()].reduce((sum, each) => sum + each, 0)
  }

  /** Prints how many events there were in the last second, if some of them were not printed. */
  #tell(): void {
    clearTimeout(this.#second)
    this.#second = undefined
    const counts = [...this.#events].map(([what, count]) => `${count.toLocaleString('en')} ${what}`)
    if (this.#total > CALM) this.#line(Date.now(), 'second', counts.join(', '))
    this.#events.clear()
  }

  async #find(operating: Operate, id: string, queue: string): Promise<JobDetail | undefined> {
    const job = await operating.find(id, { queue })
    if (job === undefined) return undefined
    if (this.#keys.size >= MOST_KNOWN) this.#keys.delete(this.#keys.keys().next().value!)
    this.#keys.set(id, job.key)
    return job
  }

  /** Prints a line such as `14:03:59 completed  send-email Vc8OFh7MWosZE  emails`. */
  #line(at: number, what: string, text: string): void {
    const style = styles[what]
    const word = what.padEnd(9)
    const time = new Date(at).toTimeString().slice(0, 8)
    this.line(`${time} ${style === undefined ? word : this.console.paint(style, word)}  ${text}`.trimEnd())
  }
}
