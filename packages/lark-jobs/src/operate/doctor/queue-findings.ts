/** The findings of the doctor for the queues of a store, and for the workers that serve them. */

import { defined } from '@s18i/lark/internal'
import { moveFrom } from '../../config/queues.ts'
import { type BlockedLoop, ISOLATE, oneOf } from '../../model/blocked-loop.ts'
import type { WorkerRecord } from '../../model/record.ts'
import type { Advice, Remedy } from '../../model/remedy.ts'
import { version as own } from '../../model/version.ts'
import { DAY, type DoubtedJob, HOUR, type LostWorker } from '../../store/contract/store.ts'
import { droppedWords } from '../../words/dropped-words.ts'
import { readable } from '../../words/duration.ts'
import { failingWords, retryingWords } from '../../words/failing-words.ts'
import { listed } from '../../words/listed.ts'
import { plural } from '../../words/plural.ts'
import { strandedWords } from '../../words/stranded-words.ts'
import { type DoctorFinding, Examination } from '../findings/finding-codes.ts'
import type { DeadlyJob } from '../look/silent-workers.ts'
import type { QueueStatus, QueueStatuses } from '../measures/status.ts'

/** A sample of the jobs of a partition: the first jobs of each state. */
export interface PartitionSample {
  queue: string
  partition: string
  /** Why the partition could not be read. Absent if it could be read. */
  failure?: string
  active: { id: string; holder?: string | undefined; claimedAt?: number | undefined }[]
  /**
   * The ids of jobs that this version cannot read. `mark`: the name of their format, if the record has one.
   */
  unreadable: { id: string; mark?: string | undefined }[]
  /** The jobs that were taken back after a time in which the store did not answer, the newest first. */
  doubts?: readonly DoubtedJob[]
  /**
   * Set if some leases have ended and no worker has taken back their jobs. The first of these leases ended at
   * least this many milliseconds ago.
   */
  lostFor?: number
}

export interface QueueFacts {
  status: QueueStatuses
  samples: readonly PartitionSample[]
  /** The names of the configured limiters. */
  limiters: readonly string[]
  /** The time by the store's clock: milliseconds since 1970. */
  now: number
  /** The workers that have died recently. */
  lost?: readonly LostWorker[]
  /** The jobs that several of the dead workers held. */
  deadly?: readonly DeadlyJob[]
  /** The workers that do not announce themselves although their leases have not ended. */
  silent?: readonly WorkerRecord[]
}

export function queueFindings(facts: QueueFacts): DoctorFinding[] {
  const { status, samples, now } = facts
  const live = new Set(status.workers.map(({ id }) => id))
  const configured = status.queues.filter((queue) => queue.configured).map(({ queue }) => queue)
  const perQueue = status.queues.flatMap((queue) => {
    const found = new Examination(queue.queue)
    const own = samples.filter((sample) => sample.queue === queue.queue)
    checkData(queue, own, found)
    checkActive(own, live, now, found)
    const move = queue.configured ? undefined : moveFrom(queue.queue, configured)
    checkServed(queue, status.workers, move, found)
    checkConfigured(queue, move, found)
    if (queue.paused)
      found.warn(
        'queue-paused',
        `is paused${queue.pausedBecause === undefined ? '' : ` (${queue.pausedBecause})`}: none of its jobs starts`,
        { do: 'resume', queue: queue.queue },
      )
    else found.ok('queue-paused', 'is not paused')
    checkLate(queue, found)
    checkKeys(queue, live.size > 0, found)
    checkStranded(queue, now, found)
    checkRetrying(queue, found)
    checkFailing(queue, found)
    checkDropped(queue, now, found)
    return found.findings
  })
  return [...perQueue, ...workerFindings(facts)]
}

function checkData({ damaged }: QueueStatus, samples: readonly PartitionSample[], found: Examination): void {
  const failures = samples.flatMap(({ partition, failure }) =>
    failure === undefined ? [] : [{ partition, failure }],
  )
  const broken = [
    ...damaged.map(({ message }) => message),
    ...failures
      .filter(({ partition }) => !damaged.some((each) => each.partition === partition))
      .map((each) => each.failure),
  ]
  for (const message of broken)
    found.fail(
      'damaged-data',
      `cannot be read: ${message}`,
      'Something else wrote to a key or a table of Lark. Restore it from a backup, or remove that key.',
    )
  if (broken.length === 0) found.ok('damaged-data', 'can be read')
  const unreadable = samples.flatMap((sample) => sample.unreadable)
  const marks = new Set(unreadable.flatMap(({ mark }) => mark ?? []))
  const ids = listed(
    unreadable.map(({ id }) => id),
    3,
  )
  if (unreadable.length === 0) found.ok('unreadable-jobs', 'the next jobs of each state can be read')
  else if (marks.size > 0)
    found.fail(
      'unreadable-jobs',
      `${jobs(unreadable.length)} in a format of a newer Lark (${listed(marks)}): ${ids}`,
      'Upgrade the workers.',
    )
  else
    found.fail(
      'unreadable-jobs',
      `${jobs(unreadable.length)} with a damaged record: ${ids}`,
      'Look at one, and remove it: ',
      { do: 'see-job', job: unreadable[0]!.id },
    )
}

