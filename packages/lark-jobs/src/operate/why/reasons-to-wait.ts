/** The reasons for a queued job: what is paused, what the job waits for, and which jobs go before it. */

import { defined } from '@s18i/lark/internal'
import { moveFrom } from '../../config/queues.ts'
import { runsKey } from '../../model/every-key.ts'
import { partitionsOf } from '../../model/partition.ts'
import type { WorkerRecord } from '../../model/record.ts'
import type { Remedy } from '../../model/remedy.ts'
import { isHash, shownName, storedName } from '../../model/stored-name.ts'
import { isOpenWords } from '../../options/circuit.ts'
import { isOwn, mostOf, readNeed } from '../../options/limiter.ts'
import { type LaneStand, MAX_AHEAD, MAX_STANDINGS, type Stand } from '../../store/contract/store.ts'
import { readable } from '../../words/duration.ts'
import { listed } from '../../words/listed.ts'
import { lowerFirst } from '../../words/lower-first.ts'
import { pausedWords } from '../../words/paused-words.ts'
import type { OpenFlows } from '../flows/flow-info.ts'
import { circuitName, circuits, grantsOf } from '../look/limiters.ts'
import type { Reason } from './reason.ts'
import { aloneWords, heldReason, namedLine } from './reasons-of-state.ts'
import { type SuspendedFacts, suspendedReason } from './suspended-reason.ts'

/** The maximum number of named circuits that are checked. */
const MOST_CIRCUITS = 20

/** The facts from which the reasons for a job are derived. */
export interface Facts extends SuspendedFacts {
  open: OpenFlows
  stand: Stand
  queue: string
  /** The live workers. */
  workers: readonly WorkerRecord[]
}

/** The reasons for a job that is due. */
export async function waitingReasons(facts: Facts): Promise<Reason[]> {
  const { stand } = facts
  const reasons = [
    ...pauses(facts, stand.at),
    ...unreadable(facts),
    ...workerless(facts),
    ...(await strictOrder(facts)),
    ...(await groupLimit(facts)),
    ...(await permits(facts)),
    ...queueLimit(facts),
    ...(await openCircuits(facts)),
    ...(await queueOrder(facts)),
    ...busyWorkers(facts),
    ...before(facts),
  ]
  if (reasons.length > 0) return reasons
  return [{ kind: 'next', text: 'Nothing keeps it from beginning: the next free worker takes it' }]
}

/**
 * The reasons for a job that is due later. Reasons that matter only when the job is due are left out.
 * Problems that a person must fix come first, such as that no worker can run the job.
 */
export async function delayedReasons(facts: Facts): Promise<Reason[]> {
  const { job, at } = facts.stand
  const dueAt = job.dueAt ?? at
  return [
    ...pauses(facts, dueAt),
    ...unreadable(facts),
    ...workerless(facts),
    ...(job.suspended === undefined
      ? [delayed(facts, dueAt)]
      : [await suspendedReason(facts, job.suspended, dueAt)]),
    ...(await circuitOf(facts)),
  ]
}

/** @param after pauses that end before this time are left out */
function pauses({ stand, queue }: Facts, after: number): Reason[] {
  const { at, job, pause, lane } = stand
  const reasons: Reason[] = []
  const lasts = (paused: { until?: number } | undefined) =>
    (paused?.until ?? Number.POSITIVE_INFINITY) > after
  if (pause !== undefined && lasts(pause)) {
    const text = `Its queue ${queue} is paused${pausedWords(pause, at)}: ${ends(pause.until, at)}`
    reasons.push({ kind: 'paused-queue', text, ...untilOf(pause), remedy: { do: 'resume', queue } })
  }
  if (lane?.pause !== undefined && lasts(lane.pause) && job.group !== undefined) {
    const text = `Its ${groupWords(job.group)} is paused${pausedWords(lane.pause, at)}: ${ends(lane.pause.until, at)}`
    const named = isHash(job.group) ? { groupHash: job.group } : { group: shownName(job.group) }
    const remedy = { do: 'resume', queue, ...named } as const
    reasons.push({ kind: 'paused-group', text, ...untilOf(lane.pause), remedy })
  }
  return reasons
}

function unreadable({ stand }: Facts): Reason[] {
  const flaw = stand.job.unreadable
  if (flaw === undefined) return []
  const what =
    flaw.kind === 'marked'
      ? `in the format ${flaw.mark}, which this version does not read`
      : `damaged: ${flaw.field}`
  return [{ kind: 'unreadable', text: `Its record is ${what}`, remedy: { do: 'see-job', job: stand.job.id } }]
}

