/** Converts the answers of scripts: texts of jobs (`show.lua`) to records, and marks of pages to cursors. */
import { defined } from '@s18i/lark/internal'
import type { Effect, EffectKind, EndedJob } from '../../../model/effect.ts'
import type { ClaimedJob, JobRecord, NewJob, State } from '../../../model/record.ts'
import { settingOf } from '../../contract/change.ts'
import { laneRecord } from '../../contract/rules/lane.ts'
import { pausedGroup, readLimits, readPause } from '../../contract/rules/pause.ts'
import { readCancelled, readReason, untimed } from '../../contract/rules/reason.ts'
import type * as contract from '../../contract/store.ts'
import { readBundles } from './bundle.ts'
import { RS, unescapeKey, unpackCounters, unpackErrors, unpackJob, unpackPayloads } from './packing.ts'
import { type ReadJournal, readJournal } from './reading-journal.ts'

export type Texts = (string | null)[]
export type ShownJobs = [
  state: State,
  ids: string[],
  records?: string[],
  counters?: Texts,
  errors?: Texts,
  places?: Texts,
  holders?: Texts,
  results?: Texts,
  reasons?: Texts,
  payloads?: Texts,
  progress?: Texts,
]
/**
 * The answer of `flow-fates.lua` and of `watch.lua`: a letter for each id, and the ended jobs by state. After
 * that, `watch.lua` returns the progress and the option `born` of each job that has not ended.
 */
export type FatesReply = [letters: string, ...(ShownJobs | Texts)[]]
/** The ids and packed keys of jobs in one state, and for active jobs also `token|claimed at`. */
export type ShownHeads = [state: State, ids: string[], keys: Texts, claims?: string[]]
/** The answer of `list-lanes.lua`. */
export type ShownLanes = [
  lanes: [name: string, until: string, pending: number, active: number][],
  mark: string[],
]
/**
 * The answer of `look-at-limiter.lua`: three values for each holder, and three for each lot size that holders
 * wait for; the times of the circuit; the free permits, and when there are more.
 */
export type ShownLimiter = [holders: string[], waits: string[], circuit: string[], free: string[]]

/** Nodes that completed in the same call that hands out their effects. */
type FreshNodes = [at: string, ids: string[], results: Texts]
/**
 * The effects that a script hands out, as pairs: a kind and jobs, `fresh` and nodes, or `bundle` and bundles.
 */
export type HandedEffects = readonly (EffectKind | 'fresh' | 'bundle' | ShownJobs | FreshNodes | string[])[]

type Text = string | null
/** A flow, as `flows.lua` returns it. */
export type FlowTexts = [
  id: string,
  rev: string,
  definition: Text,
  state: Text,
  reserved: Text,
  size: Text,
  completed: Text,
  failed: Text,
  cancelled: Text,
  news: string[],
  ends: Texts,
]

/** The answer of `exchange.lua`. */
export type Exchanged = [
  verdicts: string,
  due: number,
  ids: string,
  records: string[],
  counters: string[] | null,
  limited?: string | null,
  effects?: HandedEffects | null,
  dues?: string[] | null,
  /** Milliseconds until a schedule or a flow is due, or -1 if none will be due. */
  tick?: number,
  /** Two values for each job with a journal: its index in the claim, counted from 1, and the journal. */
  journals?: (number | ReadJournal)[] | null,
  /** The time, and the due flows that are handed out. */
  flows?: [at: string, flows: FlowTexts[]],
]

/**
 * @param ids one id on each line
 * @param records the records, followed by the payloads that are stored separately
 * @param counters the counters of each job; null if no job has counters
 */
export function readClaim(
  token: string,
  ids: string,
  records: string[],
  counters: Texts | null,
): ClaimedJob[] {
  if (ids === '') return []
  const names = ids.split('\n')
  const jobs = names.map((id, i) => unpackJob(id, token, records[i]!, counters?.[i]))
  if (records.length > jobs.length) unpackPayloads(jobs, records, records.slice(jobs.length))
  return jobs
}

/** Adds the journals of the jobs in a claim. */
export function addJournals(jobs: readonly ClaimedJob[], found: NonNullable<Exchanged[9]>): void {
  for (let i = 0; i < found.length; i += 2)
    jobs[(found[i] as number) - 1]!.journal = readJournal(found[i + 1] as ReadJournal)
}

