/**
 * The limiter of a job class: a job begins only with permits of this limiter. It is either a limiter in the
 * configuration, which classes and queues share, or one that belongs to the class alone.
 */
import { isCount, type Limits, limitsOf, type RateOption, rateProblem } from '../model/limit.ts'

/** The highest weight. */
export const HEAVIEST = 1_000
const OWN = 'class:'

export interface LimiterOptions {
  /** How many permits a job takes, from 1 to 1,000; or a function of its payload. Default 1. */
  // biome-ignore lint/suspicious/noExplicitAny: the payload is the class's; a property cannot infer it
  weight?: number | ((payload: any) => number)
}

/** Limits for all jobs of a class, over all queues and workers. */
export interface ClassLimits {
  /** How many jobs of the class run at a time. */
  concurrency?: number
  /** How many jobs of the class begin within a time: `{ limit: 100, per: '1m' }`. */
  rate?: RateOption
}

/** The value that `limiter()` returns. */
export interface LimiterBy extends LimiterOptions, ClassLimits {
  /** The name of a limiter in the configuration. Without it, the limiter belongs to the class alone. */
  readonly name?: string
}

/**
 * Sets the limiter of a job class. A job waits in its queue, without using a worker, until the limiter has permits for
 * it.
 *
 * @param limiter one of `jobs.limiters`, or the limits of this class alone
 * @example limiter = 'stripe'
 * @example limiter = limiter('stripe', { weight: (payload: Payload) => payload.items })
 * @example limiter = limiter({ concurrency: 5 })
 */
export function limiter(limiter: string, options?: LimiterOptions): LimiterBy
export function limiter(limits: ClassLimits): LimiterBy
export function limiter(first: string | ClassLimits, options: LimiterOptions = {}): LimiterBy {
  return Object.freeze(typeof first === 'string' ? { ...options, name: first } : { ...first })
}

/** The first problem of a class's `limiter`: field, value, and what would be right; undefined if there is none. */
export function limiterProblem(option: unknown): [field: string, value: unknown, right: string] | undefined {
  if (option === undefined || (typeof option === 'string' && option !== '')) return undefined
  if (typeof option !== 'object' || option === null)
    return ['limiter', option, "the name of a limiter, such as 'stripe', or limiter({ concurrency: 5 })"]
  const { name, weight, concurrency, rate, ...rest } = option as LimiterBy
  const [unknown] = Object.entries(rest)
  if (unknown !== undefined)
    return [
      `limiter.${unknown[0]}`,
      unknown[1],
      'absent: it knows concurrency and rate, or a name and weight',
    ]
  if (name !== undefined && (typeof name !== 'string' || name === ''))
    return ['limiter.name', name, "the name of a limiter, such as 'stripe'"]
  if (weight !== undefined && typeof weight !== 'function' && !isWeight(weight))
    return ['limiter.weight', weight, `a whole number from 1 to ${HEAVIEST}, or a function of the payload`]
  if (concurrency !== undefined && !isCount(concurrency))
    return ['limiter.concurrency', concurrency, 'a whole number from 1']
  const problem = rate === undefined ? undefined : rateProblem(rate)
  if (problem !== undefined) return ['limiter.rate', rate, problem]
  if (name === undefined && concurrency === undefined && rate === undefined)
    return ['limiter', option, 'limiter() with concurrency, rate, or both']
  return undefined
}

/**
 * The limiter that belongs to a class alone, with its limits: one entry for the key of the class and for each alias.
 */
export function ownLimiters({
  limiter,
  key,
  aliases,
}: {
  limiter: string | LimiterBy | undefined
  key: string
  aliases: readonly string[]
}): [string, Limits][] {
  if (!isOwnOption(limiter)) return []
  const limits = limitsOf(limiter, 1)!
  return [key, ...aliases].map((each) => [ownName(each), limits])
}

/** Whether the limiter belongs to the class alone. */
export function isOwnOption(option: string | LimiterBy | undefined): option is LimiterBy {
  return typeof option === 'object' && option.name === undefined
}

/**
 * The need of one job, as a store keeps it: the limiter, `*`, and the number of permits.
 *
 * @param key of the class
 * @returns undefined if the weight is not valid
 */
export function needOf(option: string | LimiterBy, key: string, payload: unknown): string | undefined {
  const { name, weight = 1 } = typeof option === 'string' ? { name: option } : option
  const count = typeof weight === 'function' ? weight(payload) : weight
  return isWeight(count) ? `${name ?? ownName(key)}*${count}` : undefined
}

/** Parses the text that `needOf` returns. */
export function readNeed(need: string): { name: string; weight: number } {
  const at = need.lastIndexOf('*')
  return { name: need.slice(0, at), weight: Number(need.slice(at + 1)) }
}

/** The most permits that a limiter can grant at once. */
export function mostOf({ concurrency = HEAVIEST, rate }: Limits): number {
  const { kind, limit = HEAVIEST, burst = HEAVIEST } = rate ?? {}
  return Math.min(HEAVIEST, concurrency, kind === 'bucket' ? burst : limit)
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
  return isCount(value) && value <= HEAVIEST
}
