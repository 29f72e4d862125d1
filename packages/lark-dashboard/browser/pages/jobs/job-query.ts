/** Turns the address into the filter that the server gets. */
import type { ListFilter, State } from '@s18i/lark-jobs/operate'
import { snapshot } from '../../data/live.ts'
import { route } from '../../data/route.ts'

export const states: readonly State[] = ['waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled']
/** The conditions that are texts. */
export const texts = ['queue', 'key', 'group', 'tag', 'kind', 'since', 'until', 'idPrefix'] as const

export interface JobQuery {
  filter: ListFilter
  order: 'newest' | 'oldest'
  /** The mistake in the condition on payloads. */
  problem?: string
}

export function jobQuery(): JobQuery {
  const { query } = route.value
  const filter: Record<string, unknown> = {}
  for (const name of texts) {
    const value = query.get(name)
    if (value) filter[name] = value
  }
  const state = query.get('state')
  if (state) filter.state = state.includes(',') ? state.split(',') : state
  const order = query.get('order') === 'oldest' ? 'oldest' : 'newest'
  const where = query.get('where')
  if (!where) return { filter: filter as ListFilter, order }
  try {
    filter.where = whereOf(where)
    return { filter: filter as ListFilter, order }
  } catch (error) {
    return { filter: filter as ListFilter, order, problem: (error as Error).message }
  }
}

/** Parses conditions such as `tenant=7 card.type=visa`, or JSON. */
function whereOf(text: string): Record<string, unknown> {
  if (text.trimStart().startsWith('{')) return JSON.parse(text)
  // A value with a space is in quotes, as in JSON.
  const parts = text.match(/(?:"(?:\\.|[^"\\])*"|[^\s"])+/g) ?? []
  return Object.fromEntries(
    parts.map((part) => {
      const [, path, value] = /^([^=]+)=(.*)$/.exec(part) ?? []
      if (path === undefined)
        throw new Error(`'${part}' is not a condition; write PATH=VALUE, such as tenant=7`)
      return [path, jsonOrText(value!)]
    }),
  )
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/**
 * Whether the whole list is sorted by time. The server goes through one partition and one state after the
 * other, so only a list of one queue and one state is sorted as a whole.
 */
export function isOneList({ queue, state }: ListFilter): boolean {
  const [name, ...others] = [queue ?? []].flat()
  const found = snapshot.value?.queues.find((each) => each.queue === name)
  return others.length === 0 && found?.partitions === 1 && [state ?? []].flat().length === 1
}

/** The filter in words, such as `failed jobs of emails, class send-email`. */
export function queryWords({
  queue,
  state,
  key,
  group,
  tag,
  kind,
  since,
  until,
  idPrefix,
  where,
}: ListFilter): string {
  const of = [
    queue !== undefined && `of ${[queue].flat().join(', ')}`,
    key !== undefined && `class ${key}`,
    group !== undefined && `group ${group}`,
    tag !== undefined && `tag ${tag}`,
    kind !== undefined && `kind ${kind}`,
    since !== undefined && (/^[0-9]+[a-z]+$/.test(`${since}`) ? `of the last ${since}` : `since ${since}`),
    until !== undefined && (/^[0-9]+[a-z]+$/.test(`${until}`) ? `until ${until} ago` : `until ${until}`),
    idPrefix !== undefined && `ids that begin with ${idPrefix}`,
    where !== undefined && `with ${JSON.stringify(where)}`,
  ].filter((part) => part !== false)
  return [`${state === undefined ? 'all' : [state].flat().join(' and ')} jobs`, ...of]
    .join(', ')
    .replace(', of', ' of')
}