function delayed({ stand: { job, at } }: Facts, dueAt: number): Reason {
  const due = `in ${readable(Math.max(0, dueAt - at))}`
  const error = job.errors.at(-1)
  let text = `It is delayed: due ${due}`
  if (job.strandedSince !== undefined)
    return {
      kind: 'delayed',
      text: `No worker could read it for ${readable(Math.max(0, at - job.strandedSince))}. It was put back, and is due ${due}: ${job.because}`,
      until: dueAt,
      remedy: { do: 'see-doctor' },
    }
  if (job.undoing) text = `A step could not be undone: the next try is ${due}`
  else if (job.because !== undefined) text = `It was put back, and is due ${due}: ${job.because}`
  else if (error?.run === job.runs && job.runs > 0)
    text = `It is retried ${due}: run ${error.run} failed (${namedLine(error)})`
  else if (job.releases > 0) text = `It was put back, and is due ${due}`
  return { kind: 'delayed', text, until: dueAt, ...(error && { remedy: { do: 'see-errors', job: job.id } }) }
}

/** The reason that no living worker takes the job. */
function workerless(facts: Facts): Reason[] {
  const { open, queue, workers, stand } = facts
  const { key } = stand.job
  const serving = workers.filter(({ queues }) => queues.includes(queue))
  const taking = serving.filter(({ state }) => state === 'running')
  const isConfigured = open.settings.partitions.has(queue)
  if (taking.length > 0) {
    if (stand.job.unreadable !== undefined || takers(facts).length > 0) return []
    const ids = taking.map(({ id }) => id)
    const text = `No living worker of its queue ${queue} knows the key ${key}`
    return [{ kind: 'unknown-key', text, workers: ids, remedy: { do: 'see-overview' } }]
  }
  const move = moveFrom(queue, [...open.settings.partitions.keys()], stand.job.id)
  const start = isConfigured ? { remedy: { do: 'start-worker', queue } as const } : defined({ remedy: move })
  if (serving.length > 0) {
    const ids = serving.map(({ id }) => id)
    const text = `The workers of its queue ${queue} are quiet, and take no more jobs: ${listed(ids)}`
    return [{ kind: 'no-worker', text, workers: ids, ...start }]
  }
  const missing = isConfigured ? '' : ', which jobs.queues does not have'
  return [{ kind: 'no-worker', text: `No living worker serves its queue ${queue}${missing}`, ...start }]
}

/** The workers that could run the job. */
function takers({ queue, workers, stand }: Facts): WorkerRecord[] {
  return workers.filter(
    ({ state, queues, keys }) =>
      state === 'running' && queues.includes(queue) && runsKey(keys, stand.job.key),
  )
}

/**
 * The reason that another job goes first in the strict group of this job. Groups that Lark itself creates
 * have no name for people.
 */
async function strictOrder(facts: Facts): Promise<Reason[]> {
  const { job, at, lane } = facts.stand
  if (!lane?.strict || job.group === undefined) return []
  const { first, running } = lane
  const [kind, rule] = isOfLock(job.group)
    ? (['lock', 'It is unique'] as const)
    : ([
        'strict',
        job.group.startsWith('=')
          ? 'Its schedule runs one job after the other'
          : `Its ${groupWords(job.group)} is strict`,
      ] as const)
  const reason = (id: string, what: string, until?: number): Reason => ({
    kind,
    text: `${rule}, and job ${id} goes first: ${what}`,
    ...defined({ until }),
    jobs: [id],
    remedy: { do: 'see-why', job: id },
  })
  if (running[0] !== undefined) {
    const held = await holding(facts, running[0])
    return [reason(running[0], held === undefined ? 'it runs' : lowerFirst(held.text), held?.until)]
  }
  if (first === undefined || first.id === job.id) return []
  if (first.dueAt <= at) return [reason(first.id, 'it was put back, and waits')]
  const stand = await facts.open.store.stand(job.partition, first.id)
  if (stand?.job.suspended !== undefined) {
    const { text, until } = await suspendedReason({ ...facts, stand }, stand.job.suspended, first.dueAt)
    return [reason(first.id, lowerFirst(text), until)]
  }
  return [reason(first.id, `it is due again in ${readable(first.dueAt - at)}`, first.dueAt)]
}

