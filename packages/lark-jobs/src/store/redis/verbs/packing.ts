/**
 * Converts jobs, outcomes and calls to the texts that go into Redis, and back.
 *
 * A record is `after|key|payload`, or `after,priority|…`, or `after,priority,options|…`. For a job in a lane,
 * `@` and the name of the lane follow the priority, and if the group has limits, `~` and the limits follow.
 * `after` is the number of milliseconds between the making of the id and the queueing of the job. The script
 * writes `after`, by the clock of the store. (A job of 60 bytes takes 154 bytes of memory; with the whole
 * time, 170.) A `|` in the options or the key is escaped. The payload is last because it may contain any
 * character. A large payload is stored separately. Options that begin with `!` mark a record of another
 * format (`store/contract/rules/unreadable.ts`), and the scripts read nothing after this mark.
 */
import type { EffectName } from '../../../model/effect.ts'
import { MADE, madeAt } from '../../../model/id.ts'
import type {
  ClaimedJob,
  Counters,
  JobError,
  JobOptions,
  JobRecord,
  Keep,
  Lock,
  LogLine,
  NewJob,
  Outcome,
} from '../../../model/record.ts'
import { packReason } from '../../contract/rules/pause.ts'
import { cancelledFor, UNDOING, waitsText } from '../../contract/rules/reason.ts'
import {
  damaged,
  damagedErrors,
  damagedLine,
  readLines,
  readOptions,
} from '../../contract/rules/unreadable.ts'
import type * as contract from '../../contract/store.ts'
import { MAX_LOG_BYTES, MAX_LOG_LINES, mayPrefetch, WORKER_DIED } from '../../contract/store.ts'
import { namedBundles } from './bundle.ts'
import { packLine, unpackLine } from './lane.ts'
import { packDuration } from './pack-limits.ts'
import { packSteps } from './packing-journal.ts'

/** Separates the records that come with a ring. JSON text contains this character only as `\u001e`. */
export const RS = '\x1e'
/** In a record, GS is in front of the size of a payload that is stored separately (`payload.lua`). */
const GS = '\x1d'

/** A series of `count` similar jobs. `at`: the index of the argument that has this number. */
interface PackedRun {
  made: string
  ownId: NewJob['ownId']
  priority: number
  delay: number
  hooked: boolean
  isDirect: boolean
  lane: string
  lock: Lock | undefined
  keep: Keep | undefined
  count: number
  at: number
}

/** Letters for ids that the application chose. `reuse`: the job may replace a job that has ended. */
const own = { new: 'i', reuse: 'o' } as const

/** @param kept how many cancelled jobs are kept */
export function packBound({ max, full }: contract.Bound, kept: string): string {
  return `b${max}|${full === 'reject' ? '' : kept}`
}

/**
 * The arguments of `enqueue.lua`: the bound of the queue, if there is one, and then series of similar jobs
 * whose ids were made in the same millisecond.
 *
 * @param kept how many cancelled jobs are kept
 * @param packDelay converts the delay of a delayed job
 */
export function packJobs(
  jobs: readonly NewJob[],
  bound?: contract.Bound,
  kept = '',
  packDelay: (ms: number) => string = packDuration,
): string[] {
  const args = bound === undefined ? [] : [packBound(bound, kept)]
  let run: PackedRun | undefined
  for (const job of jobs) {
    const { id, key, payload, priority = 0, delay = 0, options, hooked = false, lock, ownId, keep } = job
    const lane = packLine(job)
    const isDirect = !mayPrefetch(options)
    const isAlike =
      run?.priority === priority &&
      run.delay === delay &&
      run.hooked === hooked &&
      run.isDirect === isDirect &&
      run.lane === lane &&
      run.lock === lock &&
      run.ownId === ownId &&
      run.keep === keep
    // An id that the application chose may be shorter than `MADE`, and the next id could begin with the whole
    // id by chance. So the beginnings are compared.
    const isOld = ownId === undefined ? id.startsWith(run?.made ?? ' ') : id.slice(0, MADE) === run?.made
    if (run === undefined || !isAlike || !isOld) {
      if (run !== undefined) args[run.at] = String(run.count)
      run = {
        made: id.slice(0, MADE),
        ownId,
        priority,
        delay,
        hooked,
        isDirect,
        lane,
        lock,
        keep,
        count: 0,
        at: args.length + 2,
      }
      args.push(
        `${keep === undefined ? '' : packKeep(keep)}${hooked ? 'h' : ''}${ownId === undefined ? '' : own[ownId]}${isDirect ? 'd' : ''}${priority || ''}${lane}${lock === undefined ? '' : packLock(lock)}`,
        delay > 0 ? packDelay(delay) : '',
        '',
      )
    }
    run.count++
    args.push(id, `${packRest(priority, lane, options)}|${escapeKey(key)}|${packPayload(payload)}`)
  }
  if (run !== undefined) args[run.at] = String(run.count)
  return args
}