/** Adds when the jobs of a claim were due. @param dues the times; '' if a job was due when it was queued */
export function addDues(jobs: readonly ClaimedJob[], dues: readonly string[]): void {
  for (const [i, job] of jobs.entries()) {
    const dueAt = Number(dues[i])
    if (dueAt > 0 && dueAt !== job.queuedAt) job.dueAt = dueAt
  }
}

/**
 * Parses the message of a ring, whose parts are separated by RS. The first part is the partition. After that,
 * a notice has `notice`, and the id of a job if a signal has come for this job; a claim has its number, the
 * ids and records of its jobs, and their large payloads.
 */
export function readRing(
  caller: string,
  message: string,
): { partition: string; isNotice?: true; signalled?: string; claim?: contract.Claim } {
  const [partition = '', number, ids = '', ...records] = message.split(RS)
  if (number === undefined) return { partition }
  if (number === 'notice') return { partition, isNotice: true, ...(ids !== '' && { signalled: ids }) }
  const jobs = readClaim(`${caller}.${number}`, ids, records, null)
  return { partition, claim: { number: Number(number), jobs } }
}

export function readJobs(partition: string, shown: ShownJobs): JobRecord[] {
  const [
    state,
    ids,
    records = [],
    counters,
    errors,
    places,
    holders,
    results,
    reasons,
    payloads = [],
    progress,
  ] = shown
  const started = state === 'active' || state === 'completed'
  const jobs = ids.flatMap((id, i): JobRecord | [] => {
    const record = records[i]
    if (record == null) return []
    const { token, ...packed } = unpackJob(id, '', record, null)
    const place = places?.[i]
    const holder = holders?.[i]
    const result = results?.[i]
    const reason = reasons?.[i]
    const counted = unpackCounters(counters?.[i], started)
    return {
      ...packed,
      partition,
      state,
      ...counted,
      errors: unpackErrors(errors?.[i]),
      ...readTime(state, packed.queuedAt, place),
      ...(holder && readHolder(holder)),
      ...(result !== null && result !== undefined && { result }),
      ...(reason && readReason(state, reason, counted.runs)),
      ...(progress?.[i] && { progress: progress[i]! }),
    }
  })
  const found = records.filter((record) => record != null)
  if (payloads.length > 0) unpackPayloads(jobs, found, payloads)
  return jobs
}

/** Reads the heads of jobs. Jobs whose records the server has evicted are left out. */
export function readHeads([, ids, keys, claims]: ShownHeads): contract.JobHead[] {
  return ids.flatMap((id, i) => {
    const key = keys[i]
    if (key == null) return []
    const claim = claims?.[i]
    const claimedAt = claim?.slice(claim.lastIndexOf('|') + 1)
    return {
      id,
      key: unescapeKey(key),
      ...(claim && readHolder(claim)),
      ...(claimedAt && { claimedAt: Number(claimedAt) }),
    }
  })
}

export function readLanes(filter: contract.LaneFilter, [lanes, mark]: ShownLanes): contract.LanePage {
  return {
    lanes: lanes.map(([name, until, pending, active]) =>
      laneRecord(filter.state, name, { until: until === '' ? undefined : Number(until), pending, active }),
    ),
    ...(mark.length > 0 && { cursor: JSON.stringify(mark) }),
  }
}

export function readLimiter([holders, waits, circuit, lot]: ShownLimiter): contract.LimiterRecord {
  const [openedAt, trialAt] = circuit.map(Number)
  const [free, nextAt] = lot.map(Number)
  return {
    holders: threes(holders).map(([holder, permits, until]) => ({
      holder,
      permits: Number(permits),
      until: Number(until),
    })),
    waits: threes(waits).map(([permits, since, until]) => ({
      permits: Number(permits),
      since: Number(since),
      until: Number(until),
    })),
    ...defined({ free, nextAt }),
    ...(openedAt !== undefined && trialAt !== undefined && { circuit: { openedAt, trialAt } }),
  }
}

function threes(flat: readonly string[]): [string, string, string][] {
  return Array.from(
    { length: flat.length / 3 },
    (_, i) => flat.slice(3 * i, 3 * i + 3) as [string, string, string],
  )
}

/** Reads the answer of `configure.lua`. */
export function readSetting([paused, ...found]: readonly string[]): contract.Setting {
  const groups: contract.PausedGroup[] = []
  for (let i = 0; i < found.length; i += 3)
    groups.push(pausedGroup(found[i]!, Number(found[i + 1]), found[i + 2]))
  return settingOf(readPause(paused), groups, readLimits(paused))
}

