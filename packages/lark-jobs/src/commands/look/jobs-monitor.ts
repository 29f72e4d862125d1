import { Command, flag } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import {
  type DoctorFinding,
  type MonitorOptions,
  type MonitorReport,
  operate,
  type QueueCheck,
} from '../../operate.ts'
import { readable } from '../../words/duration.ts'
import { writtenFinding } from '../words/written-finding.ts'

/** The maximum number of limits that one line names. */
const MOST = 10

const names = {
  maxAge: '--max-age',
  maxFailed: '--max-failed',
  maxWaiting: '--max-waiting',
  minWorkers: '--min-workers',
  within: '--within',
}

/**
 * `lark jobs:monitor`: compares the queues with limits, for cron and CI. The command prints a verdict in one
 * line and the warnings below this line, and sets an exit code.
 */
export class JobsMonitorCommand extends Command {
  readonly key = 'jobs:monitor'
  override description = 'Exit with 1 if jobs wait too long, too many fail, or workers are missing'
  maxAge = flag.strings(
    'How long the oldest job may wait: 30s, or QUEUE=30s (default: the target of the queue)',
  )
  maxFailed = flag.strings('How many jobs may fail: 10, 1%, or QUEUE=1%')
  maxWaiting = flag.strings('How many jobs may wait: 1000, or QUEUE=1000')
  minWorkers = flag.strings('How many workers must serve each queue: 1, or QUEUE=1')
  within = flag.string('The time for --max-failed, from 1m to 1h (default: 5m)')
  strict = flag.boolean('Exit with 1 also if the doctor has warnings')

  async handle(): Promise<number> {
    const { maxAge, maxFailed, maxWaiting, minWorkers, within } = this
    const limits = { maxAge, maxFailed, maxWaiting, minWorkers }
    const given = Object.entries(limits).filter(([, words]) => words.length > 0)
    const read = given.map(([name, words]) => [name, byQueue(names[name as keyof typeof limits], words)])
    const options: MonitorOptions = { ...Object.fromEntries(read), ...defined({ within }) }
    await using jobs = Jobs
    const report = await operate(jobs, { names }).monitor(options)
    const warnings = report.findings.filter(({ level }) => level === 'warning')
    if (this.json) this.console.json({ ...report, findings: report.findings.map(writtenFinding) })
    else {
      this.line(visible(`${verdictOf(report)}${unlimitedWords(report)}`))
      for (const finding of warnings) this.line(visible(`! ${wordsOfFinding(finding)}`))
    }
    return report.ok && !(this.strict && warnings.length > 0) ? 0 : 1
  }
}

/**
 * Turns the values of a flag into an object: `['1m', 'emails=30s']` becomes `{ '*': '1m', emails: '30s' }`.
 */
function byQueue(name: string, words: readonly string[]): Record<string, string | number> {
  const all: Record<string, string | number> = {}
  for (const word of words) {
    const end = word.lastIndexOf('=')
    const queue = end < 0 ? '*' : word.slice(0, end)
    if (queue in all)
      throw usageError(`${name} came twice for ${queue === '*' ? 'all queues' : queue}`, 'Leave out one.')
    const value = word.slice(end + 1)
    all[queue] = /^\d+$/.test(value) && name !== names.maxAge ? Number(value) : value
  }
  return all
}

function wordsOfFinding({ subject, text, code }: DoctorFinding): string {
  return `${subject}: ${text} (${code})`
}

/**
 * Names the queues without a limit. Without these names, jobs of such a queue could wait for ever while the
 * output says that no limit is exceeded.
 */
function unlimitedWords({ unlimited }: MonitorReport): string {
  if (unlimited.length === 0) return ''
  const sorted = unlimited.toSorted((one, other) => other.waiting - one.waiting)
  const said = sorted
    .slice(0, MOST)
    .map(({ queue, waiting, oldest }) => `${queue} (${waiting} wait, the oldest for ${readable(oldest)})`)
  const more = unlimited.length - said.length
  return `; without a target: ${[...said, ...(more > 0 ? [`and ${more} more`] : [])].join(', ')}`
}

function verdictOf({ ok, within, checks, findings, unlimited }: MonitorReport): string {
  if (!ok) {
    const wrong = [
      ...findings.filter(({ level }) => level === 'error').map(wordsOfFinding),
      ...checks.filter((check) => !check.ok).map((check) => `${check.queue}: ${wordsOf(check, within)}`),
    ]
    const said = wrong.slice(0, MOST)
    const more = wrong.length - said.length
    return `NOT OK: ${[...said, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')}`
  }
  const of = <W extends QueueCheck['what']>(what: W) =>
    checks.filter((check): check is Extract<QueueCheck, { what: W }> => check.what === what)
  const most = <C extends { found: number; queue: string }>(all: readonly C[]) =>
    all.toSorted((one, other) => other.found - one.found)[0]
  const [oldest, fullest] = [most(of('age')), most(of('waiting'))]
  const [failed, served] = [of('failed'), of('workers')]
  const total = (field: 'found' | 'ended') => failed.reduce((sum, check) => sum + check[field], 0)
  const least = served.toSorted((one, other) => one.found - other.found)[0]
  const parts = [
    oldest &&
      (oldest.found === 0
        ? `no job${unlimited.length > 0 ? ' of a queue with a target' : ''} waits`
        : `the oldest job waits for ${readable(oldest.found)} (${oldest.queue})`),
    failed.length > 0 && `${total('found')} of ${total('ended')} failed in ${readable(within)}`,
    fullest && `${fullest.found} wait (${fullest.queue})`,
    least && `${workers(least.found)} (${least.queue})`,
  ]
  return `OK: ${parts.filter(Boolean).join(', ')}`
}

function wordsOf(check: QueueCheck, within: number): string {
  switch (check.what) {
    case 'age':
      return `the oldest job has waited for ${readable(check.found)}, at most ${readable(check.limit)}${check.paused ? ' (paused)' : ''}${unreadWords(check)}`
    case 'failed':
      return `${check.found} of ${check.ended} jobs failed in ${readable(within)}, at most ${check.limit}`
    case 'waiting':
      return `${check.found} jobs wait, at most ${check.limit}`
    case 'workers':
      return `${workers(check.found)}, at least ${check.limit}`
    case 'damage':
      return `cannot be read: ${check.message}`
  }
}

function unreadWords({ stranded = 0 }: { stranded?: number }): string {
  return stranded === 0 ? '' : ` (no worker could read ${stranded}: lark jobs:doctor)`
}

function workers(count: number): string {
  return count === 1 ? '1 worker' : `${count === 0 ? 'no' : count} workers`
}