async function groupLimit(facts: Facts): Promise<Reason[]> {
  const { job, at, lane } = facts.stand
  if (lane === undefined || lane.strict || job.group === undefined) return []
  const group = groupWords(job.group)
  if (lane.unknownRate !== undefined) {
    const text = `Its ${group} has a rate of the kind ${lane.unknownRate}, which this version of Lark does not know: only a worker of a later version begins it`
    return [{ kind: 'group-limit', text }]
  }
  if (lane.waitsFor === 'rate') {
    const text = `The rate of its ${group} allows the next job in ${readable(Math.max(0, (lane.until ?? at) - at))}`
    return [{ kind: 'group-limit', text, ...untilOf(lane) }]
  }
  if (!isFull(lane)) return []
  const [first] = lane.running
  const held = first === undefined ? undefined : await holding(facts, first, lane.active > 1 ? first : 'it')
  const who = held === undefined ? '' : `: ${lowerFirst(held.text)}`
  const text = `Its ${group} runs as many jobs as it may (${lane.active}), ${jobWords(lane.running, lane.active)}${who}`
  const end = defined({ until: held?.until, remedy: whyOf(first) })
  return [{ kind: 'group-limit', text, ...end, jobs: lane.running }]
}

/** The worker that holds a job of the same partition. Undefined if that job has ended meanwhile. */
async function holding(
  { open, stand, workers }: Facts,
  id: string,
  called?: string,
): Promise<Reason | undefined> {
  const other = await open.store.stand(stand.job.partition, id)
  return other?.job.state === 'active' ? heldReason(other, workers, called) : undefined
}

/**
 * The reasons that the job waits for permits of a limiter: a limiter in the configuration, or the limiter of
 * the job's class.
 */
async function permits({ open, stand, workers: alive }: Facts): Promise<Reason[]> {
  const { job, at, lane } = stand
  if (job.limiter === undefined) return []
  const { name, weight } = readNeed(job.limiter)
  const limits = grantsOf(name, open.settings.limiters, alive)
  const [kind, whose] = isOwn(name)
    ? (['class-limit', 'The limiter of its class'] as const)
    : (['limiter', `Limiter ${name}`] as const)
  const needs = weight === 1 ? 'a permit' : `${weight} permits`
  const most = limits === undefined ? weight : mostOf(limits)
  if (weight > most) {
    const text = `${whose} never grants more than ${most} permits at once, and it needs ${weight}`
    return [{ kind, text, remedy: { do: 'see-limiters' } }]
  }
  const lot = limits && { limits, each: weight }
  const { free, nextAt, holders, waits } = await open.store.limiters.look(name, lot)
  // `waits` lists the numbers of permits that workers have requested in vain. The limits of a class may not
  // be known yet, because workers announce them a little later.
  const isShort = free === undefined ? waits.some(({ permits }) => permits === weight) : free < weight
  if (!isShort) return []
  const isSilent = (holder: string) => !alive.some(({ id }) => id === holder)
  const held = holders.map(
    ({ holder, permits, until }) =>
      `worker ${holder} has ${permits}${isSilent(holder) ? `, is silent, and loses ${permits === 1 ? 'it' : 'them'} in ${readable(Math.max(0, until - at))}` : ''}`,
  )
  const who = held.length === 0 ? '' : `: ${listed(held)}`
  const by = {
    workers: holders.map(({ holder }) => holder),
    ...(lane?.running.length && { jobs: lane.running }),
  }
  if (nextAt !== undefined) {
    const text = `The rate of ${lowerFirst(whose)} grants ${needs} in ${readable(Math.max(0, nextAt - at))}`
    return [{ kind, text, until: nextAt, ...by, remedy: { do: 'see-limiters' } }]
  }
  // A worker announces the limits of a class when the first job of the class requests a permit. Before that,
  // the limiter may have a rate, so the text does not say that a job must end first.
  const ends = limits === undefined ? '' : ' until a job ends'
  const text = `${whose} has ${weight === 1 ? 'no free permit' : `fewer free permits than it needs (${weight})`}${ends}${who}`
  const [first] = by.jobs ?? []
  const silent = holders.filter(({ holder }) => isSilent(holder)).map(({ until }) => until)
  const end = silent.length > 0 && { until: Math.min(...silent) }
  return [{ kind, text, ...end, ...by, remedy: whyOf(first) ?? { do: 'see-limiters' } }]
}

