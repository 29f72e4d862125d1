/**
 * The account of a run says which promises of isolation were broken. A pure function makes the account from
 * the journals of the processes and the observations of the conductor.
 */
import type { Evidence, Start } from './evidence.ts'
import type { Life } from './lives.ts'

/** A villain may end this many milliseconds after its timeout and its grace period. */
const SPARE = 1_000
/** How many milliseconds later honest jobs may start while villains run, at p99. */
const LATER = 50
/**
 * An end of a job that happened less than this many milliseconds before a kill may not have reached the
 * store.
 */
const UNTOLD = 1_000

/** How each villain must end: its own error, and its timeout and grace period. */
const rules = {
  LoopJob: { code: 'JOB_TIMED_OUT', ms: 1_200 },
  WaitJob: { code: 'JOB_TIMED_OUT', ms: 1_200 },
  // Greedy jobs end long before their timeout, except on a very busy machine.
  GreedyJob: { code: 'MEMORY_EXCEEDED', ms: 10_200 },
  ExitJob: { code: 'PROCESS_DIED', ms: 10_200 },
  AbortJob: { code: 'PROCESS_DIED', ms: 10_200 },
} as const
export type VillainName = keyof typeof rules
export const villainNames = Object.keys(rules) as VillainName[]

/** The job of a villain, according to the store. */
export interface VillainJob {
  id: string
  name: VillainName
  state: string | undefined
  codes: readonly string[]
}

/**
 * A period in which the lateness of honest jobs is measured. The worker has run for some seconds before this
 * period.
 */
export interface Window {
  name: 'without villains' | 'with villains'
  from: number
  to: number
}

export interface Observed {
  evidence: Evidence
  lives: readonly Life[]
  /** When each honest job was dispatched, by its number. */
  accepted: ReadonlyMap<number, number>
  /** The numbers of the honest jobs whose class is isolated. */
  isIsolated: (n: number) => boolean
  villains: readonly VillainJob[]
  windows: readonly Window[]
  /** When it was noticed that the process of each villain has ended, by the id of the villain. */
  gone: ReadonlyMap<number, number>
  /** Whether the account checks the lateness of honest jobs and the time until villains end. */
  isTimed: boolean
}

export interface Late {
  jobs: number
  p50: number
  p99: number
  max: number
}

export interface VillainFigures {
  times: number
  /** How many villains began again because their worker was killed. */
  again: number
  /**
   * Milliseconds from the beginning of a villain until the worker called `failed()`, and until the process
   * had ended.
   */
  ended: { p50: number; max: number }
  gone: { p50: number; max: number }
}

export interface Account {
  honest: { dispatched: number; ended: number; again: number }
  kills: number
  villains: Record<VillainName, VillainFigures>
  /** The lateness of honest jobs, by kind of class and window. */
  late: Record<'in the worker' | 'isolated', Record<Window['name'], Late>>
  findings: string[]
}

export function account(seen: Observed): Account {
  const findings: string[] = []
  const { evidence, accepted, lives } = seen
  const kills = new Map(lives.flatMap(({ number, killedAt }) => (killedAt ? [[number, killedAt]] : [])))
  const isExcused = ({ n, life }: Start) => {
    const killedAt = kills.get(life)
    const end = evidence.ends.get(n)?.find((line) => line.life === life)
    return killedAt !== undefined && (end === undefined || end.at > killedAt - UNTOLD)
  }
  let again = 0
  let ended = 0
  for (const n of accepted.keys()) {
    if (evidence.ends.has(n)) ended++
    else findings.push(`Honest job ${n} was lost`)
    const starts = evidence.starts.get(n) ?? []
    again += Math.max(0, starts.length - 1)
    const unexcused = starts.slice(0, -1).filter((start) => !isExcused(start))
    if (unexcused.length > 0)
      findings.push(
        `Honest job ${n} ran again, though nobody had killed its worker: ${JSON.stringify(starts)}`,
      )
  }
  const villains = Object.fromEntries(
    villainNames.map((name) => [name, figuresOf(name, seen, kills, findings)]),
  ) as Account['villains']
  const late = {
    'in the worker': lateIn(seen, false),
    isolated: lateIn(seen, true),
  }
  const { 'without villains': before, 'with villains': beside } = late['in the worker']
  if (seen.isTimed && beside.p99 - before.p99 > LATER)
    findings.push(
      `Honest jobs start ${beside.p99 - before.p99} ms later at p99 beside villains, and may ${LATER} ms`,
    )
  return { honest: { dispatched: accepted.size, ended, again }, kills: kills.size, villains, late, findings }
}

function figuresOf(
  name: VillainName,
  { evidence, villains, gone, isTimed }: Observed,
  kills: ReadonlyMap<number, number>,
  findings: string[],
): VillainFigures {
  const { code, ms } = rules[name]
  const jobs = villains.filter((job) => job.name === name)
  const [endedAfter, goneAfter]: [number[], number[]] = [[], []]
  let again = 0
  for (const { id, state, codes } of jobs) {
    const who = `${name} ${id}`
    if (state !== 'failed' || codes.at(-1) !== code)
      findings.push(`${who} is ${state} with ${codes.at(-1)}, and must have failed with ${code}`)
    const begins = evidence.begins.get(id) ?? []
    again += Math.max(0, begins.length - 1)
    if (begins.slice(0, -1).some(({ life }) => !kills.has(life)))
      findings.push(`${who} began again, though nobody had killed its worker`)
    const last = begins.at(-1)
    const failed = evidence.failed.get(id)
    const goneAt = last && gone.get(last.pid)
    // If the worker was killed between the end of the job and the hook, the next worker process calls the
    // hook.
    if (last === undefined || failed === undefined || goneAt === undefined)
      findings.push(`${who} did not begin, its failed() was not called, or its process is still there`)
    else {
      if (failed.life === last.life) endedAfter.push(failed.at - last.at)
      goneAfter.push(goneAt - last.at)
    }
  }
  for (const [what, all] of [
    ['had not ended', endedAfter],
    ['had a process', goneAfter],
  ] as const) {
    const slow = all.filter((after) => isTimed && after > ms + SPARE)
    if (slow.length > 0)
      findings.push(
        `${slow.length} × ${name} ${what} ${Math.max(...slow)} ms after its beginning (${ms} + ${SPARE})`,
      )
  }
  const of = (all: number[]) => ({ p50: quantile(all, 0.5), max: quantile(all, 1) })
  return { times: jobs.length, again, ended: of(endedAfter), gone: of(goneAfter) }
}

function lateIn({ evidence, accepted, isIsolated, windows }: Observed, isolated: boolean) {
  const of = (name: Window['name']): Late => {
    const all = [...accepted].flatMap(([n, at]) => {
      const start = isIsolated(n) === isolated ? evidence.starts.get(n)?.[0] : undefined
      const isIn = windows.some((window) => window.name === name && window.from <= at && at < window.to)
      return start !== undefined && isIn ? [start.late] : []
    })
    return { jobs: all.length, p50: quantile(all, 0.5), p99: quantile(all, 0.99), max: quantile(all, 1) }
  }
  return { 'without villains': of('without villains'), 'with villains': of('with villains') }
}

function quantile(all: readonly number[], share: number): number {
  const sorted = [...all].sort((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
