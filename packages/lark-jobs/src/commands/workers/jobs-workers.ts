import { Command, flag } from '@s18i/lark'
import { defined, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { type LostWorker, type Operate, operate, type WorkerRecord } from '../../operate.ts'
import { listed } from '../../words/listed.ts'
import { plural } from '../../words/plural.ts'
import { silentWords } from '../look/queue-remarks.ts'
import { everyOf, outlasts } from '../look/watched.ts'
import { ago, timeSince } from '../words/instant.ts'

/** `lark jobs:workers`: lists the live workers, and the jobs that each worker runs now. */
export class JobsWorkersCommand extends Command {
  readonly key = 'jobs:workers'
  override description = 'Show the live workers, and what each of them runs'
  limit = flag.number('How many running jobs at most', { default: 100, short: 'l', wholeFrom: 1 })
  cursor = flag.string('Of the page before')
  watch = flag.boolean('Draw it again and again, until Ctrl-C', { short: 'w' })
  every = flag.string('How often --watch draws it, such as 500ms or 1m. Default: 1s')

  async handle() {
    const every = everyOf(this)
    await using jobs = Jobs
    const operating = operate(jobs, { names: { limit: '--limit', cursor: '--cursor' } })
    if (this.watch) return await this.live(() => this.#show(operating), { every, outlasts })
    return await this.#show(operating)
  }

  async #show(operating: Operate) {
    const workers = await operating.workers.list()
    const { runs, cursor } = await operating.runs({}, defined({ limit: this.limit, cursor: this.cursor }))
    const { lost, silent } = await operating.workers.unheard()
    if (this.json) return { workers, lost, silent, runs, ...defined({ cursor }) }
    if (workers.length === 0 && silent.length === 0)
      this.warn('No worker is running: start one with lark jobs:work')
    if (workers.length > 0)
      this.table(
        ['WORKER', 'HOST', 'PID', 'RUNNING', 'STATE', 'UP', 'SEEN', 'VERSION', 'QUEUES'],
        workers.map(
          ({
            id,
            host,
            pid,
            queues,
            running,
            concurrency,
            state,
            startedAt,
            seenAt,
            version = '',
            release,
          }) => [
            visible(id),
            visible(host),
            pid,
            `${running} of ${concurrency}`,
            state === 'running' ? state : this.console.paint('yellow', state),
            timeSince(startedAt),
            seenAt === undefined ? '' : ago(seenAt),
            visible(release === undefined ? version : `${version} (${release})`),
            visible(queues.join(', ')),
          ],
        ),
      )
    const old = otherReleases(workers)
    if (old !== undefined) this.warn(visible(old))
    for (const { id, alone } of workers)
      if (alone !== undefined)
        this.info(
          `${visible(id)} starts no other job beside ${visible(alone.job)}, which may have killed its process before: lark jobs:why ${visible(alone.job)}`,
        )
    for (const worker of silent) this.warn(visible(silentWords(worker)))
    if (lost.length > 0) {
      this.line()
      this.table(
        ['DIED', 'HOST', 'PID', 'LAST SEEN', 'HELD', 'TAKEN BACK BY'],
        lost.map(({ id, host, pid, seenAt, endedAt, taken }) => [
          visible(id),
          visible(host),
          pid,
          ago(seenAt ?? endedAt),
          visible(heldWords(taken)),
          visible(listed([...new Set(taken.map(({ by }) => (by === id ? 'its own process' : by)))])),
        ]),
      )
    }
    if (runs.length === 0) return
    this.line()
    this.table(
      ['ID', 'JOB', 'QUEUE', 'SINCE', 'WORKER'],
      runs.map((run) => [
        visible(run.id),
        visible(run.key),
        visible(run.queue),
        timeSince(run.since),
        visible(run.worker),
      ]),
    )
    if (cursor !== undefined) this.info(`More jobs run: the same command with --cursor=${cursor}`)
  }
}

/** Says which workers have another release than the worker that started last. */
function otherReleases(workers: readonly WorkerRecord[]): string | undefined {
  const known = workers.filter(({ release }) => release !== undefined)
  const latest = known.sort((one, other) => other.startedAt - one.startedAt)[0]?.release
  const others = latest === undefined ? [] : workers.filter(({ release }) => release !== latest)
  if (others.length === 0) return undefined
  const releases = [...new Set(others.map(({ release = 'none' }) => release))]
  const have = others.length === 1 ? 'has' : 'have'
  return `${plural(others.length, 'worker')} ${have} another release than ${latest}, which started last: ${listed(releases)}`
}

/** The maximum number of jobs that are named. */
const MOST = 3

function heldWords(taken: LostWorker['taken']): string {
  const count = taken.reduce((sum, each) => sum + each.count, 0)
  const ids = taken.flatMap(({ jobs }) => jobs).slice(0, MOST)
  if (count === 0) return 'no job'
  return `${plural(count, 'job')}: ${ids.join(', ')}${count > ids.length ? ', …' : ''}`
}