function queueLimit({ stand, queue }: Facts): Reason[] {
  const { job, at, limits, holders = {} } = stand
  if (limits === undefined || limits.free > 0) return []
  const place = job.partition === queue ? `queue ${queue}` : `partition ${job.partition}`
  if (limits.nextAt !== undefined) {
    const text = `The rate of its ${place} allows the next job in ${readable(Math.max(0, limits.nextAt - at))}`
    return [{ kind: 'queue-limit', text, until: limits.nextAt }]
  }
  const held = Object.entries(holders).map(([worker, count]) => `worker ${worker} has ${count}`)
  const who = held.length === 0 ? '' : `: ${listed(held)}`
  const text = `Its ${place} runs as many jobs as it may (${limits.active})${who}`
  const remedy = { do: 'see-active', queue } as const
  return [{ kind: 'queue-limit', text, workers: Object.keys(holders), remedy }]
}

/**
 * The reasons that circuits are open: the circuit of the job's class, and named circuits that jobs with its
 * key have used on a living worker.
 */
async function openCircuits(facts: Facts): Promise<Reason[]> {
  const { open, stand, workers } = facts
  const { key } = stand.job
  const met = workers.flatMap(({ circuitKeys = {} }) =>
    Object.keys(circuitKeys).filter((name) => circuitKeys[name]!.includes(key)),
  )
  const names = [...new Set(met)].slice(0, MOST_CIRCUITS)
  const looked = await Promise.all(names.map((name) => open.store.limiters.look(name)))
  const shared = looked.flatMap(({ circuit }, i) =>
    circuit === undefined || circuit.trialAt <= stand.at
      ? []
      : [openCircuit(circuitName(names[i]!), circuit.trialAt, stand.at)],
  )
  return [...(await ownCircuit(facts)), ...shared]
}

/** The reason that the circuit of the job's class is open. */
async function ownCircuit({ open, stand }: Facts): Promise<Reason[]> {
  const { job, at } = stand
  const { circuit } = await open.store.limiters.look(`class:${storedName(job.key)}`)
  return circuit === undefined || circuit.trialAt <= at
    ? []
    : [openCircuit('of its class', circuit.trialAt, at)]
}

/** The reason that a circuit has put the job back. */
async function circuitOf(facts: Facts): Promise<Reason[]> {
  const { open, stand } = facts
  const { because, key } = stand.job
  if (because === undefined) return []
  if (because === isOpenWords(undefined, key)) return ownCircuit(facts)
  const found = (await circuits(open.store)).find(({ circuit }) => because === isOpenWords(circuit, key))
  return found?.state === 'open' ? [openCircuit(found.circuit, found.until, stand.at)] : []
}

function openCircuit(name: string, until: number, at: number): Reason {
  const text = `The circuit ${name} is open for ${readable(until - at)}: until then its jobs are put back`
  return { kind: 'circuit', text, until, remedy: { do: 'see-limiters' } }
}

/**
 * The reason that jobs wait in queues which come first: workers that serve queues in strict order take this
 * job only if no job may begin in the queues that come before its queue.
 */
async function queueOrder(facts: Facts): Promise<Reason[]> {
  const { open, queue } = facts
  const able = takers(facts)
  if (able.length === 0 || !able.every(({ strict, queues }) => strict && queues[0] !== queue)) return []
  const before = (worker: WorkerRecord) => worker.queues.slice(0, worker.queues.indexOf(queue))
  const names = [...new Set(able.flatMap(before))]
  const loads = await Promise.all(names.map((name) => load(open, name)))
  const loaded = new Map(names.flatMap((name, i) => (loads[i]! > 0 ? [[name, loads[i]!]] : [])))
  if (!able.every((worker) => before(worker).some((name) => loaded.has(name)))) return []
  const where = [...loaded].map(
    ([name, count]) => `${count.toLocaleString('en')} ${count === 1 ? 'job waits' : 'jobs wait'} in ${name}`,
  )
  const [worker] = able
  const who = able.length === 1 ? `Worker ${worker!.id} serves` : `Its ${able.length} workers serve`
  const text = `${who} other queues before ${queue}: ${listed(where)}`
  return [{ kind: 'queue-order', text, workers: able.map(({ id }) => id), remedy: { do: 'see-queues' } }]
}

