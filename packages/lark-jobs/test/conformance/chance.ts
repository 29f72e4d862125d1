/**
 * Random jobs and outcomes.
 */

import type { Recorded } from '../../src/model/journal.ts'
import type { Group, JobOptions, Keep, Lock, NewJob, Outcome } from '../../src/model/record.ts'
import { job, jobError } from './jobs.ts'
import type { Random } from './random.ts'

/** Groups with different options. */
export const chanceGroups: readonly Group[] = [
  { name: 'free' },
  { name: 'two at a time', limits: { concurrency: 2 } },
  { name: 'one after the other', limits: { concurrency: 1 }, strict: true },
]

export const chanceLimiters = ['stripe', 'class:send*2'] as const

/** Retentions that classes set for their jobs. */
const chanceKeeps: readonly Keep[] = [
  { completed: 700, failed: 0 },
  { completed: 0, cancelled: 5_000 },
  { failed: 3_000, log: 400 },
  { least: 500 },
  { completed: 0, failed: 100, least: 1_200 },
]

/** Tags for the random jobs. These are two tags more than one job may have. */
export const chanceTags = ['vip', 'a|b', '"', '\\', '],"', 'ü', '{', '7', '🚦', 'last', 'x', 'y']

const chanceOptions: readonly JobOptions[] = [
  { tags: ['vip', 'a|b'] },
  { tries: 5, redact: ['card.*'] },
  { context: { list: [], text: '{"tags":["no"],' }, tags: ['last'] },
]

/** Ids that the application chooses, so signals may come before the jobs. */
export const chosenIds = ['early-1', 'early-2']

/** @param known the id of an existing job, or a chosen one, if the new job should have the same id */
export function chanceJob(random: Random, known: string | undefined, groups: boolean): NewJob {
  const isChosen = known !== undefined && chosenIds.includes(known)
  return job({
    ...(known !== undefined && { id: known }),
    ...(!known?.includes(':') &&
      (isChosen || random.chance(3)) && { ownId: random.pick(['new', 'reuse'] as const)! }),
    ...(random.chance(2) && { priority: random.pick([-1_000, 0, 7])! }),
    ...(random.chance(3) && { delay: random.below(1_500) }),
    ...(random.chance(3) && { lock: chanceLock(random) }),
    ...(random.chance(2) && { hooked: true }),
    ...(random.chance(4) && { options: { tags: ['a'], maxCrashes: 1 + random.below(4) } }),
    ...(random.chance(3) && { keep: random.pick(chanceKeeps)! }),
    ...(groups && random.chance(2) && { group: random.pick(chanceGroups)! }),
    ...(groups && random.chance(4) && { limiter: random.pick(chanceLimiters)! }),
    ...(random.chance(3) && { options: random.pick(chanceOptions)! }),
    payload: chancePayload(random),
  })
}

/** A random payload. One in five is large. */
export function chancePayload(random: Random): string {
  const text = String(random.below(100))
  return random.chance(5) ? text.padEnd(5_000, '.') : text
}

function chanceLock(random: Random): Lock {
  const debounce = random.chance(2) ? { debounce: 400, maxWait: 700 } : {}
  return {
    name: random.pick(['ada', 'bob'])!,
    until: random.pick(['start', 'done', 'queued'] as const)!,
    ...(random.chance(2) && { replace: true, ...debounce }),
    ...(random.chance(4) && { throttle: random.below(800) }),
  }
}

const chanceUndos = ['f{"message":"sold out"}', 'cuser|no longer wanted']

/** The names of the signals that random jobs wait for and get. */
export const chanceSignals = ['approved', 'rejected', '$child:a.b:0'] as const

/** @param at how many entries the journal of the job has */
export function chanceSteps(random: Random, at: number): Recorded {
  const entries = Array.from(
    { length: 1 + random.below(3) },
    () => `r${random.below(9)}\n${'ñ'.repeat(random.below(9))}`,
  )
  const place = Math.max(0, at + random.pick([0, 0, 0, -1, 1])!)
  return {
    ...{ at: place, entries },
    ...(random.chance(2) && { isProgress: true }),
    ...(random.chance(6) && { hasUndos: true as const }),
  }
}

/** @param at how many entries the journal of the job has @param mayUndo whether it has steps to undo */
export function chanceOutcome(random: Random, at: number, mayUndo: boolean): Outcome {
  const outcome = chancePlainOutcome(random, mayUndo)
  return random.chance(3) ? { ...outcome, steps: chanceSteps(random, at) } : outcome
}

function chancePlainOutcome(random: Random, mayUndo: boolean): Outcome {
  return random.pick<Outcome>([
    {
      ...{
        kind: 'suspended',
        in: random.below(900),
        heard: random.below(3),
        waits: random.some(chanceSignals),
      },
      ...(random.chance(2) && { rests: true as const }),
      ...(mayUndo && random.chance(2) && { undoing: random.pick(chanceUndos)! }),
    },
    { kind: 'suspended', in: 3_600_000, heard: 0, waits: random.some(chanceSignals) },
    { kind: 'completed' },
    { kind: 'completed', result: '1' },
    { kind: 'failed', error: jobError() },
    { kind: 'failed', error: jobError(), untold: true },
    { kind: 'failed', error: jobError(), retryIn: random.below(600) },
    { kind: 'released', in: random.below(600) },
    { kind: 'released', in: random.below(600), pauses: 'group' },
    {
      kind: 'released',
      in: random.below(600),
      pauses: 'queue',
      ...(random.chance(2) && { because: 'it|is\ndown' }),
    },
    { kind: 'released', in: random.below(600), pauses: 'queue', keepsPlace: true },
    { kind: 'released', in: random.below(600), because: `the ${random.below(9)}|th\n🚦` },
    { kind: 'unstarted' },
    { kind: 'unstarted', in: random.below(600) },
    { kind: 'cancelled', reason: 'dropped' },
    { kind: 'cancelled', reason: 'user' },
  ])!
}
