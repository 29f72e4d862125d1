/**
 * Checks the filter of a call that acts on many jobs or on a queue. It refuses a condition that is misspelled or has no
 * value, because a call that ignored the condition would act on everything.
 */
import { JobsError, type JobsErrorCode } from '../model/errors.ts'
import { type Entries, isText, option, Schema } from '../options/schema.ts'

/** The flag of a command that stands for each condition: `{ key: '--job' }`. */
export type Flags = Readonly<Record<string, string>>

/** `{ all: true }`: selects everything. */
export const all = option<true>('true', (value) => value === true)

export const queueName = option<string>('the name of a queue', isText)

/** The conditions of a filter. Each of them must have a value if it is written. */
export function conditions<E extends Entries>(entries: E): Schema<E> {
  const all = Object.entries(entries).map(([name, each]) => [
    name,
    each.with({ refusesUndefined: 'written' }),
  ])
  return new Schema('an object', Object.fromEntries(all) as E)
}

export interface FilterOptions {
  /** The filter must have at least one of these conditions, or `all`. Default: none is required. */
  needed?: readonly string[]
  /** If a command makes the call: its flag for each condition, which messages name instead of the condition. */
  flags?: Flags | undefined
  /** What messages call the whole. Default: the filter. */
  whole?: string
  /** The code of the error for a value. Default: FILTER_INVALID. */
  codeOf?: (path: string) => JobsErrorCode
}

/**
 * @param call the beginning of the message: `Jobs.cancel()`
 * @throws FILTER_INVALID naming the condition, its value, and what would be right
 */
export function checkFilter<E extends Entries>(
  call: string,
  filter: unknown,
  schema: Schema<E>,
  { needed = [], flags, whole = 'the filter', codeOf }: FilterOptions = {},
): void {
  const named = (path: string) => flags?.[path] ?? `${call}: ${path || whole}`
  const error = (message: string, hint?: string, path = '') => {
    const code = codeOf?.(path) ?? 'FILTER_INVALID'
    return new JobsError(code, message, { hint, ...(code === 'FILTER_INVALID' && { exit: 2 }) })
  }
  schema.readAll(filter, { name: named, error })
  const given = Object.keys(filter as object)
  if (given.includes('all') && given.length > 1) {
    const others = given.filter((name) => name !== 'all').map((name) => flags?.[name] ?? name)
    throw error(
      `${named('all')} must be the only condition, but ${others.join(', ')} came with it`,
      'Leave out one of them.',
    )
  }
  if (needed.length === 0 || given.some((name) => name === 'all' || needed.includes(name))) return
  throw error(
    `${call}: the filter has no condition`,
    `Give ${needed.join(' or ')}, or { all: true } for everything.`,
  )
}
