/**
 * The account of a run says what became of each transaction. A pure function makes the account from the final
 * contents of the database, the journals of the processes, and the faults that the conductor caused.
 */
import type { Evidence, Run } from './evidence.ts'

export const rules = {
  lost: 'an order is in the database, and a job of it has not run to its end',
  phantom: 'a job ran, and its order is not in the database',
  'second-run': 'a job ran twice, though nothing happened to its worker or to the store',
  'rollback-kept': 'an application rolled a transaction back, and its order is in the database',
  'commit-gone': 'an application was told that a transaction had committed, and its order is gone',
  'too-old': 'a row waited for longer than the outages and their bounds',
  'rows-left': 'rows are left in the outbox',
  'not-small': 'the outbox is not small',
  'store-left': 'the store has jobs that have not completed',
  exited: 'a worker ended by itself',
} as const
export type Rule = keyof typeof rules

export interface Finding {
  rule: Rule
  text: string
}

/** A fault of a role or a server. */
export interface Hit {
  what: 'killed' | 'frozen'
  /** `database`, `store`, or the name of the process of a role. */
  by: string
  from: number
  /** When the role or server answered again. For a killed role, the same as `from`. */
  to: number
}

/** One measurement of the outbox. */
export interface Sample {
  at: number
  /** How many milliseconds the oldest row has waited. */
  age: number
  waiting: number
  /** The number of the order of the oldest row, if this row had waited for long. */
  n?: number
}

export interface Observed {
  evidence: Evidence
  /** The jobs of each order in the database, by its number. */
  orders: ReadonlyMap<number, number>
  hits: readonly Hit[]
  samples: readonly Sample[]
  /** The outbox at the end of the run. */
  outbox: { rows: number; bytes: number }
  /** Jobs in the store that have not completed. */
  left: readonly string[]
  /** The worker processes that ended by themselves, with their last output. */
  exited: readonly string[]
  /** Returns the name of the process that wrote an order. */
  writerOf: (n: number) => string
  /** Whether the database or the store is a file. A stopped process may hold a lock of a file. */
  isFile: { database: boolean; store: boolean }
  /** The length of the leases of jobs in milliseconds. */
  leaseMs: number
}

export interface Account {
  orders: number
  jobs: number
  rolledBack: number
  unsure: number
  runs: number
  /** Jobs that ran more than once. */
  again: number
  kills: Record<string, number>
  freezes: Record<string, number>
  /** How often the worker with the relay was killed or stopped. */
  relayHits: number
  /** The age of the oldest row in milliseconds: p50 and p99 without an outage, and the maximum. */
  age: { p50: number; p99: number; max: number; samples: number; beyond: number }
  findings: Finding[]
}

/**
 * An end of a job that happened less than this many milliseconds before a kill may not have reached the
 * store.
 */
const UNTOLD = 1_000
/** Milliseconds between a claim and the start of its handler. */
const CLAIM = 500
/** For how many milliseconds after a stop a worker may begin jobs that it had claimed before. */
const WAKING = 2_000
/** How old the newest sign of a relay may be, in milliseconds. A relay gives a sign twice a second. */
const SIGN = 3_500
/**
 * How many milliseconds longer than an outage a row may wait, as the table in docs/relay.md says. The
 * death of a worker counts only if the worker had the relay.
 */
const MORE = { database: 200, store: 2_000, relay: 4_000 }
/** How many milliseconds each waiting row of a backlog takes: 100,000 rows take up to 20 seconds. */
const PER_ROW = 0.2
/** Milliseconds that are allowed in addition on a busy machine. */
export const SPARE = 1_000
/** Bytes that a small outbox may have. */
const SMALL = 64 * 2 ** 20
/** How many findings of one rule are shown. */
const TOLD = 10

export function account(seen: Observed): Account {
  const { evidence, orders, hits, outbox, left, exited } = seen
  const found: Record<Rule, string[]> = Object.fromEntries(
    Object.keys(rules).map((rule) => [rule, []]),
  ) as never
  let [jobs, runs, again] = [0, 0, 0]
  for (const [n, count] of orders) {
    jobs += count
    for (let i = 0; i < count; i++) {
      const of = evidence.runs.get(n)?.[i] ?? []
      if (!of.some(({ end }) => end !== undefined)) found.lost.push(`order ${n}, job ${i}: ${told(of)}`)
    }
    if (evidence.rolledBack.has(n)) found['rollback-kept'].push(`order ${n}`)
  }
  for (const [n, all] of evidence.runs) {
    for (const of of all) {
      if (of === undefined) continue
      runs += of.length
      if (!orders.has(n)) found.phantom.push(`order ${n}: ${told(of)}`)
      if (of.length > 1) again += 1
      for (const [at, run] of of.slice(0, -1).entries())
        if (!isExcused(run, of[at + 1]!, seen)) found['second-run'].push(`order ${n}: ${told(of)}`)
    }
  }
  for (const n of evidence.committed) if (!orders.has(n)) found['commit-gone'].push(`order ${n}`)
  if (outbox.rows > 0) found['rows-left'].push(`${outbox.rows}`)
  if (outbox.bytes > SMALL) found['not-small'].push(`${outbox.bytes} bytes`)
  found['store-left'].push(...left)
  found.exited.push(...exited)
  const age = agesOf(seen, found)
  const findings = Object.entries(found).flatMap(([rule, texts]) => [
    ...texts.slice(0, TOLD).map((text) => ({ rule: rule as Rule, text })),
    ...(texts.length > TOLD ? [{ rule: rule as Rule, text: `and ${texts.length - TOLD} more` }] : []),
  ])
  const { rolledBack, unsure } = evidence
  return {
    ...{ orders: orders.size, jobs, rolledBack: rolledBack.size, unsure, runs, again, age, findings },
    kills: counted(hits, 'killed'),
    freezes: counted(hits, 'frozen'),
    relayHits: hits.filter((hit) => isOfRelay(hit, evidence)).length,
  }
}

