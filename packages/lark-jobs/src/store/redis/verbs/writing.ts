/**
 * The common parts of the writes of schedules and flows: how they are sent, and their revision numbers, texts
 * and jobs.
 */
import { randomInt } from 'node:crypto'
import type { NewJob } from '../../../model/record.ts'
import {
  type Bound,
  countsAsQueued,
  type Enqueued,
  type FlowWrite,
  type ScheduleWrite,
} from '../../contract/store.ts'
import type { Scripts } from '../client/script.ts'
import type { DurabilityWait } from './durability-wait.ts'
import { packBound } from './packing.ts'
import type { PartitionRegistry } from './partition-registry.ts'
import { readEnqueued } from './reading.ts'

const scripts = { flows: 'flow-write', schedules: 'schedule-write' } as const

/**
 * The answer of a write: the new revision numbers ('' where nothing was written), the milliseconds until
 * something is due (or -1), and the verdicts of the jobs.
 */
type Answered = [numbers: string, next: number, queued: string]

interface WritingOptions {
  /** Whether the partition may not be registered yet. */
  brings: boolean
  bound: Bound | undefined
  /** Whether the write must have the full durability that the store is configured with. */
  isRelied: boolean
}

/** Sends writes, and waits until they are as safe as they must be. */
export class Writing {
  readonly scripts: Scripts
  readonly #registry: PartitionRegistry
  readonly #durability: DurabilityWait | undefined
  readonly #cancelledOf: (partition: string) => string

  /** @param cancelledOf returns how many cancelled jobs a partition keeps */
  constructor(
    scripts: Scripts,
    registry: PartitionRegistry,
    durability: DurabilityWait | undefined,
    cancelledOf: (partition: string) => string,
  ) {
    this.scripts = scripts
    this.#registry = registry
    this.#durability = durability
    this.#cancelledOf = cancelledOf
  }

  async run(
    what: keyof typeof scripts,
    partition: string,
    { brings, bound, isRelied }: WritingOptions,
    args: readonly string[],
  ): Promise<Answered> {
    const deadline = this.scripts.transport.deadline()
    if (brings) await this.#registry.enter(partition, deadline)
    const bounded = bound === undefined ? '' : packBound(bound, this.#cancelledOf(partition))
    const isSafe = async (memory: string, answer: unknown) => {
      const [numbers] = readWriting(answer as string)
      if (/\d/.test(numbers)) await this.#durability!.confirm(memory, deadline)
    }
    const answer = await this.scripts.run(
      scripts[what],
      partition,
      [packStep(), bounded, ...args],
      deadline,
      true,
      this.#durability !== undefined && isRelied ? isSafe : undefined,
    )
    return readWriting(answer as string)
  }
}

/** Parses an answer. The verdicts come last, because they may contain any character. */
function readWriting(answer: string): Answered {
  const [, numbers, next, queued] = /^([^|]*)\|([^|]*)\|(.*)$/s.exec(answer)!
  return [numbers!, Number(next), queued!]
}

/** Whether a write has a definition or jobs. If not, the partition is already registered or need not be. */
export function brings(write: FlowWrite | ScheduleWrite): boolean {
  const hasDefinition = !('remove' in write) && write.definition !== undefined
  return hasDefinition || (write.jobs?.length ?? 0) > 0
}

/**
 * Each write raises a revision number by at least a tenth of this value, and by less than this value. With a
 * write each second, the number stays an exact integer for centuries.
 */
const STEP = 1_000_000

/** The amount by which the revision numbers of a call rise. */
export function packStep(): string {
  return String(randomInt(STEP / 10, STEP))
}

/** @param next milliseconds since 1970 */
export function packDue(next: number | undefined): string {
  return next === undefined ? '' : String(Math.ceil(next))
}

/** @param text the text; undefined leaves it unchanged */
export function packText(text: string | undefined): string {
  return text === undefined ? '' : `=${text}`
}

/** @param verdicts the verdicts in the form of `enqueue.lua` */
export function readQueued(verdicts: string, jobs: readonly NewJob[]): Enqueued[] {
  return readEnqueued(verdicts, jobs).map((verdict) => (countsAsQueued(verdict) ? 'queued' : verdict))
}

/** @param next milliseconds until something is due; -1 if nothing is */
export function nextTick(next: number): { nextTick?: number } {
  return next < 0 ? {} : { nextTick: next }
}