/** A lock, in the form that `lock.lua` reads. */
function packLock({ name, until, replace, debounce, maxWait, throttle }: Lock): string {
  const durations = [debounce, maxWait, throttle].map((ms) => (ms === undefined ? '' : packDuration(ms)))
  return ['', until[0], replace ? '1' : '', ...durations, name].join('|')
}

/** How long a job is kept, in the form that `keeping.lua` reads. */
function packKeep({ completed, failed, cancelled, log, least, relayed }: Keep): string {
  const ages = [completed, failed, cancelled, log, least]
  return `k${ages.map((ms) => (ms === undefined ? '' : packDuration(ms))).join(',')}${relayed ? 'r' : ''};`
}

function packRest(priority: number, lane: string, options: JobOptions | undefined): string {
  const line = `${priority || ''}${lane}`
  if (options === undefined) return line === '' ? '' : `,${line}`
  // The scripts look for `maxCrashes` only at the beginning of the options.
  const ordered = options.maxCrashes === undefined ? options : { maxCrashes: options.maxCrashes, ...options }
  return `,${line},${packJson(ordered)}`
}

/** Converts the options of a record to JSON. */
function packJson(value: object): string {
  return JSON.stringify(value).replaceAll('|', '\\u007c')
}

export function escapeKey(key: string): string {
  if (/^[\w-]*$/.test(key)) return key
  return key.replaceAll('%', '%25').replaceAll('|', '%7C').replaceAll(RS, '%1E').replaceAll(GS, '%1D')
}

function packPayload(payload: string): string {
  if (!payload.includes(RS) && !payload.includes(GS)) return payload
  return payload.replaceAll(RS, '\\u001e').replaceAll(GS, '\\u001d')
}

/**
 * Parses a record into a claimed job. For speed, this function calls few other functions: every worker calls
 * it for every job. A record that is damaged or has another format becomes a job with `unreadable`.
 */
export function unpackJob(
  id: string,
  token: string,
  record: string,
  counters: string | null | undefined,
): ClaimedJob {
  const head = record.indexOf('|')
  const payload = record.indexOf('|', head + 1) + 1
  const after = record.indexOf(',')
  const isPlain = after < 0 || after > head
  const job: ClaimedJob = {
    id,
    token,
    queuedAt: madeAt(id) + Number(record.slice(0, isPlain ? head : after)),
    priority: 0,
    key: unescapeKey(record.slice(head + 1, payload - 1)),
    payload: record.slice(payload),
    runs: 1,
    failures: 0,
    crashes: 0,
    releases: 0,
  }
  if (!isPlain) {
    const options = record.indexOf(',', after + 1)
    const hasOptions = options > 0 && options < head
    const line = record.slice(after + 1, hasOptions ? options : head)
    const lane = line.indexOf('@')
    job.priority = Number(lane < 0 ? line : line.slice(0, lane))
    if (lane >= 0) Object.assign(job, unpackLine(line.slice(lane)))
    if (hasOptions) Object.assign(job, readOptions(record.slice(options + 1, head)))
  }
  if (counters) Object.assign(job, unpackCounters(counters, true))
  const isSound = head > 0 && payload > head + 1 && !Number.isNaN(job.queuedAt + job.priority)
  return isSound ? job : unsound(job, record)
}

/** The job for a record that cannot be split into its parts. */
function unsound(job: ClaimedJob, record: string): ClaimedJob {
  const { id, queuedAt, priority } = job
  const sound = { queuedAt: Number.isNaN(queuedAt) ? madeAt(id) : queuedAt, priority: priority || 0 }
  return { ...job, ...sound, payload: '', key: '', unreadable: damaged('record', record) }
}

