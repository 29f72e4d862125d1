/**
 * The output of `jobs:work` while it runs.
 *
 * For people, there is one line for each job, with the time of day. The first failure of each kind is
 * followed by the stack and the causes of its error. If more than 50 jobs end within a second, people could
 * not read the lines, so one line per second shows only the number of jobs. Failures and warnings of jobs are
 * always shown. For machines, there is one line of JSON for each event.
 */
import type { Console } from '@s18i/lark'
import { visible } from '@s18i/lark/internal'
import { isForEver } from '../../model/journal.ts'
import type { ClaimedJob, KeptError, LogLine, Outcome } from '../../model/record.ts'
import type { Remedy } from '../../model/remedy.ts'
import { released, suspended } from '../../model/run/decision.ts'
import { codedLine, errorLine, partsOf } from '../../model/run/job-error.ts'
import { fingerprintOf } from '../../run/fingerprint.ts'
import { writtenText } from '../../run/job-log.ts'
import type { ProcessSlot, QueueFigures } from '../../supervisor/protocol.ts'
import type { ShownReport } from '../../supervisor/supervised.ts'
import { readable } from '../../words/duration.ts'
import type { EndedRun, RunningJob, WorkerSummary } from '../../worker/report.ts'
import { commandFor } from '../words/remedy-commands.ts'

type Suspended = Outcome & { kind: 'suspended' }

/** If more jobs than this end in a second, jobs are only counted. */
const CALM = 50
/** The maximum number of failures in a second that are checked for a new kind. */
const LOOKED_AT = 20
/** The maximum number of kinds of failures that are remembered. */
const KINDS = 1_000
/** The maximum number of lines of a stack that are printed. */
const FRAMES = 8
/**
 * The maximum number of long-running jobs that get a line each. If more jobs run for long, one line says how
 * many.
 */
const FEW = 5

export class ConsoleReport implements ShownReport {
  readonly queues = new Map<string, QueueFigures>()
  hidden = 0
  readonly #console: Console
  readonly #calm: number
  /**
   * Whether this report prints the line that counts the jobs. If there are several processes, their
   * supervisor prints it.
   */
  readonly #counts: boolean
  /** The number of the process, if there are several processes. */
  readonly #speaker: string
  /** The kinds of failures whose stack was already printed. */
  readonly #kinds = new Set<string>()
  #looked = 0
  #ended = 0
  #total = 0
  #counted = 0
  #fast = false
  #second: NodeJS.Timeout | undefined

  /** @param slot the number of this process, if it has a supervisor */
  constructor(console: Console, slot?: ProcessSlot) {
    this.#console = console
    this.#calm = CALM / (slot?.of ?? 1)
    this.#counts = slot === undefined
    this.#speaker = slot === undefined || slot.of === 1 ? '' : `#${slot.number} `
  }

  wrote(job: ClaimedJob, name: string, { level, text }: LogLine): void {
    if (this.#fast && (level === 'info' || level === 'success')) return
    this.#console[level](`${timeOfDay()} ${visible(name)} ${visible(job.id)}  ${writtenText(text)}`)
  }

  running(jobs: readonly RunningJob[]): void {
    if (this.#fast) return
    if (jobs.length > FEW) {
      const names = [...new Set(jobs.map(({ name }) => visible(name)))]
      const which = names.length > FEW ? [...names.slice(0, FEW), `${names.length - FEW} more`] : names
      const took = readable(Math.min(...jobs.map(({ took }) => took)))
      this.#console.info(
        `${timeOfDay()} ${jobs.length} jobs have run for ${took} so far: ${which.join(', ')}`,
      )
      return
    }
    for (const { name, job, took } of jobs)
      this.#console.info(
        `${timeOfDay()} ${visible(name)} ${visible(job.id)}  has run for ${readable(took)} so far`,
      )
  }

