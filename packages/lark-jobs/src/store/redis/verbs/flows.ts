/**
 * Flows on Redis. The keys of a flow are in the slot of its home partition, so one script can write the flow
 * and queue jobs of this partition.
 */
import { defined } from '@s18i/lark/internal'
import {
  type Applied,
  type Bound,
  type Crowd,
  type Flows,
  type FlowWrite,
  type FlowWritten,
  type KeptEnd,
  MAX_ERROR,
  MAX_ITEMS,
  type MemberEnd,
  type MemberFate,
  NODES,
  type StoredFlow,
} from '../../contract/store.ts'
import type { Scripts } from '../client/script.ts'
import { packJobs } from './packing.ts'
import { type FatesReply, type FlowTexts, readMemberFates, type Texts } from './reading.ts'
import { brings, nextTick, packDue, packText, readQueued, type Writing } from './writing.ts'

/** The verdicts of `apply.lua`, by letter. */
const verdicts = { c: 'counted', r: 'repeated', f: 'former', u: 'unknown' } as const
const letters = { completed: 'c', failed: 'f', cancelled: 'x' } as const
const states = { c: 'completed', f: 'failed', x: 'cancelled' } as const

export class RedisFlows implements Flows {
  readonly #scripts: Scripts
  readonly #writing: Writing

  constructor(writing: Writing) {
    this.#scripts = writing.scripts
    this.#writing = writing
  }

  async write(home: string, write: FlowWrite, bound?: Bound, isRelied = false): Promise<FlowWritten> {
    const { jobs = [] } = write
    const args = [...packWrite(write), ...packJobs(jobs)]
    const options = { brings: brings(write), bound, isRelied }
    const [number, next, queued] = await this.#writing.run('flows', home, options, args)
    const isWritten = number !== ''
    return {
      isWritten,
      rev: Number(number),
      jobs: isWritten ? readQueued(queued, jobs) : [],
      ...nextTick(next),
    }
  }

