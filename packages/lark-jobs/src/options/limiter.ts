/**
 * The limiter of a job class: a job begins only with permits of this limiter. The limiter is either named in
 * the configuration, so that classes and queues share it, or belongs to the class alone.
 */
import type { Limits } from '../model/limits.ts'
import type { Rate, RateKind } from '../model/rate.ts'
import { concurrency, limitsOf, rate } from './limits.ts'
import { isText, Option, type OptionsOf, option, type Read, Schema, whole } from './schema.ts'

/** The highest weight. */
const HEAVIEST = 1_000
const OWN = 'class:'

export const limiterName = option<string>("the name of a limiter, such as 'stripe'", isText)

/** How many permits a run takes. */
export const weight = whole(1, HEAVIEST).or(1)

// biome-ignore lint/suspicious/noExplicitAny: the payload is the class's; a property cannot infer it
export type WeightFunction = (payload: any) => number

const entries = {
  /** How many permits a job takes, from 1 to 1,000; or a function of its payload. Default 1. */
  weight: option<number | WeightFunction>(
    `${weight.right}, or a function of the payload`,
    (value) => typeof value === 'function' || isWeight(value),
  ).or(1),
}

export interface LimiterOptions extends OptionsOf<typeof entries> {}

const classLimits = {
  /**
   * How many jobs of the class may run at a time, in all queues and on all workers together. Default: no
   * limit.
   */
  concurrency,
  /**
   * How many jobs of the class may begin within a period, in all queues and on all workers together. Default:
   * no limit.
   */
  rate,
}

/** Limits for all jobs of a class, in all queues and on all workers together. */
export interface ClassLimits extends OptionsOf<typeof classLimits> {}

/**
 * The return value of `limiter()`: the name of a limiter or the limits of the class, and the number of
 * permits of a job.
 */
export interface LimiterBy extends LimiterOptions, ClassLimits {
  /** The name of a limiter in the configuration. Without a name, the limiter belongs to the class alone. */
  readonly name?: string
}

/** The schema of the value of `limiter()`. */
export const limiterOptions = new Schema(
  `${limiterName.right}, or limiter({ concurrency: 5 })`,
  { name: limiterName, ...entries, ...classLimits },
  ({ name, concurrency, rate }, refuse) => {
    if ((name ?? concurrency ?? rate) === undefined) refuse('', 'limiter() with concurrency, rate, or both')
  },
)

export type LimiterRead = Read<typeof limiterOptions.entries>

/** The field `limiter` of a class: the value of `limiter()`, or only the name of a limiter. */
export const limiterOption = new Option<string | LimiterBy, LimiterRead>(
  limiterOptions.right,
  (value, path, voice) => limiterOptions.read(isText(value) ? { name: value } : value, path, voice, true)!,
)

/**
 * Sets the limiter of a job class. A job waits in its queue, without using a worker, until the limiter has
 * permits for it.
 *
 * @param limiter the name of one of `jobs.limiters`, or the limits of this class alone
 * @example limiter = 'stripe'
 * @example limiter = limiter('stripe', { weight: (payload: Payload) => payload.items })
 * @example limiter = limiter({ concurrency: 5 })
 */
export function limiter(limiter: string, options?: LimiterOptions): LimiterBy
export function limiter(limits: ClassLimits): LimiterBy
export function limiter(first: string | ClassLimits, options: LimiterOptions = {}): LimiterBy {
  return Object.freeze(typeof first === 'string' ? { ...options, name: first } : { ...first })
}

interface Limited {
  limiter: LimiterRead | undefined
  key: string
  aliases: readonly string[]
}

/**
 * The limiter that belongs to a class alone, with its limits: one entry for the key of the class and for each
 * alias.
 */
export function ownLimiters({ limiter, key, aliases }: Limited): [string, Limits][] {
  if (!isOwnOption(limiter)) return []
  const limits = limitsOf(limiter)!
  return [key, ...aliases].map((each) => [ownName(each), limits])
}

/** Whether the limiter belongs to the class alone. */
export function isOwnOption(limiter: LimiterRead | undefined): limiter is LimiterRead {
  return limiter !== undefined && limiter.name === undefined
}

/**
 * The permits that a job needs, in the stored form: the limiter, `*`, and the number of permits.
 *
 * @param key the key of the class
 * @returns undefined if the weight is not valid
 */
export function needOf({ name, weight }: LimiterRead, key: string, payload: unknown): string | undefined {
  const count = typeof weight === 'function' ? weight(payload) : weight
  return isWeight(count) ? `${name ?? ownName(key)}*${count}` : undefined
}

/** Parses the text that `needOf` returns. */
export function readNeed(need: string): { name: string; weight: number } {
  const at = need.lastIndexOf('*')
  return { name: need.slice(0, at), weight: Number(need.slice(at + 1)) }
}

/** The maximum number of permits that a limiter can grant at once. */
export function mostOf({ concurrency = HEAVIEST, rate }: Limits): number {
  return Math.min(HEAVIEST, concurrency, rate === undefined ? HEAVIEST : mostAtOnce[rate.kind](rate))
}

// New kind of rate: how many starts the rate allows at once.
const mostAtOnce: Record<RateKind, (rate: Rate) => number> = {
  sliding: ({ limit }) => limit,
  window: ({ limit }) => limit,
  bucket: ({ burst }) => burst,
}

/** Whether a limiter belongs to one class. Names in the configuration have no colon. */
export function isOwn(name: string): boolean {
  return name.startsWith(OWN)
}

/** The name of the limiter that belongs to one class. */
export function ownName(key: string): string {
  return `${OWN}${key}`
}

function isWeight(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= HEAVIEST
}
