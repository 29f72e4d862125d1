/**
 * The code that writes of schedules and writes of flows share: it sends the writes, and converts revision
 * numbers, texts and jobs.
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
 * The answer of a write: the new revision numbers ('' where nothing was written); the milliseconds until a
 * schedule or a flow is due, or -1; and the verdicts for the jobs.
 */
type Answered = [numbers: string, next: number, queued: string]

interface WritingOptions {
  /** Whether the write brings a definition or jobs, so that its partition must be registered first. */
  brings: boolean
  bound: Bound | undefined
  /** Whether the caller waits until the write has the durability that the store is configured with. */
  isRelied: boolean
}

/** Sends writes, and waits for their durability if the caller needs it. */
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

/** Whether a write brings a definition or jobs. Only such a write needs a registered partition. */
export function brings(write: FlowWrite | ScheduleWrite): boolean {
  const hasDefinition = !('remove' in write) && write.definition !== undefined
  return hasDefinition || (write.jobs?.length ?? 0) > 0
}

/**
 * The upper bound of the random amount by which a write raises a revision number. The amount is at least a
 * tenth of this value. Even with one write each second, the revision number stays an exact integer for
 * centuries.
 */
const STEP = 1_000_000

/** Draws the amount by which a call raises the revision number of each flow or schedule that it changes. */
export function packStep(): string {
  return String(randomInt(STEP / 10, STEP))
}

/** @param next milliseconds since 1970 */
export function packDue(next: number | undefined): string {
  return next === undefined ? '' : String(Math.ceil(next))
}

/** @param text the new text; undefined leaves the stored text unchanged */
export function packText(text: string | undefined): string {
  return text === undefined ? '' : `=${text}`
}

/** @param verdicts the verdicts in the form of `enqueue.lua` */
export function readQueued(verdicts: string, jobs: readonly NewJob[]): Enqueued[] {
  return readEnqueued(verdicts, jobs).map((verdict) => (countsAsQueued(verdict) ? 'queued' : verdict))
}

/** @param next milliseconds until a schedule or a flow is due; -1 if none will be due */
export function nextTick(next: number): { nextTick?: number } {
  return next < 0 ? {} : { nextTick: next }
}
