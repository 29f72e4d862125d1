/**
 * Remarks on queues that need attention: paused queues and groups with the command that resumes them,
 * unreadable data, failures, and jobs that wait although no worker serves their queue. Further remarks are
 * about silent workers and schedules that do not tick.
 */
import { visible } from '@s18i/lark/internal'
import { moveFrom } from '../../config/queues.ts'
import { oneOf } from '../../model/blocked-loop.ts'
import type {
  Counts,
  DoctorFinding,
  FindingCode,
  Incident,
  QueueStatus,
  Status,
  UnheardWorkers,
} from '../../operate.ts'
import { droppedWords } from '../../words/dropped-words.ts'
import { readable } from '../../words/duration.ts'
import { failingWords, retryingWords } from '../../words/failing-words.ts'
import { listed } from '../../words/listed.ts'
import { pausedWords } from '../../words/paused-words.ts'
import { plural } from '../../words/plural.ts'
import { strandedWords } from '../../words/stranded-words.ts'
import { ago } from '../words/instant.ts'
import { commandFor } from '../words/remedy-commands.ts'

/** The maximum number of paused groups that are named for each queue. */
const MOST_GROUPS = 10

export interface Remark {
  kind: 'info' | 'warn'
  text: string
}

/**
 * @param incidents the incidents that the command shows in addition. A remark that would repeat an incident
 * is left out
 */
export function* remarksOn(
  { queues, workers }: Pick<Status, 'queues' | 'workers'>,
  incidents: readonly Incident[] = [],
): Generator<Remark> {
  const told = new Map(
    incidents.flatMap((each) => (each.kind === 'finding' ? [] : [[each.queue, each.kind]])),
  )
  for (const { queue, paused, pausedUntil, pausedGroups, ...pause } of queues) {
    if (paused && told.get(queue) !== 'paused') {
      const { pausedBy: by, pausedAt: at, pausedBecause: because } = pause
      const why = pausedWords({ by, at, because }, Date.now())
      const end = remaining(pausedUntil)
      yield info(
        visible(
          `Queue ${queue} is paused${why}: none of its jobs starts ${end}until ${commandFor({ do: 'resume', queue })}`,
        ),
      )
    }
    for (const paused of pausedGroups.slice(0, MOST_GROUPS)) {
      const { until } = paused
      const named = 'group' in paused ? { group: paused.group } : { groupHash: paused.groupHash }
      const end = remaining(until)
      const name = 'group' in paused ? paused.group : `with a long name (${paused.groupHash})`
      const what = `Group ${name} of queue ${queue} is paused${pausedWords(paused, Date.now())}`
      yield info(
        visible(
          `${what}: none of its jobs starts ${end}until ${commandFor({ do: 'resume', queue, ...named })}`,
        ),
      )
    }
    const more = pausedGroups.length - MOST_GROUPS
    if (more > 0) yield info(visible(`${more} more groups of queue ${queue} are paused: see --json`))
  }
  for (const { queue, damaged } of queues)
    if (told.get(queue) !== 'damaged')
      for (const { message } of damaged) yield warn(visible(`Queue ${queue} cannot be read: ${message}`))
  for (const { queue, stranded } of queues)
    if (stranded !== undefined && told.get(queue) !== 'stranded')
      yield warn(
        visible(
          `${queue}: ${strandedWords(stranded, Date.now())}: see ${commandFor({ do: 'see-why', job: stranded.id })}`,
        ),
      )
  for (const { queue, lastFiveMinutes, lastHour, retrying } of queues) {
    const [failing, again] = [failingWords(lastFiveMinutes, lastHour), retryingWords(retrying)]
    if (failing.howMany !== 'few' && told.get(queue) !== 'failing')
      yield warn(visible(`${queue}: ${failing.text}: see ${commandFor({ do: 'see-failures', queue })}`))
    if (again.isMany)
      yield warn(visible(`${queue}: ${again.text}: see ${commandFor({ do: 'see-retrying', queue })}`))
  }
  for (const { queue, dropped } of queues)
    if (dropped !== undefined)
      yield warn(
        visible(
          `${queue}: ${droppedWords(dropped, Date.now())}: see ${commandFor({ do: 'see-failures', queue })}`,
        ),
      )
  const left = queues.filter(({ configured, counts }) => !configured && isUnended(counts))
  if (left.length > 0) {
    const have = left.length === 1 ? 'has jobs and is' : 'have jobs and are'
    const names = listed(left.map(({ queue }) => visible(queue)))
    const known = queues.filter(({ configured }) => configured).map(({ queue }) => queue)
    const move = moveFrom(left[0]!.queue, known)
    const remedy = move === undefined ? '' : `. To move jobs: ${commandFor(move)}`
    yield warn(
      `${names} ${have} not in jobs.queues: only a worker that is configured with ${left.length === 1 ? 'it serves it' : 'them serves them'}${remedy}`,
    )
  }
  // Queues without a `pace` have another remark that says why their jobs wait.
  for (const { queue, oldest, target } of queues.filter(({ pace }) => pace === 'late'))
    if (told.get(queue) !== 'late')
      yield warn(
        visible(
          `${queue}: the oldest job has waited for ${readable(oldest!)}, and its target is ${readable(target!)}: ${commandFor({ do: 'see-queue', queue })}`,
        ),
      )
  const still = queues.filter(({ queue, pace }) => pace === 'still' && told.get(queue) !== 'still')
  if (still.length > 0) {
    const names = listed(still.map(({ queue }) => queue))
    const [{ queue }] = still as [QueueStatus]
    const why = still.length > 1 ? 'lark jobs:why' : commandFor({ do: 'see-queue', queue })
    yield info(visible(`No job of ${names} has ended within a minute, although jobs wait: ${why}`))
  }
  const due = queues.filter(({ counts }) => counts.waiting + counts.delayed > 0)
  if (workers.length === 0) {
    if (due.some(({ queue }) => !told.has(queue)))
      yield warn('No worker is running: start one with lark jobs:work')
    return
  }
  for (const { queue, workers: serving } of due) {
    if (serving === 0 && told.get(queue) !== 'still') yield warn(visible(`No worker serves ${queue}`))
  }
  for (const { queue, unknownKeys } of queues) {
    if (unknownKeys.length > 0) {
      const keys = listed(unknownKeys.map((key) => `'${key}'`))
      yield warn(visible(`No live worker knows ${keys} (${queue})`))
    }
  }
}

