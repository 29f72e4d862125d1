/**
 * What `jobs:work` shows while it runs.
 *
 * For people: a line a job. When more than 50 end within a second, lines would only rush by: then one line a
 * second counts them, until it is calm again. Failures, and what jobs warn of, are always shown.
 * For machines: one JSON object a line, for everything.
 */
import type { Console } from '@s18i/lark'
import { readable } from '../duration.ts'
import type { LeasedJob, LogLine } from '../record.ts'
import type { Ending, Report } from '../worker/report.ts'

/** Jobs a second above which they are counted. */
const CALM = 50

export class ConsoleReport implements Report {
  readonly #console: Console
  #ended = 0
  #total = 0
  #hidden = 0
  #fast = false
  #second: NodeJS.Timeout | undefined
  readonly #queues = new Map<string, { completed: number; retried: number; failed: number }>()

  constructor(console: Console) {
    this.#console = console
  }

  wrote(lease: LeasedJob, name: string, { level, text }: LogLine): void {
    if (this.#fast && (level === 'info' || level === 'success')) return
    this.#console[level](`${name} ${lease.id}  ${text}`)
  }

  ended(ending: Ending): void {
    this.#count()
    this.#book(ending)
    const { outcome } = ending
    if (outcome.kind === 'failed') this.#failed(ending, outcome.error.message, outcome.retryIn)
    else if (this.#fast) this.#hidden++
    else if (outcome.kind === 'completed') this.#line('✓', 'green', ending, '')
    else if (outcome.kind === 'released' && ending.tries === undefined)
      this.#line('!', 'yellow', ending, `no class here has the key; again in ${readable(outcome.in)}`)
    else
      this.#line(
        'i',
        'blue',
        ending,
        outcome.kind === 'cancelled' ? `cancelled (${outcome.reason})` : 'given back',
      )
  }

  warn(text: string): void {
    this.#console.warn(text)
  }

  info(text: string): void {
    this.#console.info(text)
  }

  /** Shows what is still hidden, and how each queue fared when there was more than one. */
  end(): void {
    clearTimeout(this.#second)
    this.#tell()
    if (this.#queues.size < 2) return
    this.#console.line()
    this.#console.table(
      ['QUEUE', 'COMPLETED', 'RETRIED', 'FAILED'],
      [...this.#queues].map(([queue, { completed, retried, failed }]) => [queue, completed, retried, failed]),
    )
    this.#console.line()
  }

  #book({ queue, outcome }: Ending): void {
    let counts = this.#queues.get(queue)
    if (counts === undefined) {
      counts = { completed: 0, retried: 0, failed: 0 }
      this.#queues.set(queue, counts)
    }
    if (outcome.kind === 'completed') counts.completed++
    else if (outcome.kind === 'failed') counts[outcome.retryIn === undefined ? 'failed' : 'retried']++
  }

  #failed(ending: Ending, message: string, retryIn: number | undefined): void {
    const attempt = `attempt ${ending.lease.failures + 1} of ${ending.tries}`
    const then = retryIn === undefined ? 'failed for good' : `again in ${readable(retryIn)}`
    this.#line(
      retryIn === undefined ? '✗' : '↻',
      retryIn === undefined ? 'red' : 'yellow',
      ending,
      `${attempt}, ${then}: ${message.split('\n', 1)[0]}`,
    )
  }

  #line(
    mark: string,
    style: 'green' | 'yellow' | 'red' | 'blue',
    { name, lease, queue, took }: Ending,
    text: string,
  ): void {
    const again = text === '' && lease.failures > 0 ? `attempt ${lease.failures + 1}` : text
    const facts = `${name.padEnd(20)} ${lease.id}  ${queue.padEnd(14)} ${readable(took).padStart(8)}`
    this.#console.line(`${this.#console.paint(style, mark)} ${facts}${again === '' ? '' : `  ${again}`}`)
  }

  #count(): void {
    this.#ended++
    this.#total++
    if (this.#ended > CALM) this.#fast = true
    this.#second ??= setTimeout(() => this.#tell(), 1_000).unref()
  }

  /** A second is over. */
  #tell(): void {
    if (this.#hidden > 0) {
      this.#console.line(
        `  ${this.#ended.toLocaleString('en')} runs in the last second, ${this.#total.toLocaleString('en')} in all`,
      )
    }
    this.#fast = this.#ended > CALM
    this.#ended = 0
    this.#hidden = 0
    this.#second = undefined
  }
}

export class JsonReport implements Report {
  readonly #console: Console

  constructor(console: Console) {
    this.#console = console
  }

  wrote({ id, key }: LeasedJob, name: string, { level, text }: LogLine): void {
    this.#console.json({ event: 'log', id, key, name, level, text })
  }

  ended({ lease, name, queue, outcome, took, tries }: Ending): void {
    const { kind, log: _, ...rest } = outcome
    this.#console.json({
      event: 'job',
      id: lease.id,
      key: lease.key,
      name,
      queue,
      outcome: kind,
      attempt: lease.failures + 1,
      tries,
      took: Number(took.toFixed(2)),
      ...rest,
    })
  }

  warn(text: string): void {
    this.#console.json({ event: 'warning', text })
  }

  info(text: string): void {
    this.#console.json({ event: 'info', text })
  }

  end(): void {}
}
