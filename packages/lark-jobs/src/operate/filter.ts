/**
 * Checks the filter of a call that acts on many jobs or on a queue. It refuses a condition that is misspelled or has no
 * value, because a call that ignored the condition would act on everything.
 */
import { inspect } from 'node:util'
import { nearest } from '@s18i/lark/config'
import { JobsError } from '../model/errors.ts'

/** For each condition, what its value must be: in words and as a test. */
export type ConditionChecks = Readonly<Record<string, { right: string; ok: (value: unknown) => boolean }>>

/** The flag of a command that stands for each condition: `{ key: '--job' }`. */
export type Flags = Readonly<Record<string, string>>

/** `{ all: true }`: selects everything. */
export const all: ConditionChecks[string] = { right: 'true', ok: (value) => value === true }

export const queueName: ConditionChecks[string] = { right: 'the name of a queue', ok: isText }

/**
 * @param call the beginning of the message: `Jobs.cancel()`
 * @param needed the filter must have at least one of these conditions, or `all`. Default: none is required
 * @param flags if a command makes the call: its flag for each condition, which messages name instead of the condition
 * @throws FILTER_INVALID naming the condition, its value, and what would be right
 */
export function checkFilter(
  call: string,
  filter: unknown,
  conditions: ConditionChecks,
  needed: readonly string[] = [],
  flags?: Flags,
): void {
  const known = Object.keys(conditions)
  const said = (name: string) => (flags === undefined ? `${call}: ${name}` : (flags[name] ?? name))
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter))
    throw refused(
      `${call} got ${shown(filter)}; it must be an object`,
      `Known conditions: ${known.join(', ')}`,
    )
  const given = Object.entries(filter)
  for (const [name, value] of given) {
    const condition = Object.hasOwn(conditions, name) ? conditions[name] : undefined
    if (condition === undefined) {
      const near = nearest(name, known)
      const hint = near === undefined ? `Known conditions: ${known.join(', ')}` : `Did you mean ${near}?`
      throw refused(`${call}: ${name} is not a known condition`, hint)
    }
    if (!condition.ok(value)) throw refused(`${said(name)} is ${shown(value)}; it must be ${condition.right}`)
    if (condition === all && given.length > 1) {
      const others = given.map(([other]) => other).filter((other) => other !== name)
      const named = others.map((other) => flags?.[other] ?? other)
      throw refused(
        `${said(name)} must be the only condition, but ${named.join(', ')} came with it`,
        'Leave out one of them.',
      )
    }
  }
  if (needed.length === 0 || given.some(([name]) => name === 'all' || needed.includes(name))) return
  throw refused(
    `${call}: the filter has no condition`,
    `Give ${needed.join(' or ')}, or { all: true } for everything.`,
  )
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function refused(message: string, hint?: string): JobsError {
  return new JobsError('FILTER_INVALID', message, { exit: 2, ...(hint !== undefined && { hint }) })
}

function shown(value: unknown): string {
  return inspect(value, {
    compact: true,
    breakLength: Infinity,
    depth: 1,
    maxArrayLength: 3,
    maxStringLength: 80,
  })
}