function checkActive(
  samples: readonly PartitionSample[],
  live: ReadonlySet<string>,
  now: number,
  found: Examination,
): void {
  const active = samples.flatMap((sample) => sample.active)
  const lost = samples.flatMap(({ lostFor }) => lostFor ?? [])
  if (lost.length > 0)
    found.fail(
      'lost-leases',
      `holds jobs of dead workers, and nobody takes them back${live.size > 0 ? `: for ${readable(Math.max(...lost))}` : ''}`,
      ...(live.size > 0
        ? ['Look at the log of the workers: they should do it within a second.']
        : [{ do: 'start-worker' } as const]),
    )
  else found.ok('lost-leases', 'no lease has ended')
  const silent = active.filter(({ holder }) => holder !== undefined && !live.has(holder))
  const holders = new Set(silent.map(({ holder }) => holder!))
  if (silent.length > 0)
    found.warn(
      'silent-workers',
      `${jobs(silent.length)} held by workers that are silent: ${listed(holders, 3)}`,
      'They died, are cut off, or a handler blocks them: ',
      { do: 'see-why', job: silent[0]!.id },
      '. Jobs go back when their leases end, mostly within 30 seconds.',
    )
  else found.ok('silent-workers', 'its jobs are held by live workers')
  const doubts = samples.flatMap((sample) => sample.doubts ?? []).filter(({ at }) => now - at < DAY)
  if (doubts.length > 0)
    found.warn(
      'may-have-finished',
      `${jobs(doubts.length)} taken back after a silence of the store, and may have finished before: ${listed(
        doubts.map(({ id }) => id),
        10,
      )}`,
      'Look whether they did their work twice: ',
      { do: 'see-job', job: doubts[0]!.id },
    )
  else found.ok('may-have-finished', 'no job was taken back after a silence of the store within a day')
  const long = active.filter(({ claimedAt }) => claimedAt !== undefined && now - claimedAt > DAY)
  if (long.length > 0)
    found.warn(
      'long-runs',
      `${jobs(long.length)} running for more than a day: ${listed(
        long.map(({ id }) => id),
        3,
      )}`,
      { do: 'see-why', job: long[0]!.id },
      '; give the class a timeout',
    )
  else found.ok('long-runs', 'no job runs for more than a day')
}

function checkServed(
  { queue, counts, configured }: QueueStatus,
  workers: readonly WorkerRecord[],
  move: Remedy | undefined,
  found: Examination,
): void {
  const serving = workers.filter((worker) => worker.queues.includes(queue))
  const running = serving.filter(({ state }) => state === 'running')
  const { waiting } = counts
  const due = waiting + counts.delayed
  const work: Remedy = { do: 'start-worker', queue }
  const named: Advice =
    due > 0 && move
      ? ['Move its jobs: ', move, '; or name it in jobs.queues, then: ', work]
      : ['Name it in jobs.queues, then: ', work]
  const start = configured ? [work] : named
  if (running.length > 0)
    found.ok(
      'queue-served',
      `${running.length === 1 ? '1 worker serves' : `${running.length} workers serve`} it`,
    )
  else if (serving.length > 0)
    found.warn('queue-served', 'only quiet workers serve it: they take no more jobs', ...start)
  else if (!configured && due === 0) found.ok('queue-served', 'is not configured any more, and has no jobs')
  else if (waiting > 0)
    found.fail('queue-served', `no worker serves it, and ${jobs(waiting, 'wait')}`, ...start)
  else if (due > 0)
    found.warn('queue-served', `no worker serves it, and ${jobs(due, 'are due')} later`, ...start)
  else found.warn('queue-served', 'no worker serves it; it has no jobs now', ...start)
}