  ended(ending: EndedRun): void {
    this.#count()
    this.#book(ending)
    const { outcome } = ending
    if (outcome.kind === 'failed') this.#failed(ending, outcome.error, outcome.retryIn)
    else if (this.#fast) this.hidden++
    else if (outcome.kind === 'completed') this.#line('✓', 'green', ending, '')
    else if (outcome.kind === 'released' && ending.tries === undefined)
      this.#line('!', 'yellow', ending, `${unknown(ending)}; again in ${readable(outcome.in)}`)
    else if (outcome.kind === 'released' && ending.isAsked)
      this.#line('↻', 'blue', ending, `${released(outcome.in)}${why(outcome)}`)
    else if (outcome.kind === 'suspended') this.#line('↻', 'blue', ending, suspendedWords(outcome))
    else if (outcome.kind === 'cancelled') this.#line('i', 'blue', ending, `cancelled (${outcome.reason})`)
    else this.#line('i', 'blue', ending, 'given back')
  }

  warn(text: string, remedy?: Remedy): void {
    this.#console.warn(`${this.#speaker}${writtenText(withCommand(text, remedy))}`)
  }

  info(text: string): void {
    this.#console.info(`${this.#speaker}${writtenText(text)}`)
  }

  /** Prints the line that counts the jobs. */
  counted(ended: number, total: number): void {
    this.#console.line(
      `  ${ended.toLocaleString('en')} runs in the last second, ${total.toLocaleString('en')} in all`,
    )
  }

  /** Prints the number of jobs that were not shown yet. */
  end(): void {
    clearTimeout(this.#second)
    this.#tell()
  }

  #book({ queue, outcome }: EndedRun): void {
    let counts = this.queues.get(queue)
    if (counts === undefined) {
      counts = { completed: 0, retried: 0, failed: 0 }
      this.queues.set(queue, counts)
    }
    if (outcome.kind === 'completed') counts.completed++
    else if (outcome.kind === 'failed') counts[outcome.retryIn === undefined ? 'failed' : 'retried']++
  }

  #failed(ending: EndedRun, error: KeptError, retryIn: number | undefined): void {
    const of = ending.isTimed || ending.tries === undefined ? '' : ` of ${ending.tries}`
    const attempt = `attempt ${ending.job.failures + 1}${of}`
    const then = retryIn === undefined ? 'failed for good' : `again in ${readable(retryIn)}`
    const [mark, style] = retryIn === undefined ? (['✗', 'red'] as const) : (['↻', 'yellow'] as const)
    this.#line(mark, style, ending, `${attempt}, ${then}: ${errorLine(error)}`)
    if (this.#isNew(ending, error))
      for (const line of explained(error)) this.#console.line(this.#console.paint('dim', `  │ ${line}`))
  }

  /** Whether a failure is the first of its kind. */
  #isNew({ job: { id, key } }: EndedRun, error: KeptError): boolean {
    if (this.#looked++ >= LOOKED_AT || this.#kinds.size >= KINDS) return false
    const { hash } = fingerprintOf({ id, key, errors: [{ run: 1, ...error }] })!
    if (this.#kinds.has(hash)) return false
    this.#kinds.add(hash)
    return true
  }

  #line(
    mark: string,
    style: 'green' | 'yellow' | 'red' | 'blue',
    { name, job, queue, took }: EndedRun,
    text: string,
  ): void {
    const again = text === '' && job.failures > 0 ? `attempt ${job.failures + 1}` : visible(text)
    const who = `${visible(name).padEnd(20)} ${visible(job.id)}`
    const facts = `${who}  ${visible(queue).padEnd(14)} ${readable(took).padStart(8)}`
    this.#console.line(
      `${this.#console.paint(style, mark)} ${timeOfDay()} ${facts}${again === '' ? '' : `  ${again}`}`,
    )
  }

  #count(): void {
    this.#ended++
    this.#total++
    if (this.#ended > this.#calm) this.#fast = true
    this.#second ??= setTimeout(() => this.#tell(), 1_000).unref()
  }

  /** Prints the number of jobs of the last second. Called after each second with jobs. */
  #tell(): void {
    if (this.#counts && this.hidden > this.#counted) this.counted(this.#ended, this.#total)
    this.#counted = this.hidden
    this.#fast = this.#ended > this.#calm
    this.#ended = 0
    this.#looked = 0
    this.#second = undefined
  }
}

/** The local time of day, such as `14:03:07`. */
function timeOfDay(): string {
  return new Date().toTimeString().slice(0, 8)
}

/** The stacks of an error and of its causes. The message is left out, because the line above has it. */
function explained(error: KeptError): string[] {
  return [...partsOf(error, '')].flatMap(({ error: part, title, depth }) => {
    const frames = part.stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? []
    const head = depth === 0 ? [] : [`${title}: ${codedLine(part)}`]
    const indent = '  '.repeat(Math.max(0, depth - 1))
    return [...head, ...frames.slice(0, FRAMES).map((frame) => `  ${frame.trim()}`)].map(
      (line) => indent + visible(line),
    )
  })
}