  async get(home: string, flow: string): ReturnType<Flows['get']> {
    const [at, found] = (await this.#scripts.run('flow-get', home, [flow, ''])) as [string, FlowTexts | null]
    return { at: Number(at), ...(found && { found: readFlow(found) }) }
  }

  async state(home: string, flow: string): Promise<string | undefined> {
    return ((await this.#scripts.run('flow-get', home, [flow, '1'])) as string | null) ?? undefined
  }

  async apply(home: string, ends: readonly MemberEnd[]): Promise<Applied> {
    const groups: FlowEnds[] = []
    const last = new Map<string, FlowEnds>()
    for (const [i, end] of ends.entries()) {
      let group = last.get(end.flow)
      if (group === undefined || group.isBehind(end)) {
        group = new FlowEnds(end.flow)
        groups.push(group)
        last.set(end.flow, group)
      }
      group.add(i, end)
    }
    const args = groups.flatMap((group) => group.args)
    const [next, found] = (await this.#scripts.run('apply', home, args)) as [number, string[]]
    const all = new Array<Applied['verdicts'][number]>(ends.length)
    for (const [n, group] of groups.entries()) {
      for (const [k, i] of group.places.entries()) all[i] = verdicts[found[n]![k] as keyof typeof verdicts]
    }
    return { verdicts: all, ...nextTick(next) }
  }

  async ends(home: string, flow: string, indices: readonly number[]): Promise<KeptEnd[]> {
    const asked = indices.slice(0, MAX_ITEMS).map(String)
    const reply = await this.#scripts.run('flow-ends', home, [flow, ...asked])
    const [found, ended, results] = reply as [string[], string[], Texts]
    return found.map((index, i) => {
      const result = results[i]
      return { ...readEnd(index, ended[i]), ...(result != null && { result }) }
    })
  }

  missing(home: string, flow: string, after: number, count: number): Promise<number[]> {
    return this.#members('missing', home, flow, after, count)
  }

  failed(home: string, flow: string, after: number, count: number): Promise<number[]> {
    return this.#members('failed', home, flow, after, count)
  }

  async reopen(...[home, flow, indices, starts = []]: Parameters<Flows['reopen']>): Promise<number> {
    const args = indices.flatMap((index, i) => [String(index), String(starts[i] ?? '')])
    return (await this.#scripts.run('reopen', home, [flow, ...args])) as number
  }

  async purge(home: string, flow: string, indices: readonly number[]): Promise<void> {
    await this.#scripts.run('flow-purge', home, [flow, ...indices.map(String)])
  }

  async fates(partition: string, ids: readonly string[]): Promise<MemberFate[]> {
    const reply = await this.#scripts.run('flow-fates', partition, ids)
    return readMemberFates(partition, ids, reply as FatesReply)
  }

  async list(home: string, count: number, before = ''): Promise<Omit<StoredFlow, 'news'>[]> {
    const args = [String(Math.min(count, MAX_ITEMS)), before]
    const page = (await this.#scripts.run('flow-list', home, args)) as FlowTexts[]
    return page.map((shown) => {
      const { news: _, ...flow } = readFlow(shown)
      return flow
    })
  }

  async #members(
    which: 'missing' | 'failed',
    home: string,
    flow: string,
    after: number,
    count: number,
  ): Promise<number[]> {
    const args = [flow, which, String(after + 1), String(Math.min(count, MAX_ITEMS))]
    return (await this.#scripts.run('members', home, args)) as number[]
  }
}

/**
 * Collects the ends of one flow's members for one call. Members that completed are sent first, as ranges of
 * indices. All other ends follow.
 */
class FlowEnds {
  readonly #flow: string
  /**
   * The ranges of members that completed. The members of a claim mostly have consecutive indices, so there
   * are few ranges.
   */
  readonly #completed: { first: number; last: number }[] = []
  readonly #others: string[] = []
  /** Members that ended without completing. */
  readonly #failed = new Set<number>()
  readonly #places = { completed: [] as number[], others: [] as number[] }

  constructor(flow: string) {
    this.#flow = flow
  }

  /** Whether the call would send this end before an earlier end of the same member. */
  isBehind({ index, state }: MemberEnd): boolean {
    return state === 'completed' && this.#failed.has(index)
  }

  /** @param place the index of the end in the caller's list */
  add(place: number, end: MemberEnd): void {
    const { index, state, result, start } = end
    const isNode = index >= NODES
    if (!isNode && state === 'completed') {
      const run = this.#completed.at(-1)
      if (run !== undefined && run.last === index - 1) run.last = index
      else this.#completed.push({ first: index, last: index })
      this.#places.completed.push(place)
    } else {
      if (!isNode) this.#failed.add(index)
      this.#others.push(String(index), packEnd(end), isNode ? packText(result) : String(start ?? ''))
      this.#places.others.push(place)
    }
  }

  /** The indices of the ends in the caller's list, in the order in which the ends are sent. */
  get places(): number[] {
    return [...this.#places.completed, ...this.#places.others]
  }

  get args(): string[] {
    const runs = this.#completed.map(({ first, last }) => (first === last ? first : `${first}-${last}`))
    return [this.#flow, runs.join(','), String(this.#places.others.length), ...this.#others]
  }
}

/** The arguments of `flow-write.lua` for a write. */
function packWrite(write: FlowWrite): string[] {
  const head = [write.id, String(write.rev)]
  if ('remove' in write) return [...head, 'x', '', '', '0', '', '', '']
  const { next, state, definition, heard = 0, crowd: { reserved, size, alarm } = {} } = write
  const counts = [reserved, size, alarm].map((count) => (count === undefined ? '' : String(count)))
  return [...head, packDue(next), state, packText(definition), String(heard), ...counts]
}

/**
 * The text of an end, as `flow-ends` has it (`flows.lua`): a letter for the state, the time of the end, and
 * the reason and the error as JSON.
 */
function packEnd({ state, at, reason, error }: MemberEnd): string {
  const more = { ...defined({ reason }), ...(error !== undefined && { error: error.slice(0, MAX_ERROR) }) }
  return `${letters[state]}${at}${Object.keys(more).length === 0 ? '' : JSON.stringify(more)}`
}

/** Parses the end of a member. A damaged text becomes an end with the reason `lost`. */
function readEnd(index: string, text: string | null | undefined): KeptEnd {
  const [, letter, at, more] = /^([cfx])(\d+)(\{.*\})?$/s.exec(text ?? '') ?? []
  if (letter === undefined) return { index: Number(index), state: 'cancelled', reason: 'lost', at: 0 }
  const state = states[letter as keyof typeof states]
  const { reason, error } = (more === undefined ? {} : JSON.parse(more)) as Pick<KeptEnd, 'reason' | 'error'>
  return {
    index: Number(index),
    state,
    at: Number(at),
    ...defined({ reason, error: error?.slice(0, MAX_ERROR) }),
  }
}

export function readFlow(shown: FlowTexts): StoredFlow {
  const [id, rev, definition, state, reserved, size, completed, failed, cancelled, news, ends] = shown
  const crowd: Crowd = {
    reserved: Number(reserved) || 0,
    ...(size !== null && { size: Number(size) }),
    completed: Number(completed) || 0,
    failed: Number(failed) || 0,
    ...(Number(cancelled) > 0 && { cancelled: Number(cancelled) }),
  }
  return {
    id,
    rev: Number(rev) || 0,
    definition: definition ?? '',
    state: state ?? '',
    news: news.map((index, i) => readEnd(index, ends[i])),
    crowd,
  }
}