function told(runs: readonly Run[]): string {
  return runs.length === 0 ? 'no run' : JSON.stringify(runs)
}

function counted(hits: readonly Hit[], what: Hit['what']): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const hit of hits) if (hit.what === what) counts[roleOf(hit.by)] = (counts[roleOf(hit.by)] ?? 0) + 1
  return counts
}

/** Returns the role of a process: `worker-1.3` is the third process of the role `worker-1`. */
function roleOf(by: string): string {
  return by.split('-')[0]!
}

/**
 * Whether a fault explains that a job ran again: a fault of the worker of one of the two runs, or of the
 * store. The death of a relay explains nothing, because the store remembers the ids of jobs for an hour.
 */
function isExcused(run: Run, next: Run, { hits, isFile, leaseMs }: Observed): boolean {
  return hits.some((hit) => {
    const { what, by, from, to } = hit
    const isOfRole = by === run.by || by === next.by
    const isOfStore = by === 'store' || (isFile.store && what === 'frozen' && roleOf(by) === 'worker')
    if (what === 'killed' && by === run.by) return run.at <= from && from <= (run.end ?? from) + UNTOLD
    if (!(isOfRole || isOfStore) || to - from < leaseMs / 3) return false
    const isMet = from <= next.at && run.at - CLAIM <= to && from <= (run.end ?? next.at) + UNTOLD
    const isLate = [run, next].some((each) => each.by === by && to - 100 <= each.at && each.at <= to + WAKING)
    return isMet || isLate
  })
}

/** Whether the worker that was hit had the relay at that time. */
function isOfRelay({ by, from }: Hit, { relays }: Evidence): boolean {
  return relays.get(by)?.some((at) => at <= from && from - at <= SIGN) ?? false
}

/**
 * Returns the times in which rows may wait because of a fault. The bounds of overlapping faults are added up,
 * because a relay may first have to wait for the store and then for a lease.
 */
function excusesOf({ hits, evidence, isFile }: Observed, writer?: string): { from: number; to: number }[] {
  const each = hits.flatMap((hit) => {
    const { what, by, from, to } = hit
    const excuses: { from: number; to: number; more: number }[] = []
    if (by === 'database' || (isFile.database && what === 'frozen'))
      excuses.push({ from, to, more: MORE.database })
    if (by === 'store' || (isFile.store && what === 'frozen' && roleOf(by) === 'worker'))
      excuses.push({ from, to, more: MORE.store })
    if (isOfRelay(hit, evidence)) excuses.push({ from, to: from, more: MORE.relay })
    // If a transaction was open in a stopped process, its row is already old when the transaction commits.
    if (what === 'frozen' && by === writer) excuses.push({ from, to, more: 0 })
    return excuses
  })
  each.sort((one, other) => one.from - other.from)
  const joined: { from: number; to: number }[] = []
  for (const { from, to, more } of each) {
    const last = joined.at(-1)
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to) + more
    else joined.push({ from, to: to + more })
  }
  return joined
}

function agesOf(seen: Observed, found: Record<Rule, string[]>): Account['age'] {
  const { samples, writerOf } = seen
  const general = excusesOf(seen)
  const calm: number[] = []
  let [max, beyond] = [0, 0]
  let piled: Sample[] = []
  for (const sample of samples) {
    const { at, age, n } = sample
    piled = [...piled.filter((each) => each.at >= at - age), sample]
    max = Math.max(max, age)
    const excuses = age > SPARE && n !== undefined ? excusesOf(seen, writerOf(n)) : general
    const covered = excuses.reduce(
      (sum, { from, to }) => sum + Math.max(0, Math.min(at, to) - Math.max(at - age, from)),
      0,
    )
    if (covered === 0) calm.push(age)
    const rows = Math.max(...piled.map(({ waiting }) => waiting))
    const more = age - covered - rows * PER_ROW
    beyond = Math.max(beyond, Math.round(more))
    if (more > SPARE)
      found['too-old'].push(
        `${age} ms at ${at}: ${Math.round(more)} ms more than ${Math.round(covered)} ms of outages and ${rows} rows explain`,
      )
  }
  calm.sort((one, other) => one - other)
  const at = (share: number) => calm[Math.min(calm.length - 1, Math.floor(calm.length * share))] ?? 0
  return { p50: at(0.5), p99: at(0.99), max, samples: samples.length, beyond }
}