/**
 * Adds payloads that are stored separately to their jobs. `payloads` is in the order of the jobs.
 *
 * @param records the records of the jobs. The scripts also return a payload for a damaged record, and this
 *   payload is skipped
 */
export function unpackPayloads(
  jobs: readonly Pick<ClaimedJob, 'payload' | 'unreadable'>[],
  records: readonly string[],
  payloads: readonly (string | null)[],
): void {
  let next = 0
  for (const [i, job] of jobs.entries()) {
    if (!records[i]!.includes(GS)) continue
    const payload = payloads[next++]
    if (!job.payload.startsWith(GS)) continue
    if (payload == null) job.unreadable = damaged('payload', job.payload)
    job.payload = payload ?? ''
  }
}

export function unescapeKey(key: string): string {
  if (!key.includes('%')) return key
  return key.replaceAll('%1D', GS).replaceAll('%1E', RS).replaceAll('%7C', '|').replaceAll('%25', '%')
}

/**
 * @param started whether to add a run. The store does not count the run of an active or a completed job
 */
export function unpackCounters(text: string | null | undefined, started: boolean): Counters {
  // Damaged counters count as 0, as in the scripts (`counters.lua`).
  const isSound = text && /^\d+,\d+,\d+,\d+$/.test(text)
  const [runs = 0, failures = 0, crashes = 0, releases = 0] = isSound ? text.split(',').map(Number) : []
  return { runs: started ? runs + 1 : runs, failures, crashes, releases }
}

export function unpackErrors(text: string | null | undefined): JobError[] {
  return text ? readLines(text, damagedErrors) : []
}

/** The newest lines that fit into a job's log, one JSON text on each line. */
function packLog(log: readonly LogLine[] | undefined): string {
  if (!log || log.length === 0) return ''
  const lines: string[] = []
  let bytes = 0
  for (const line of log.slice(-MAX_LOG_LINES).reverse()) {
    let json = JSON.stringify(line)
    if (Buffer.byteLength(json) > MAX_LOG_BYTES) {
      // The text of a line that is too long is cut. In JSON, each code unit takes at most 6 bytes.
      json = JSON.stringify({ ...line, text: `${line.text.slice(0, Math.floor(MAX_LOG_BYTES / 6) - 20)}…` })
    }
    bytes += Buffer.byteLength(json) + 1
    if (bytes > MAX_LOG_BYTES + 1) break
    lines.push(json)
  }
  return lines.reverse().join('\n')
}

/** Makes the report of a run for `report.lua`: the progress between two RS, and then the log lines. */
function packReport({ log, progress }: Pick<contract.LeaseNote, 'log' | 'progress'>): string {
  return `${progress === undefined ? '' : `${RS}${progress}${RS}`}${packLog(log)}`
}

export function unpackLog(text: string | null): LogLine[] {
  return text ? readLines(text, damagedLine) : []
}

/**
 * The arguments of `settle.lua`. The first argument has all jobs that completed and report nothing else, by
 * token. Five arguments follow for each other job.
 *
 * @returns the arguments, and for each settlement the index of its verdict in the script's answer
 */
export function packSettlements(settlements: readonly contract.Settlement[]): {
  args: string[]
  places: number[]
} {
  const groups = new Map<string, { ids: string; indices: number[] }>()
  const others: string[] = []
  const last: number[] = []
  let token: string | undefined
  let group: { ids: string; indices: number[] } | undefined
  for (const [i, settlement] of settlements.entries()) {
    const { outcome } = settlement
    const isPlain = outcome.kind === 'completed' && outcome.result === undefined && !reports(outcome)
    if (!isPlain) {
      const [kind, value] = packOutcome(outcome)
      others.push(
        settlement.id,
        settlement.token,
        kind,
        value,
        `${packSteps(outcome.steps)}${packReport(outcome)}`,
      )
      last.push(i)
      continue
    }
    if (group === undefined || settlement.token !== token) {
      token = settlement.token
      group = groups.get(token)
      if (group === undefined) {
        group = { ids: token, indices: [] }
        groups.set(token, group)
      }
    }
    group.ids += `\n${settlement.id}`
    group.indices.push(i)
  }
  const parts = [...groups.values()]
  const places: number[] = []
  let place = 0
  for (const { indices } of [...parts, { indices: last }]) for (const i of indices) places[i] = place++
  return { args: [parts.map(({ ids }) => ids).join('\t'), ...others], places }
}