/** Remarks on problems of the store itself, and on schedules that do not tick. */
export function* remarksOnAlarms(alarms: readonly DoctorFinding[]): Generator<Remark> {
  const of = (code: FindingCode) =>
    alarms.filter((each) => each.code === code).map(({ subject }) => visible(subject))
  for (const { code, subject, text } of alarms)
    if (!code.startsWith('schedule-'))
      yield warn(visible(`${subject}: ${text}: ${commandFor({ do: 'see-doctor' })}`))
  const [late, paused] = [of('schedule-late'), of('schedule-paused')]
  if (late.length > 0) {
    const when = late.length === 1 ? 'has not ticked when it was due' : 'have not ticked when they were due'
    yield warn(`${listed(late, 3)} ${when}: ${commandFor({ do: 'see-doctor' })}`)
  }
  if (paused.length > 0) {
    const are = paused.length === 1 ? 'is paused, and does not tick' : 'are paused, and do not tick'
    yield info(`${listed(paused, 3)} ${are}: lark schedule:list`)
  }
}

/** Remarks on dead workers, on jobs that several of the dead workers held, and on silent workers. */
export function* remarksOnUnheard({ lost, silent, deadly }: UnheardWorkers): Generator<Remark> {
  for (const worker of silent) yield warn(visible(silentWords(worker)))
  if (lost.length === 0) return
  const [worst] = deadly
  const last = ago(lost[0]!.seenAt ?? lost[0]!.endedAt)
  const see =
    worst === undefined
      ? commandFor({ do: 'see-workers' })
      : `${worst.deaths} of them held job ${worst.id}, see ${commandFor({ do: 'see-why', job: worst.id })}`
  yield warn(visible(`${plural(lost.length, 'worker')} died within an hour, the last one ${last}: ${see}`))
}

/** The text about a worker that does not announce itself although its leases have not ended. */
export function silentWords({
  id,
  host,
  pid,
  seenAt,
  endedAt,
  job,
  blocks,
}: UnheardWorkers['silent'][number]): string {
  const who = blocks === undefined ? 'perhaps a handler blocks it' : `${oneOf(blocks.by)} blocks it`
  return `${id} (${host}, pid ${pid}) was last heard of ${ago(seenAt ?? endedAt)}, and its leases last: ${who}, see ${commandFor({ do: 'see-why', job: job.id })}`
}

function info(text: string): Remark {
  return { kind: 'info', text }
}

function warn(text: string): Remark {
  return { kind: 'warn', text }
}

function isUnended({ waiting, delayed, blocked, active }: Counts): boolean {
  return waiting + delayed + blocked + active > 0
}

/**
 * Says in words how long a pause still lasts.
 *
 * @param until the end of the pause, in milliseconds since 1970
 */
function remaining(until: number | undefined): string {
  return until === undefined ? '' : `for ${readable(Math.max(0, until - Date.now()))}, or `
}
