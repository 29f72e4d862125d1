/** Reads where a job stands: the arguments of `stand.lua`, and its answer. */
import { readPause, readPaused } from '../../contract/rules/pause.ts'
import { readAsked } from '../../contract/rules/reason.ts'
import {
  type LaneStand,
  type LineStand,
  MAX_RUNNING,
  type Stand,
  type StandOptions,
} from '../../contract/store.ts'
import { packDuration, packLimits, unpackLimits } from './pack-limits.ts'
import { holderOf, readJobs, type ShownJobs } from './reading.ts'

export type ShownStand = [
  job: ShownJobs,
  at: string,
  pause: string,
  line: null | [ahead: number, higher: number, turns: number],
  lane: null | ShownLane,
  limits: null | [active: number, free: number, wait: number],
  lease: null | [until: string, isBegun: number, asked: string | null],
  lockedBy: string | null,
  holders: null | [tokens: string[], counts: (string | null)[]],
]
type ShownLane = [
  waitsFor: LaneStand['waitsFor'] | '',
  until: string,
  pausedUntil: string,
  paused: string,
  limits: string,
  first: string,
  firstDue: string,
  active: number,
  running: string[],
]

export function packStand(id: string, { limits, aging }: StandOptions): string[] {
  return [
    id,
    limits === undefined ? '' : packLimits(limits),
    aging === undefined ? '' : packDuration(aging),
    String(MAX_RUNNING),
  ]
}

export function readStand(
  partition: string,
  [shown, time, paused, line, lane, limits, lease, lockedBy, holders]: ShownStand,
): Stand | undefined {
  const [job] = readJobs(partition, shown)
  // The job has no record any more if the server has evicted it.
  if (job === undefined) return undefined
  const at = Number(time)
  const { until: pausedUntil, ...pause } = readPause(paused, at)
  return {
    job: { ...job, payload: '' },
    at,
    ...(pausedUntil > 0 && {
      pause: { ...untilOf(pausedUntil), ...pause },
    }),
    ...(line && { line: readLine(line) }),
    ...(holders && { holders: readHolders(holders) }),
    ...(lane && { lane: readLane(lane, at) }),
    ...(limits && { limits: readLimits(limits, at) }),
    ...(lease && { lease: { until: Number(lease[0]), isBegun: lease[1] === 1 } }),
    ...(typeof lease?.[2] === 'string' && { asked: readAsked(lease[2]) }),
    ...(lockedBy !== null && { lockedBy }),
  }
}

/** Reads the end of a pause. The script returns a very large number for a pause without an end. */
function untilOf(until: number): { until?: number } {
  return until < Number.MAX_SAFE_INTEGER ? { until } : {}
}

function readHolders([tokens, counts]: [tokens: string[], counts: (string | null)[]]): Record<
  string,
  number
> {
  const held: Record<string, number> = {}
  for (const [i, token] of tokens.entries()) {
    const worker = holderOf(token)
    held[worker] = (held[worker] ?? 0) + Number(counts[i] ?? 0)
  }
  return held
}

function readLine([ahead, higher, turns]: [ahead: number, higher: number, turns: number]): LineStand {
  return { ahead, higher, ...(turns >= 0 && { turns }) }
}

function readLane(
  [waitsFor, until, pausedUntil, paused, text, first, firstDue, active, running]: ShownLane,
  at: number,
): LaneStand {
  return {
    ...(Number(pausedUntil) > at && { pause: { ...untilOf(Number(pausedUntil)), ...readPaused(paused) } }),
    ...(waitsFor !== '' && { waitsFor: waitsFor!, ...untilOf(Number(until)) }),
    ...unpackLimits(text.replace(/^o/, '').replaceAll(':', '|')),
    ...(text.startsWith('o') && { strict: true }),
    ...(first !== '' && { first: { id: first, dueAt: Number(firstDue) } }),
    active,
    running,
  }
}

function readLimits(
  [active, free, wait]: [active: number, free: number, wait: number],
  at: number,
): NonNullable<Stand['limits']> {
  return { active, free, ...(free === 0 && wait >= 0 && { nextAt: at + wait }) }
}