function reports({ log, progress, took, steps }: Outcome): boolean {
  return log !== undefined || progress !== undefined || took !== undefined || steps !== undefined
}

// New outcome: its kind and value, as `after-run.lua` reads them.
function packOutcome(outcome: Outcome): [kind: string, value: string] {
  switch (outcome.kind) {
    case 'completed': {
      const { result, took } = outcome
      if (took === undefined) return result === undefined ? ['completed', ''] : ['result', result]
      return ['timed', `${packDuration(took)}${result === undefined ? '' : `|${result}`}`]
    }
    case 'failed': {
      const error = JSON.stringify(outcome.error)
      const { untold, alike = '' } = outcome
      if (outcome.retryIn === undefined) return ['failed', `${untold ? '!' : ''}${alike}${error}`]
      return ['retried', `${packDuration(outcome.retryIn)}|${error}`]
    }
    case 'released': {
      const because = outcome.because === undefined ? '' : `|${outcome.because}`
      const mark = outcome.isStranded ? 's' : (outcome.pauses?.[0] ?? '')
      const place = !outcome.isStranded && outcome.keepsPlace ? '=' : ''
      return ['released', `${packDuration(outcome.in)}${mark}${place}${because}`]
    }
    case 'suspended': {
      const { waits, heard, undoing, rests } = outcome
      const after = undoing === undefined ? waitsText(waits) : `${UNDOING}${undoing}`
      return ['suspended', `${packDuration(outcome.in)}|${heard}${rests ? '!' : ''}|${after}`]
    }
    case 'unstarted':
      return ['unstarted', outcome.in === undefined ? '' : packDuration(outcome.in)]
    case 'cancelled':
      return ['cancelled', `${outcome.reason}|${outcome.error ? JSON.stringify(outcome.error) : ''}`]
  }
}

/** The arguments of `extend.lua`. `alone` comes before the report, which begins with RS or a brace. */
export function packNotes(notes: readonly contract.LeaseNote[], leaseMs: number): string[] {
  const args = [packDuration(leaseMs)]
  for (const note of notes) {
    const alone = note.unstarted ? '-' : note.alone === undefined ? '' : Number(note.alone)
    args.push(note.id, note.token, `${alone}${packReport(note)}`)
  }
  return args
}

/** The arguments of `recover.lua` from the fourth on. */
export function packRecovery(options: contract.RecoverOptions): string[] {
  const { forgiving, holder = '', until = '', unread = '', cause, fromWithin, effects, leaseMs, by } = options
  const error = { ...WORKER_DIED, ...(cause !== undefined && { message: `its process ${cause}` }) }
  // The script puts `{"run":` and the number of the run in front of this text.
  const rest = `,${JSON.stringify(error).slice(1)}`
  const till = leaseMs === undefined ? String(until) : `${until}|${packDuration(leaseMs)}`
  const noted = by === undefined ? till : `${till}+`
  return [rest, forgiving ? '1' : fromWithin ? 'w' : '', holder, noted, unread, packEffects(effects)]
}

/**
 * Packs for `delivery.lua` which effects a call takes, and which effects were delivered.
 *
 * @param leaseMs the lease of the jobs that the call claims. If the hooks have the same lease, one letter
 *   stands for this lease
 */
export function packEffects(wanted: contract.EffectsWanted | undefined, leaseMs?: number): string {
  if (wanted === undefined) return ''
  const own = wanted.leaseMs === undefined ? 'e' : `e${packDuration(wanted.leaseMs)}`
  const head = wanted.leaseMs !== undefined && wanted.leaseMs === leaseMs ? 'w' : own
  return wanted.done === undefined ? head : `${head}\n${packNames(wanted.done)}`
}