/** @param handed see `HandedEffects` */
export function readEffects(partition: string, handed: HandedEffects): Effect[] {
  const effects: Effect[] = []
  for (let i = 0; i < handed.length; i += 2) {
    const kind = handed[i] as EffectKind | 'fresh' | 'bundle'
    const given = handed[i + 1]
    if (kind === 'fresh') effects.push(...readFresh(given as FreshNodes))
    else if (kind === 'bundle') effects.push(...readBundles(given as string[]))
    else
      for (const job of readJobs(partition, given as ShownJobs))
        effects.push(kind === 'hook' ? { kind, job } : { kind, job: endedJob(job) })
  }
  return effects
}

function readFresh([at, ids, results]: FreshNodes): Effect[] {
  const finishedAt = Number(at)
  return ids.map((id, i) => {
    const result = results[i]
    const job = { id, state: 'completed' as const, errors: [], finishedAt }
    return { kind: 'member', job: result == null ? job : { ...job, result } }
  })
}

export function readFates(
  partition: string,
  ids: readonly string[],
  [letters, ...rest]: FatesReply,
): contract.Fate[] {
  const shown = rest.slice(0, 3) as ShownJobs[]
  const progress = (rest[3] ?? []) as Texts
  const births = (rest[4] ?? []) as Texts
  const ended = new Map(shown.flatMap((each) => readJobs(partition, each)).map((job) => [job.id, job]))
  let present = 0
  return ids.map((id, i): contract.Fate => {
    const job = letters[i] === 'e' ? ended.get(id) : undefined
    if (job !== undefined) return { kind: 'ended', job: endedJob(job) }
    if (letters[i] !== 'p') return { kind: letters[i] === 'c' ? 'cut' : 'unknown' }
    const [reported, born] = [progress[present], births[present]]
    present++
    return {
      kind: 'present',
      ...(reported != null && { progress: reported }),
      ...(born != null && { born }),
    }
  })
}

/**
 * Reads the answer of `flow-fates.lua`. The answer also says when members completed whose jobs are not kept
 * any more.
 */
export function readMemberFates(
  partition: string,
  ids: readonly string[],
  reply: FatesReply,
): contract.MemberFate[] {
  const times = reply[4] as string[] | undefined
  let unknown = 0
  return readFates(partition, ids, reply.slice(0, 4) as FatesReply).map((fate, i) => {
    const at = fate.kind === 'unknown' ? times?.[unknown++] : undefined
    if (!at) return fate
    return { kind: 'ended', job: { id: ids[i]!, state: 'completed', errors: [], finishedAt: Number(at) } }
  })
}

function endedJob({ payload: _, ...job }: JobRecord): EndedJob {
  return job
}

/**
 * When a job is due, was claimed or has ended. No `place` is stored for a job that was due when it was
 * queued.
 */
function readTime(state: State, queuedAt: number, place: string | null | undefined): Partial<JobRecord> {
  if (state === 'waiting' || state === 'delayed') return { dueAt: place ? Number(place) : queuedAt }
  return state === 'active' ? { claimedAt: Number(place) } : { finishedAt: Number(place) }
}

/** Reads the caller from a holder field, `caller.number|…`. */
function readHolder(holder: string): Partial<JobRecord> {
  return { holder: holderOf(holder.slice(0, holder.lastIndexOf('|'))) }
}

/** The caller in a token. */
export function holderOf(token: string): string {
  // The number of a claim that came with a ring ends in `.5`.
  return token.replace(/\.\d+(\.5)?$/, '')
}

/**
 * Reads the answer of `extend.lua`: the ids of lost jobs, and the ids of jobs that should be cancelled, with
 * the reasons.
 */
export function readExtension(reply: unknown): contract.Extension {
  if (reply === '') return { lost: [], notices: [] }
  const [lost, asked, reasons, watched] = reply as [
    ...[lost: string[], asked: string[], reasons: string[], watched: string[]],
  ]
  return {
    lost,
    notices: asked.map((id, i) => ({ kind: 'cancel', id, ...readCancelled(untimed(reasons[i]!)) })),
    ...(watched.length > 0 && { watched }),
  }
}

/**
 * From which callers `recover.lua` took back jobs: for each caller, how many jobs, and the ids of the first
 * of these jobs.
 */
export function takenIn(reply: unknown): [caller: string, count: number, ids: string[]][] {
  return ((reply as unknown[])[7] ?? []) as [string, number, string[]][]
}