function checkConfigured(
  { queue, configured, counts }: QueueStatus,
  move: Remedy | undefined,
  found: Examination,
): void {
  const { waiting, delayed, active } = counts
  const work = waiting + delayed + active
  const configure: Advice = move
    ? ['Move them: ', move, '; or configure it until they have run, or cancel them: ']
    : ['Configure it until they have run, or cancel them: ']
  if (configured) found.ok('queue-configured', 'is configured')
  else if (work === 0) found.ok('queue-configured', 'is not configured any more, and has nothing to do')
  else
    found.warn(
      'queue-configured',
      `has ${work === 1 ? '1 job' : `${work} jobs`} that ${work === 1 ? 'has' : 'have'} not ended, and is not in jobs.queues`,
      ...configure,
      { do: 'cancel', queue },
    )
}

/**
 * Checks how long the oldest job waits. This finding leaves out a queue that stands still because of a pause
 * or because it has no worker, because another finding reports the cause.
 */
function checkLate({ queue, oldest = 0, target, counts, pace }: QueueStatus, found: Examination): void {
  const why = ['See what its first job waits for: ', { do: 'see-queue', queue }] as const
  const waits = `${jobs(counts.waiting, 'wait')}, the oldest for ${readable(oldest)}`
  if (pace === 'late') found.fail('queue-late', `${waits}, and its target is ${readable(target!)}`, ...why)
  else if (pace === 'still') found.warn('queue-late', `${waits}, and none has ended within a minute`, ...why)
  else found.ok('queue-late', 'no job waits for too long')
}

function checkKeys({ unknownKeys, queue }: QueueStatus, areWorkersThere: boolean, found: Examination): void {
  // Workers announce the keys of the classes that they know. Without a worker there are no keys to compare,
  // and another finding reports that there is no worker.
  if (!areWorkersThere) return
  if (unknownKeys.length === 0) found.ok('known-jobs', 'live workers know the classes of the next jobs')
  else
    found.warn(
      'known-jobs',
      `no live worker knows ${listed(unknownKeys.map((key) => `'${key}'`))}: these jobs do not start`,
      'Deploy the class, or keep its old key in aliases, or cancel them: ',
      { do: 'cancel', queue, key: unknownKeys[0]! },
    )
}

function checkStranded({ queue, stranded }: QueueStatus, now: number, found: Examination): void {
  if (stranded === undefined) {
    found.ok('stranded-jobs', 'workers can read the jobs that they met')
    return
  }
  const { key, id } = stranded
  found.fail(
    'stranded-jobs',
    strandedWords(stranded, now),
    'Start workers of the release that dispatched them (',
    { do: 'see-why', job: id },
    '), or cancel them: ',
    { do: 'cancel', queue, ...defined({ key }) },
  )
}

function checkFailing(status: QueueStatus, found: Examination): void {
  const { queue, lastFiveMinutes, lastHour } = status
  const { text, howMany } = failingWords(lastFiveMinutes, lastHour)
  const advice = ['See why, by kind: ', { do: 'see-failures', queue }] as const
  if (howMany === 'few') found.ok('failing-jobs', text)
  else if (howMany === 'many') found.warn('failing-jobs', text, ...advice)
  else found.fail('failing-jobs', text, ...advice)
}

function checkRetrying({ queue, retrying }: QueueStatus, found: Examination): void {
  const { text, isMany } = retryingWords(retrying)
  if (isMany) found.warn('retrying-jobs', text, 'See what they threw: ', { do: 'see-retrying', queue })
  else found.ok('retrying-jobs', text)
}

function checkDropped({ queue, dropped }: QueueStatus, now: number, found: Examination): void {
  if (dropped === undefined) found.ok('failed-kept', 'its failed jobs are kept for their age')
  else
    found.warn(
      'failed-kept',
      droppedWords(dropped, now),
      'Mend what fails: ',
      { do: 'see-failures', queue },
      '. Or say how many failed jobs are kept: keep in jobs.queues',
    )
}

function checkBlocked(workers: readonly WorkerRecord[], now: number, found: Examination): void {
  const blocking = workers.flatMap(({ blocks }) =>
    blocks === undefined ? [] : `${oneOf(blocks.by)} for ${readable(Math.max(0, now - blocks.since))} so far`,
  )
  const worst = new Map<string, BlockedLoop>()
  for (const each of workers.flatMap(({ blocked = [] }) => blocked)) {
    const name = oneOf(each.by)
    const { took = 0, times = 0 } = worst.get(name) ?? {}
    worst.set(name, { ...each, took: Math.max(took, each.took), times: times + each.times })
  }
  const blocked = [...worst].map(([name, { took, times }]) => {
    return `${name} for ${times === 1 ? '' : 'up to '}${readable(took)} (${times === 1 ? 'once' : `${times} times`})`
  })
  if (blocking.length + blocked.length > 0)
    found.warn(
      'blocked-loop',
      `had their event loops blocked within an hour: ${listed([...blocking, ...blocked], 5)}`,
      `No other job of a process goes on meanwhile: ${ISOLATE}.`,
    )
  else if (workers.length > 0) found.ok('blocked-loop', 'no handler blocked their event loops within an hour')
}

