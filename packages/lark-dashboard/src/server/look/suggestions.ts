/**
 * The suggestions of the search box for a text: objects in the store whose names begin with the text or
 * contain it. Stores have no index of tags, groups and fields of payloads, so these suggestions come from the
 * first jobs of each list.
 */
import { LarkError } from '@s18i/lark/config'
import { type Operate, REDACTED, type StoredJob } from '@s18i/lark-jobs/operate'
import type { Failing } from './failing.ts'
import { KeptAnswers } from './kept-answers.ts'

/** The maximum number of suggestions of one kind. */
const MOST = 4
/**
 * The maximum number of queues whose jobs are read, and the number of failed jobs, and of other jobs, that
 * are read in each queue.
 */
const MOST_QUEUES = 20
const MOST_JOBS = 25
/** How many milliseconds the names in these jobs are remembered. */
const KEPT = 30_000
/** The maximum number of fields of payloads that are remembered, and of values of a field. */
const MOST_FIELDS = 200
const MOST_VALUES = 100
const states = ['waiting', 'delayed', 'active', 'completed', 'cancelled'] as const

export interface Suggestions {
  /** The job that has the text as its id. */
  job?: { queue: string; state: string }
  /** Whether a flow has the text as its id. */
  isFlow?: true
  keys: string[]
  tags: string[]
  groups: string[]
  kinds: { kind: string; message: string }[]
  /** Names of flows. */
  flows: string[]
  /**
   * Fields of payloads, as paths. Fields with the text as a value come first, and then fields with values of
   * the same type. Empty for viewers who may not see payloads.
   */
  fields: string[]
}

/** The names and values that were found in some jobs of each queue. */
interface Sampled {
  keys: string[]
  tags: string[]
  groups: string[]
  flows: string[]
  fields: Map<string, Set<unknown>>
}

export class Suggesting {
  readonly #operate: Operate
  readonly #failing: Failing
  readonly #sampled = new KeptAnswers<Sampled>(KEPT)

  constructor(operate: Operate, failing: Failing) {
    this.#operate = operate
    this.#failing = failing
  }

  /** @param queues the names of the queues of the store */
  async of(text: string, queues: readonly string[], payloads: boolean): Promise<Suggestions> {
    const operate = this.#operate
    const [job, flow, keys, { kinds }, sampled] = await Promise.all([
      ifId(operate.find(text)),
      ifId(operate.flows.get(text)),
      operate.keys(),
      this.#failing.look({}),
      this.#sampled.get('', () => this.#sample(queues)),
    ])
    const low = text.toLowerCase()
    const naming = (names: readonly string[]) => namesWith(low, names)
    return {
      ...(job && { job: { queue: job.queue, state: job.state } }),
      ...(flow && { isFlow: true as const }),
      // The keys of jobs are added, because a waiting job may have a class that no worker has ever had.
      keys: naming([...new Set([...keys, ...sampled.keys])]),
      tags: naming(sampled.tags),
      groups: naming(sampled.groups),
      kinds: kinds
        .filter(({ kind, message }) => kind.startsWith(low) || message.toLowerCase().includes(low))
        .slice(0, MOST)
        .map(({ kind, message }) => ({ kind, message })),
      flows: naming(sampled.flows),
      fields: payloads ? fieldsFor(text, sampled.fields) : [],
    }
  }

  async #sample(queues: readonly string[]): Promise<Sampled> {
    const operate = this.#operate
    const keys = new Set<string>()
    const tags = new Set<string>()
    const groups = new Set<string>()
    const fields: Sampled['fields'] = new Map()
    const take = ({ key, options, group, payload }: StoredJob) => {
      keys.add(key)
      for (const tag of options?.tags ?? []) tags.add(tag)
      if (group !== undefined) groups.add(`${group}`)
      addFields(payload, '', fields)
    }
    for (const queue of queues.slice(0, MOST_QUEUES))
      for (const state of ['failed', states] as const)
        for (const job of (await operate.list({ queue, state }, { limit: MOST_JOBS })).jobs) take(job)
    const { flows } = await operate.flows.list({}, { limit: 100 })
    const names = new Set(flows.flatMap((flow) => ('name' in flow && flow.name ? [flow.name] : [])))
    const sorted = (names: Set<string>) => [...names].sort()
    return {
      keys: sorted(keys),
      tags: sorted(tags),
      groups: sorted(groups),
      flows: sorted(names),
      fields,
    }
  }
}

/**
 * Undefined if the text cannot be an id, for example because it is too long.
 * Also undefined if two queues have the id.
 */
function ifId<T>(found: Promise<T>): Promise<T | undefined> {
  return found.catch((error) => {
    if (LarkError.is(error) && /_(INVALID|AMBIGUOUS)$/.test(error.code)) return undefined
    throw error
  })
}

/** The names that begin with the text, and then the other names that contain it. */
function namesWith(low: string, names: readonly string[]): string[] {
  const containing = names.filter((name) => name.toLowerCase().includes(low))
  const begins = (name: string) => name.toLowerCase().startsWith(low)
  return [...containing.filter(begins), ...containing.filter((name) => !begins(name))].slice(0, MOST)
}

function addFields(value: unknown, path: string, fields: Sampled['fields']): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [name, each] of Object.entries(value))
      if (/^[^\s.="]+$/.test(name)) addFields(each, path === '' ? name : `${path}.${name}`, fields)
    return
  }
  if (path === '' || !isPlain(value)) return
  const values = fields.get(path) ?? new Set()
  if (values.size < MOST_VALUES) values.add(value)
  if (fields.size < MOST_FIELDS) fields.set(path, values)
}

function isPlain(value: unknown): boolean {
  if (value === REDACTED) return false
  return typeof value === 'string' ? value.length <= 100 : ['number', 'boolean'].includes(typeof value)
}

function fieldsFor(text: string, fields: Sampled['fields']): string[] {
  const value = plainIn(text)
  const ranked = [...fields].flatMap(([path, values]) => {
    const isSame = values.has(value) || values.has(text)
    const isAlike = [...values].some((each) => typeof each === typeof value)
    const likeness = isSame ? 0 : isAlike ? 1 - shape(text, values) : 2
    return likeness < 2 ? [{ path, likeness }] : []
  })
  return ranked
    .sort((one, other) => one.likeness - other.likeness)
    .slice(0, MOST)
    .map(({ path }) => path)
}

/** How similar a text is to other values: from 0 to less than 1. For example, `A-77` is similar to `A-12`. */
function shape(text: string, values: ReadonlySet<unknown>): number {
  const of = (value: string) => value.replace(/[0-9]+/g, '0').replace(/\p{L}+/gu, 'a')
  return [...values].some((value) => of(String(value)) === of(text)) ? 0.5 : 0
}

function plainIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