/** How many waiting jobs of a queue may begin under its pauses and limits. */
async function load({ store, settings }: OpenFlows, queue: string): Promise<number> {
  const partitions = partitionsOf(queue, settings.partitions.get(queue) ?? 1).slice(0, MAX_STANDINGS)
  const { concurrency = Number.POSITIVE_INFINITY } = settings.limits.get(queue) ?? {}
  const found = await store.standings(partitions)
  const counts = await Promise.all(
    found.map(async ({ counts: { waiting, active }, isPaused }, i) => {
      if (waiting === 0 || active >= concurrency) return 0
      const isStopped = isPaused && (await store.configure(partitions[i]!, {})).paused
      return isStopped ? 0 : waiting
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

/**
 * The reason that all slots of the workers are in use. A worker announces only every few seconds how many
 * jobs it runs, so the newer leases of the partition are considered, too.
 */
function busyWorkers(facts: Facts): Reason[] {
  const able = takers(facts)
  const { holders = {} } = facts.stand
  const isBusy = ({ id, running, concurrency, alone }: WorkerRecord) =>
    alone !== undefined || Math.max(running, holders[id] ?? 0) >= concurrency
  if (able.length === 0 || !able.every(isBusy)) return []
  const kept = able.flatMap(({ id, alone }) => (alone === undefined ? [] : [{ id, ...alone }]))
  const [first] = kept
  if (first !== undefined) {
    const others =
      able.length === 1 ? '' : `; ${able.length - 1} more of its workers have no free slot either`
    return [
      {
        kind: 'busy-workers',
        text: `Worker ${first.id} ${aloneWords(first, facts.stand.at)}${others}`,
        until: Math.min(...kept.map(({ until }) => until)),
        jobs: kept.map(({ job }) => job),
        workers: able.map(({ id }) => id),
        remedy: { do: 'see-why', job: first.job },
      },
    ]
  }
  const slots = able.reduce((sum, { concurrency }) => sum + concurrency, 0)
  const who = able.length === 1 ? 'its worker' : `its ${able.length} workers`
  const text = `All slots (${slots}) of ${who} are in use`
  return [{ kind: 'busy-workers', text, workers: able.map(({ id }) => id), remedy: { do: 'see-workers' } }]
}

/** The reasons that other jobs or groups go before this job. */
function before({ stand, queue }: Facts): Reason[] {
  const { job, line } = stand
  const { ahead = 0, higher = 0, turns = 0 } = line ?? {}
  const reasons: Reason[] = []
  if (ahead > 0) {
    const of =
      job.group === undefined
        ? job.limiter === undefined
          ? `queue ${queue}`
          : 'its limiter'
        : `its ${groupWords(job.group)}`
    const by = higher === 0 ? '' : `, ${countWords(higher)} by priority`
    const what = ahead === 1 ? 'job of' : 'jobs of'
    reasons.push({
      kind: 'behind',
      text: `${countWords(ahead)} ${what} ${of} ${ahead === 1 ? 'goes' : 'go'} before it${by}`,
    })
  }
  if (turns > 0) {
    const own = job.group === undefined ? 'the jobs without a group' : `its ${groupWords(job.group)}`
    const have = turns === 1 ? 'group has its' : 'groups have their'
    reasons.push({
      kind: 'turn',
      text: `${countWords(turns)} ${have} turn before ${own}`,
      remedy: { do: 'see-groups', queue },
    })
  }
  return reasons
}

function countWords(count: number): string {
  return `${count.toLocaleString('en')}${count >= MAX_AHEAD ? ' or more' : ''}`
}

function isFull({ limits, active }: LaneStand): boolean {
  return limits?.concurrency !== undefined && active >= limits.concurrency
}

/**
 * Whether Lark has made the group for jobs with the same unique lock. Groups that Lark makes for schedules
 * begin with `=:`.
 */
function isOfLock(group: string): boolean {
  return /^=[^:]/.test(group)
}

function groupWords(group: string): string {
  return isHash(group) ? `group with a long name (${group})` : `group ${shownName(group)}`
}

/** The text for some jobs: the first ids, and the number of other jobs. */
function jobWords(ids: readonly string[], count: number): string {
  const more = count - ids.length
  return `${ids.join(', ')}${more > 0 ? ` and ${more.toLocaleString('en')} more` : ''}`
}

/** The text for the end of a pause. */
function ends(until: number | undefined, at: number): string {
  return until === undefined ? 'until somebody resumes it' : `for ${readable(until - at)}`
}

function untilOf({ until }: { until?: number }): { until?: number } {
  return until === undefined ? {} : { until }
}

function whyOf(job: string | undefined): Remedy | undefined {
  return job === undefined ? undefined : { do: 'see-why', job }
}