function workerFindings({
  status,
  limiters,
  now,
  lost = [],
  deadly = [],
  silent = [],
}: QueueFacts): DoctorFinding[] {
  const { queues, workers } = status
  const fleet = new Examination('the workers')
  if (lost.length > 0)
    fleet.warn(
      'lost-workers',
      `died within an hour: ${listed(
        lost.map(
          ({ id, host, seenAt, endedAt }) =>
            `${id} on ${host}, last seen ${readable(Math.max(0, now - (seenAt ?? endedAt)))} ago`,
        ),
        3,
      )}`,
      'See what they held, and who took it back: ',
      { do: 'see-workers' },
      '. Their logs say why they died.',
    )
  if (deadly.length > 0)
    fleet.warn(
      'deadly-jobs',
      `died within an hour, several with one job: ${listed(
        deadly.map(({ id, deaths }) => `${id} (${deaths} workers)`),
        3,
      )}`,
      'See what it did, and fix its class before it runs again: ',
      { do: 'see-why', job: deadly[0]!.id },
    )
  checkBlocked([...workers, ...silent], now, fleet)
  if (workers.length === 0) return fleet.findings
  if (deadly.length === 0) fleet.ok('deadly-jobs', 'did not die with one job within an hour')
  if (lost.length === 0) fleet.ok('lost-workers', 'none died within an hour')
  const versions = new Map<string, number>()
  for (const { version = 'an earlier one' } of workers)
    versions.set(version, (versions.get(version) ?? 0) + 1)
  if (versions.size === 1 && versions.has(own))
    fleet.ok('lark-versions', `have version ${own}, like this process`)
  else
    fleet.warn(
      'lark-versions',
      `have other versions of Lark than this process (${own}): ${listed([...versions].map(([each, count]) => `${each} (${count})`))}`,
      'Restart the workers that still run an old version. They may run beside each other during a deploy.',
    )
  const alone = workers.flatMap(({ id, alone }) => (alone === undefined ? [] : [{ id, job: alone.job }]))
  if (alone.length === 0) fleet.ok('worker-alone', 'keep no jobs waiting for one that runs alone')
  else
    fleet.warn(
      'worker-alone',
      `start no other job beside one that may have killed its process before: ${listed(
        alone.map(({ id, job }) => `${id} (job ${job})`),
        3,
      )}`,
      'It ends within a minute. See what the job did before: ',
      { do: 'see-job', job: alone[0]!.job },
    )
  const configured = new Set(queues.flatMap(({ queue, configured }) => (configured ? [queue] : [])))
  const strange = new Set(
    workers.flatMap((worker) => worker.queues.filter((queue) => !configured.has(queue))),
  )
  if (strange.size > 0)
    fleet.warn(
      'worker-queues',
      `serve queues that are not configured here: ${listed(strange)}`,
      'Give all processes one configuration, or deploy the one that is missing.',
    )
  else fleet.ok('worker-queues', 'serve only queues that are configured here')
  const used = new Set(workers.flatMap((worker) => worker.limiters ?? []))
  const areOld = workers.every(({ startedAt }) => now - startedAt > HOUR)
  const others = limiters.map((limiter) => {
    const found = new Examination(limiter)
    // A worker only reports the limiters that it has used since it started.
    if (used.has(limiter) || !areOld) found.ok('limiter-used', 'is used, or the workers are young')
    else
      found.warn(
        'limiter-used',
        'no live worker has used this limiter, though each is up for more than an hour',
        "Name it in a class: limiter = 'NAME', or rateLimited('NAME'); or take it from jobs.limiters.",
      )
    return found.findings
  })
  return [...fleet.findings, ...others.flat()]
}

function jobs(count: number, verb?: string): string {
  const said = verb === undefined ? (count === 1 ? 'is' : 'are') : count === 1 ? singular(verb) : verb
  return `${plural(count, 'job')} ${said}`
}

function singular(verb: string): string {
  return verb === 'wait' ? 'waits' : verb.replace('are', 'is')
}
