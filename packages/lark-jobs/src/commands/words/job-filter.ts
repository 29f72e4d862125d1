/** The flags by which commands choose jobs, and the filter that results from the flags. */
import { Command, flag } from '@s18i/lark'
import { defined, nearest, usageError } from '@s18i/lark/internal'
import type { JobConditions, Operate } from '../../operate.ts'
import { listed } from '../../words/listed.ts'
import { shown } from '../../words/secret.ts'
import { completed } from './completed.ts'

/** The flag of each condition, for messages. */
export const flagNames = {
  idPrefix: '--id-prefix',
  key: '--job',
  queue: '--queue',
  state: '--state',
  group: '--group',
  tag: '--tag',
  kind: '--kind',
  since: '--since',
  until: '--until',
  where: '--where',
  all: '--all',
  to: '--to',
  delay: '--delay',
  priority: '--priority',
  because: '--because',
  within: '--within',
} as const

/** A command that lists or changes the jobs that meet some conditions. */
export abstract class ConditionsCommand extends Command {
  job = flag.string('Only jobs of this key')
  idPrefix = flag.string('Only jobs whose id begins like this')
  tag = flag.string('Only jobs with this tag')
  kind = flag.string('Only jobs whose last failure is of this kind: see jobs:failed --group')
  since = flag.string('Only jobs that ended since then, or were queued since then, such as 1h')
  until = flag.string('Only jobs that ended before then, or were queued before then, such as 30m')
  where = flag.strings('Only jobs whose payload has this value: tenant=7', { splits: false })

  override complete(field: string) {
    return completed(field)
  }
}

/** A command that can also choose the jobs of one queue or of one group. */
export abstract class FilterCommand extends ConditionsCommand {
  queue = flag.string('Only jobs of this queue')
  group = flag.string('Only jobs of this group')
}

/** The values of the flags of a command. */
export interface FilterFlags {
  idPrefix: string | undefined
  job: string | undefined
  queue: string | readonly string[] | undefined
  state: JobConditions['state']
  group: string | undefined
  tag: string | undefined
  kind: string | undefined
  since: string | undefined
  until: string | undefined
  where: readonly string[]
  all: boolean
}

/** A filter that is not checked yet, because the call that gets it checks it. */
export type CommandFilter = JobConditions & { all?: true }

/** @throws USAGE for `--where` without a value, and for two values for the same path */
export function filterOf({
  idPrefix,
  queue,
  job,
  state,
  group,
  tag,
  kind,
  since,
  until,
  where,
  all,
}: FilterFlags): CommandFilter {
  const pairs = where.map(pathAndValue)
  const twice = pairs.find(([path], i) => pairs.findIndex((other) => other[0] === path) < i)
  if (twice !== undefined)
    throw usageError(`--where has two values for ${twice[0]}; a job has one`, 'Leave out one of them.')
  return defined({
    idPrefix,
    queue,
    key: job,
    state,
    group,
    tag,
    kind,
    since,
    until,
    where: pairs.length > 0 ? Object.fromEntries(pairs) : undefined,
    all: all ? (true as const) : undefined,
  }) as CommandFilter
}

/**
 * Reads a condition on a payload. In `tenant=7` the value is the number 7, in `name=ada` and `id="7"` it is a
 * text.
 */
function pathAndValue(text: string): [path: string, value: unknown] {
  const at = text.indexOf('=')
  if (at <= 0)
    throw usageError(
      `--where is ${shown(text)}; it must be a path of the payload, =, and a JSON value`,
      'Such as --where tenant=7',
    )
  const value = text.slice(at + 1)
  try {
    return [text.slice(0, at), JSON.parse(value)]
  } catch {
    return [text.slice(0, at), value]
  }
}

/** The maximum number of keys in a message. */
const MOST = 20

/**
 * Checks the key of a filter that has matched no job.
 *
 * @throws USAGE if no worker ever had the key, because the key may be misspelled
 */
export async function checkKey(key: string | undefined, operating: Operate): Promise<void> {
  const keys = key === undefined ? [] : await operating.keys()
  if (key === undefined || keys.includes(key)) return
  const near = nearest(key, keys)
  const known =
    keys.length === 0 ? 'No worker has reported its keys yet' : `Known keys: ${listed(keys, MOST)}`
  const hint = near === undefined ? known : `Did you mean ${near}?`
  throw usageError(`No job has the key ${shown(key)}, and no worker ever had it`, hint)
}