/** Names of effects, for `effect.lua`: bundles first, then the other effects, grouped by kind and time. */
function packNames(names: readonly EffectName[]): string {
  const ids = new Map<string, string[]>()
  const bundles = namedBundles(names)
  if (bundles.length > 0) ids.set('b', ['b', ...bundles])
  for (const { kind, id, at, bundle } of names) {
    if (bundle !== undefined) continue
    const head = `${kind[0]}${at}`
    const list = ids.get(head)
    if (list === undefined) ids.set(head, [head, id])
    else list.push(id)
  }
  return [...ids.values()].map((list) => list.join('\n')).join('\t')
}

/** The setting that `configure.lua` stores, as text. */
export function packSettings({ paused, for: ms, because, by, keepsLonger }: contract.SettingChange): string {
  if (!paused) return paused === undefined ? '' : '0'
  return `${ms === undefined ? '1' : `+${keepsLonger ? '+' : ''}${packDuration(ms)}`}${packReason({ because, by })}`
}

/** An ended job, in the form that `restore.lua` reads. */
export function packRestored(job: JobRecord): string[] {
  const { id, key, payload, priority, queuedAt, state, options, group, limiter, reason, because } = job
  const lane = packLine({
    id,
    key,
    payload,
    ...(group && { group: { name: group } }),
    ...(limiter && { limiter }),
  })
  const record = `${queuedAt - madeAt(id)}${packRest(priority, lane, options)}|${escapeKey(key)}|${packPayload(payload)}`
  const rest = [
    job.finishedAt ?? queuedAt,
    packCounters(job),
    job.errors.map((error) => JSON.stringify(error)).join('\n'),
    job.result ?? '',
    job.progress ?? '',
    reason === undefined ? '' : cancelledFor(reason, because),
  ]
  return [id, record, state, rest.join(RS)]
}

/** The former state of a job, in the form that `undo.lua` reads. */
export function packUndone(job: JobRecord): string[] {
  const { id, state, runs, options, queuedAt, finishedAt, dueAt, result, progress, reason, because } = job
  const pending = job.undoing ? 'u' : job.suspended === undefined ? '' : 's'
  const rest = [
    state,
    queuedAt - madeAt(id),
    finishedAt ?? dueAt ?? queuedAt,
    packCounters(job),
    result ?? '',
    progress ?? '',
    reason === undefined ? pending : cancelledFor(reason, because),
  ]
  return [id, `${runs} ${options?.editedAt ?? ''}`, rest.join(RS)]
}

/**
 * The text of the counters, or '' if all are 0. The run that completed a job is not part of the stored
 * counters.
 */
function packCounters({ state, runs, failures, crashes, releases }: JobRecord): string {
  const counters = [state === 'completed' ? runs - 1 : runs, failures, crashes, releases]
  return counters.some((count) => count > 0) ? counters.join(',') : ''
}

/**
 * The kind of a change and its value. If the job must not have begun, `!` follows the kind. If the job must
 * be in certain states, `:` and these states follow: `remove!:waiting,delayed`.
 */
export function packChange(change: contract.Change): [kind: string, value: string] {
  let kind: string = change.kind
  if (change.kind === 'edit' && change.whileActive) kind = 'edit-active'
  if (change.kind === 'purge' && change.isElsewhere) kind = 'purge-elsewhere'
  if ('ifNotBegun' in change && change.ifNotBegun) kind += '!'
  return [change.only === undefined ? kind : `${kind}:${change.only}`, changeValue(change)]
}

function changeValue(change: contract.Change): string {
  switch (change.kind) {
    case 'cancel':
      return cancelledFor(change.reason, change.because)
    case 'reschedule':
      return packDuration(change.in)
    case 'prioritize':
      return String(change.priority || '')
    case 'edit':
      return `${change.force ? '!' : ''}${change.redact === undefined ? '' : packJson(change.redact)}${RS}${packPayload(change.payload)}`
    case 'remove':
      return change.as?.join(',') ?? ''
    case 'add-tags':
    case 'remove-tags':
      return packJson(change.tags)
    case 'report':
      return packReport(change)
    case 'retry':
      return `${change.fromStart ? 'anew' : ''}${change.keepsFailures ? '+' : ''}`
    case 'purge':
    case 'unpin':
    case 'run-now':
      return ''
  }
}