/** The reason why no class of this worker can run a job. */
function unknown({ job: { unreadable } }: EndedRun): string {
  return unreadable?.kind === 'marked'
    ? `written in the format ${visible(unreadable.mark)}, which this version does not read`
    : 'no class here has the key'
}

export class JsonReport implements ShownReport {
  readonly queues = new Map<string, QueueFigures>()
  readonly hidden = 0
  readonly #console: Console
  /** The id of the worker, if there are several workers. */
  readonly #worker: string | undefined

  /** @param slot the number of this process, if it has a supervisor */
  constructor(console: Console, slot?: ProcessSlot) {
    this.#console = console
    this.#worker = slot?.worker
  }

  wrote({ id, key }: ClaimedJob, name: string, { level, text }: LogLine): void {
    this.#print('log', { id, key, name, level, text })
  }

  running(jobs: readonly RunningJob[]): void {
    for (const job of jobs) this.#print('running', { ...named(job), ...tried(job) })
  }

  ended(ending: EndedRun): void {
    const { outcome, tries, isAsked } = ending
    const { kind, log: _, ...rest } = outcome
    const { attempt, took } = tried(ending)
    this.#print('job', {
      ...named(ending),
      outcome: kind === 'released' && !isAsked ? 'given-back' : kind,
      ...{ attempt, tries, took },
      ...(outcome.kind === 'suspended' ? waiting(outcome) : rest),
      ...('result' in rest && { result: JSON.parse(rest.result!) }),
    })
  }

  warn(text: string, remedy?: Remedy): void {
    this.#print('warning', { text: withCommand(text, remedy) })
  }

  info(text: string): void {
    this.#print('info', { text })
  }

  #print(event: string, fields: object): void {
    this.#console.json({ event, ...fields, worker: this.#worker })
  }

  counted(): void {}

  end(): void {}
}

function suspendedWords({ in: ms, waits, awaits = waits, undoing }: Suspended): string {
  if (undoing === undefined) return suspended(ms, awaits)
  return ms === 0 ? 'its steps are undone' : `a step could not be undone, again in ${readable(ms)}`
}

function waiting({ in: ms, waits, awaits: signals = waits }: Suspended) {
  return { ...(!isForEver(ms) && { in: ms }), signals }
}

function named({ job: { id, key }, name, queue }: RunningJob) {
  return { id, key, name, queue }
}

function tried({ job, took }: RunningJob) {
  return { attempt: job.failures + 1, took: Number(took.toFixed(2)) }
}

function why({ because }: { because?: string }): string {
  return because === undefined ? '' : `: ${because}`
}

/**
 * Prints a summary when the worker ends. For people, the summary is one line and, if there was more than one
 * queue, a table. For machines, it is one object.
 */
export function sumUp(
  console: Console,
  summary: WorkerSummary,
  queues: Iterable<readonly [string, QueueFigures]>,
): void {
  if (console.isJson) {
    console.json({ event: 'summary', ...summary, took: Number(summary.took.toFixed(2)) })
    return
  }
  const rows = [...queues].map(([queue, { completed, retried, failed }]) => [
    visible(queue),
    completed,
    retried,
    failed,
  ])
  if (rows.length > 1) {
    console.line()
    console.table(['QUEUE', 'COMPLETED', 'RETRIED', 'FAILED'], rows)
    console.line()
  }
  const { took, ...counts } = summary
  const done = counts.completed + counts.failed + counts.cancelled
  const parts = Object.entries(counts).flatMap(([what, count]) =>
    count > 0 || what === 'completed'
      ? [`${count.toLocaleString('en')} ${what === 'unstored' ? 'not stored' : what}`]
      : [],
  )
  // If there were few jobs or slow jobs, the rate is left out, because it would have no meaning.
  const perSecond = took > 0 ? Math.round((done / took) * 1_000) : 0
  const rate = done >= 100 && perSecond > 1 ? `, ${perSecond.toLocaleString('en')} jobs a second` : ''
  console.line(`${parts.join(', ')} in ${readable(took)}${rate}`)
}

/** A warning, and the command that helps. */
function withCommand(text: string, remedy: Remedy | undefined): string {
  return remedy === undefined ? text : `${text} → ${commandFor(remedy)}`
}