export function readRecovery(partition: string, reply: unknown): contract.Recovery {
  const [recovered, failed, ends, effect, crashed, handed, doubted] = reply as [
    recovered: string[],
    failed: string[],
    ends: number,
    effect: number,
    crashed: string[],
    handed?: HandedEffects | null,
    doubted?: string[],
  ]
  return {
    recovered,
    failed,
    ...(crashed.length > 0 && { crashed }),
    ...(ends >= 0 && { nextLeaseEnd: ends }),
    ...(effect >= 0 && { nextEffect: effect }),
    ...(handed && { effects: readEffects(partition, handed) }),
    ...(doubted && { doubted }),
  }
}

/** @param found two values for each doubted job: its id, and when it was taken back */
export function readDoubts(found: readonly string[]): contract.DoubtedJob[] {
  return Array.from({ length: found.length / 2 }, (_, i) => ({
    id: found[2 * i]!,
    at: Number(found[2 * i + 1]),
  }))
}

/**
 * @param found four numbers for each minute: the minutes since 1970, and how many jobs completed, failed and
 *   were retried
 */
export function readMinutes(found: readonly number[]): contract.Minute[] {
  return Array.from({ length: found.length / 4 }, (_, i) => {
    const [minute, completed, failed, retried] = found.slice(4 * i) as [number, number, number, number]
    return { at: minute * 60_000, completed, failed, retried }
  })
}

/**
 * Converts each letter in the answer of `enqueue.lua` to the verdict for a job.
 *
 * @param line returns the next line of the answer: the id or the state of the job that prevents this job
 * @param id the id of the new job
 */
const enqueued: Record<string, (line: () => string, id: string) => contract.Enqueued> = {
  e: () => 'exists',
  f: () => ({ kind: 'rejected', reason: 'full' }),
  p: () => ({ kind: 'refused', reason: 'priorities' }),
  u: (line) => ({ kind: 'rejected', reason: 'unique', by: line() }),
  t: (line) => ({ kind: 'rejected', reason: 'throttled', by: line() }),
  r: (line) => ({ kind: 'replaced', by: line() }),
  x: (line, id) => ({ kind: 'rejected', reason: 'exists', by: id, state: line() as State }),
}

/**
 * @param answer '' if all jobs are queued. If not: one letter for each job, and then a line for each letter
 *   that needs a line
 */
export function readEnqueued(answer: string, jobs: readonly NewJob[]): contract.Enqueued[] {
  if (answer === '') return new Array(jobs.length).fill('queued')
  const [letters = '', ...lines] = answer.split('\n')
  const line = () => lines.shift()!
  return jobs.map(({ id }, i) => enqueued[letters[i]!]?.(line, id) ?? 'queued')
}

const alterVerdicts: Record<string, contract.AlterVerdict> = {
  d: 'done',
  a: 'asked',
  m: 'missing',
  r: 'refused',
}

/** @param letters one letter for each id */
export function readVerdicts(letters: string): contract.AlterVerdict[] {
  return [...letters].map((letter) => alterVerdicts[letter]!)
}

/** Reads the answer of TIME, as milliseconds since 1970. */
export function readClock(reply: unknown): number {
  const [seconds, micros] = reply as [string, string]
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
}

/** Reads the answer of `standings.lua` for one partition. */
export function readStanding(answer: readonly (number | string)[]): contract.Standing {
  const found = answer as readonly number[]
  const [count = 0, delayed = 0, since = 0] = found.slice(13, 16)
  const oldest = Math.min(found[11]! >= 0 ? found[11]! : Infinity, count > 0 ? since : Infinity)
  return {
    counts: readCounts(found),
    isPaused: found[6] === 1,
    retrying: found[7] ?? 0,
    suspended: found[10] ?? 0,
    ...(found[8]! > 0 && { dropped: { count: found[8]!, at: found[9]! } }),
    arrived: found[12] ?? 0,
    minutes: readMinutes(found.slice(17)),
    keys: [],
    ...(count > 0 && { stranded: { count, delayed, since, id: String(answer[16]) } }),
    ...(oldest < Infinity && { oldest }),
  }
}

/** Reads the answer of `counts.lua`. */
export function readCounts(numbers: readonly number[]): contract.Counts {
  const [waiting = 0, delayed = 0, active = 0, completed = 0, failed = 0, cancelled = 0] = numbers
  return { waiting, delayed, blocked: 0, active, completed, failed, cancelled }
}
