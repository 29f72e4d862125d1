/**
 * Reads the queues of BullMQ 5 and 6 from their Redis. The layout, for the prefix `bull` and the queue
 * `emails`:
 *
 *   bull:emails:meta                          HASH    `paused`, `concurrency`, `max` and `duration` of a rate
 *   bull:emails:wait, active, paused          LIST    ids; the next id that BullMQ takes is the last
 *   bull:emails:prioritized, delayed          ZSET    ids; the score of a delayed job is its due time * 4096
 *                                                     and a number
 *   bull:emails:completed, failed             ZSET    ids by their end
 *   bull:emails:waiting-children              ZSET    ids of jobs that wait for other jobs
 *   bull:emails:<id>                          HASH    the job; beside it `:logs` and others
 *   bull:emails:<id>:dependencies             SET     the keys of the jobs that it waits for
 *   bull:emails:<id>:processed, failed        HASH    by the keys of these jobs, what they have returned, and
 *                                             why they failed if the job does not need them
 *   bull:emails:<id>:unsuccessful             ZSET    the keys of the jobs whose failure makes it fail
 *   bull:emails:repeat, repeat:<scheduler>    ZSET, HASH    schedulers by their next tick; the job of the
 *                                             tick has the id `repeat:<scheduler>:<tick>`
 *   bull:emails:de:<deduplication id>         STRING  the id of the job that has it
 *
 * On a cluster, the prefix or the name of the queue has a hash tag, so all keys of a queue are on one server.
 */
import { defined } from '@s18i/lark/internal'
import { JobsError, type RedisServers } from '@s18i/lark-jobs'
import { LARGEST, shown } from '@s18i/lark-jobs/internal'
import { ForeignRedis, isWrongType } from './foreign-redis.ts'
import type {
  BullmqChild,
  BullmqChildren,
  BullmqEntry,
  BullmqQueue,
  BullmqScheduler,
  BullmqSource,
  ImportedPlace,
} from './source.ts'
import { bullmqPlaces, otherBullmqPlaces } from './source.ts'

/** How many keys one call scans, which takes a fraction of a millisecond. */
const PAGE = '1000'
/** The score of a delayed job is its due time multiplied by this number. */
const SCORE = 4_096
/** The maximum number of bytes of data that are read together. */
const TOGETHER = 4 * 1_048_576
/** The field of a job into which `mark` writes. */
const MARK = 'lark'

/** The fields that may be large. A field that is larger than a payload may be is not read. */
const largeFields = ['data', 'opts']
const largeFailedFields = ['failedReason', 'stacktrace']
const fields = ['name', 'timestamp', 'atm', 'attemptsMade', 'parentKey', 'rjk', 'finishedOn', MARK]

/** The further keys of a job that waits, or has waited, for other jobs. */
const familyKeys = ['processed', 'dependencies', 'failed', 'unsuccessful']

type Sizes = ReadonlyMap<string, number>

const nothing = {
  ...{ isGone: false, name: '', data: undefined, bytes: 0, opts: '{}' },
  ...{ timestamp: 0, attemptsMade: 0, hasChildren: false },
}

/**
 * Removes jobs.
 *
 * KEYS[1]  what the keys of the queue begin with: `bull:emails:` ARGV[1]  the place; ARGV[2…] ids Returns
 * for each id whether it was in the place: 1 or 0 Cost     O(n) for n ids that are the next of their place
 */
const remove = `--!df flags=allow-undeclared-keys
local call = redis.call
local base, place, found = KEYS[1], ARGV[1], {}
for i = 2, #ARGV do
  local id, job = ARGV[i], KEYS[1] .. ARGV[i]
  if place == 'wait' or place == 'paused' then
    found[i - 1] = call('LREM', base .. place, -1, id)
  else
    found[i - 1] = call('ZREM', base .. place, id)
  end
  if found[i - 1] == 1 then
    local unique = call('HGET', job, 'deid')
    if unique and call('GET', base .. 'de:' .. unique) == id then
      call('DEL', base .. 'de:' .. unique)
    end
    call('DEL', job, job .. ':logs', job .. ':dependencies', job .. ':processed', job .. ':failed', job .. ':unsuccessful')
  end
end
return found`

/**
 * Writes a text to the jobs that still exist.
 *
 * KEYS[1]  what the keys of the queue begin with
 * ARGV[1]  the text; ARGV[2…] ids
 * Cost     O(n) for n ids
 */
const mark = `--!df flags=allow-undeclared-keys
local call = redis.call
for i = 2, #ARGV do
  local job = KEYS[1] .. ARGV[i]
  if call('EXISTS', job) == 1 then
    call('HSET', job, '${MARK}', ARGV[1])
  end
end
return 1`

export class RedisBullmq implements BullmqSource {
  readonly name: string
  readonly #redis: ForeignRedis
  readonly #prefix: string

  private constructor(redis: ForeignRedis, prefix: string) {
    this.#redis = redis
    this.name = redis.name
    this.#prefix = prefix
  }

  /** @param prefix the prefix of BullMQ's keys @throws STORE_INVALID */
  static async open(servers: string | RedisServers, prefix: string): Promise<RedisBullmq> {
    return new RedisBullmq(await ForeignRedis.open(servers), prefix)
  }

  async queues(): Promise<string[]> {
    const begin = `${this.#prefix}:`
    const pattern = `${begin.replace(/[*?[\]^\\]/g, '\\$&')}*:meta`
    const names = new Set<string>()
    await this.#redis.each(async (read) => {
      let cursor = '0'
      do {
        const page = await read(['SCAN', cursor, 'MATCH', pattern, 'COUNT', PAGE])
        const [next, keys] = page as [string, string[]]
        for (const key of keys) {
          const name = key.slice(begin.length, -':meta'.length)
          // The name of a BullMQ queue has no colon, but the id of a job may have one.
          if (!name.includes(':')) names.add(name)
        }
        cursor = next
      } while (cursor !== '0')
    })
    return [...names].sort()
  }

  async look(queue: string): Promise<BullmqQueue | undefined> {
    const places = [...bullmqPlaces, ...otherBullmqPlaces]
    const [meta, ...counts] = await Promise.all([
      this.#send('HMGET', this.#key(queue, 'meta'), 'paused', 'concurrency', 'max', 'duration', 'version'),
      ...places.map((place) => this.#send(isList(place) ? 'LLEN' : 'ZCARD', this.#key(queue, place))),
    ])
    const [paused, concurrency, max, ...others] = meta as (string | null)[]
    const hasMeta = [paused, concurrency, max, ...others].some((field) => field !== null)
    if (!hasMeta && counts.every((count) => count === 0)) {
      const isThere = await this.#send('EXISTS', this.#key(queue, 'meta'))
      if (isThere === 0) return undefined
    }
    return {
      name: queue,
      counts: Object.fromEntries(
        places.map((place, i) => [place, counts[i] as number]),
      ) as BullmqQueue['counts'],
      paused: paused === '1',
      ...(Number(concurrency) > 0 && { concurrency: Number(concurrency) }),
      isRated: Number(max) > 0,
    }
  }

  async workers(queues: readonly string[]): Promise<Map<string, number> | undefined> {
    const names = new Map(
      queues.map((queue) => [`${this.#prefix}:${Buffer.from(queue).toString('base64')}`, queue]),
    )
    const most = new Map<string, number>()
    const lists = await this.#redis.each((read) =>
      read(['CLIENT', 'LIST']).catch((error: unknown) => {
        if (!JobsError.is(error, 'STORE_REFUSED')) throw error
      }),
    )
    for (const list of lists) {
      if (typeof list !== 'string') return undefined
      const here = new Map<string, number>()
      for (const [, name = ''] of list.matchAll(/ name=(\S+)/g)) {
        const queue = names.get(name.replace(/:w:.*$/, ''))
        if (queue !== undefined) here.set(queue, (here.get(queue) ?? 0) + 1)
      }
      // A worker may be connected to several servers of a cluster, so the counts are not added up.
      for (const [queue, count] of here) most.set(queue, Math.max(count, most.get(queue) ?? 0))
    }
    return most
  }

  async now(): Promise<number> {
    const [time] = await this.#redis.each((read) => read(['TIME']))
    const [seconds, micros] = time as [string, string]
    return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
  }

  async ids(queue: string, place: Parameters<BullmqSource['ids']>[1], count: number): Promise<string[]> {
    return (await this.#range(queue, place, 0, count)).map(({ id }) => id)
  }

  async entries(queue: string, place: ImportedPlace, offset: number, count: number): Promise<BullmqEntry[]> {
    const found = await this.#range(queue, place, offset, count)
    const large = place === 'failed' ? [...largeFields, ...largeFailedFields] : largeFields
    const sizes = await Promise.all(found.map(({ id }) => this.#sizes(queue, id, large)))
    const entries: BullmqEntry[] = []
    for (let i = 0; i < found.length; ) {
      const from = i
      for (let bytes = 0; i < found.length && (i === from || bytes + readBytes(sizes[i]) <= TOGETHER); i++)
        bytes += readBytes(sizes[i])
      const lot = found.slice(from, i).map(({ id, score }, n) => {
        const dueAt = place === 'delayed' ? dueAtOf(score) : undefined
        return this.#read(queue, id, sizes[from + n], dueAt)
      })
      entries.push(...(await Promise.all(lot)))
    }
    return entries
  }

  async entry(queue: string, id: string): Promise<BullmqEntry> {
    const [sizes, score] = await Promise.all([
      this.#sizes(queue, id, largeFields),
      this.#send('ZSCORE', this.#key(queue, 'delayed'), id),
    ])
    return await this.#read(queue, id, sizes, typeof score === 'string' ? dueAtOf(Number(score)) : undefined)
  }

  async children(queue: string, id: string, most: number, bytes: number): Promise<BullmqChildren> {
    const key = (what: string) => this.#key(queue, `${id}:${what}`)
    const counts = await Promise.all([
      this.#send('SCARD', key('dependencies')),
      this.#send('HLEN', key('processed')),
      this.#send('HLEN', key('failed')),
    ])
    const count = counts.reduce<number>((sum, each) => sum + (each as number), 0)
    if (count > most) throw new Error(`it waits for ${count} jobs, the limit is ${most}`)
    // The open children are read before the completed children. So a child that completes between the two
    // reads is in both answers, and never missing.
    const left = (await this.#send('SMEMBERS', key('dependencies'))) as string[]
    const texts = async (of: string, room: number): Promise<Map<string, string>> => {
      const keys = (await this.#send('HKEYS', of)) as string[]
      const sizes = await Promise.all(keys.map((each) => this.#send('HSTRLEN', of, each)))
      const size = sizes.reduce<number>((sum, each) => sum + (each as number), 0)
      if (size > room)
        throw new Error(`the results or errors of its children have ${size} bytes, the limit is ${room}`)
      const values = await Promise.all(keys.map((each) => this.#send('HGET', of, each)))
      return new Map(keys.map((each, i) => [each, String(values[i] ?? '')]))
    }
    const values = await texts(key('processed'), bytes)
    const reasons = await texts(key('failed'), bytes)
    return {
      left: left.filter((each) => !values.has(each)).map((each) => this.#childOf(each)),
      completed: [...values].map(([each, value]) => ({ ...this.#childOf(each), value })),
      ignored: [...reasons].map(([each, reason]) => ({ ...this.#childOf(each), reason })),
      failed: (await this.#send('ZCARD', key('unsuccessful'))) as number,
    }
  }

  /** @throws Error for a key of another prefix */
  #childOf(key: string): BullmqChild {
    const begin = `${this.#prefix}:`
    const rest = key.startsWith(begin) ? key.slice(begin.length) : ''
    const colon = rest.indexOf(':')
    if (colon < 1) throw new Error(`it waits for ${shown(key)}, which has another prefix`)
    return { queue: rest.slice(0, colon), id: rest.slice(colon + 1) }
  }

  async schedulers(queue: string, offset: number, count: number): Promise<BullmqScheduler[]> {
    const found = await this.#range(queue, 'repeat', offset, count)
    return await Promise.all(
      found.map(async ({ id, score }) => {
        return { id, next: score, fields: await this.#fieldsOf(this.#key(queue, `repeat:${id}`)) }
      }),
    )
  }

  async mark(queue: string, ids: readonly string[], text: string): Promise<void> {
    if (ids.length > 0) await this.#run(mark, queue, [text, ...ids])
  }

  async remove(queue: string, place: ImportedPlace, ids: readonly string[]): Promise<boolean[]> {
    if (ids.length === 0) return []
    const found = (await this.#run(remove, queue, [place, ...ids])) as number[]
    return found.map((each) => each === 1)
  }

  async removeScheduler(queue: string, id: string): Promise<void> {
    await this.#send('ZREM', this.#key(queue, 'repeat'), id)
    await this.#send('DEL', this.#key(queue, `repeat:${id}`))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.close()
  }

  /** The ids of a place in the order in which BullMQ takes them, with their scores. */
  async #range(
    queue: string,
    place: Parameters<BullmqSource['ids']>[1],
    offset: number,
    count: number,
  ): Promise<{ id: string; score: number }[]> {
    const key = this.#key(queue, place)
    if (isList(place)) {
      const ids = await this.#send('LRANGE', key, String(-offset - count), String(-offset - 1))
      return (ids as string[]).reverse().map((id) => ({ id, score: 0 }))
    }
    const command = place === 'failed' ? 'ZREVRANGE' : 'ZRANGE'
    const flat = await this.#send(command, key, String(offset), String(offset + count - 1), 'WITHSCORES')
    const words = flat as string[]
    return words.flatMap((id, i) => (i % 2 === 0 ? [{ id, score: Number(words[i + 1]) }] : []))
  }

  /** The bytes of each field that may be large. The result is undefined if the key holds no job. */
  async #sizes(queue: string, id: string, large: readonly string[]): Promise<Sizes | undefined> {
    try {
      const sizes = large.map((field) => this.#send('HSTRLEN', this.#key(queue, id), field))
      return new Map((await Promise.all(sizes)).map((size, i) => [large[i]!, size as number]))
    } catch (error) {
      if (!isWrongType(error)) throw error
      return undefined
    }
  }

  async #fieldsOf(key: string): Promise<Record<string, string>> {
    try {
      const flat = (await this.#redis.read(['HGETALL', key])) as string[]
      return Object.fromEntries(flat.flatMap((word, i) => (i % 2 === 0 ? [[word, flat[i + 1]!]] : [])))
    } catch (error) {
      if (!isWrongType(error)) throw error
      return {}
    }
  }

  async #read(queue: string, id: string, sizes: Sizes | undefined, dueAt?: number): Promise<BullmqEntry> {
    const bytes = sizes?.get('data') ?? 0
    if (sizes === undefined) return { ...nothing, id, isForeign: true }
    const key = this.#key(queue, id)
    const small = [...sizes.keys()].filter((field) => sizes.get(field)! <= LARGEST.payload)
    const wanted = [...small, ...fields]
    const [values, children] = await Promise.all([
      this.#send('HMGET', key, ...wanted),
      this.#send('EXISTS', ...(familyKeys.map((each) => `${key}:${each}`) as [string, ...string[]])),
    ])
    const of = (field: string) => (values as (string | null)[])[wanted.indexOf(field)] ?? undefined
    const parentKey = of('parentKey')
    const hasParent = parentKey !== undefined && (await this.#send('EXISTS', parentKey)) === 1
    const [name, mark, schedulerId, failedReason, stacktrace] = [
      ...[of('name'), of(MARK), of('rjk'), of('failedReason'), of('stacktrace')],
    ]
    return {
      id,
      isGone: name === undefined,
      isForeign: false,
      name: name ?? '',
      data: of('data'),
      bytes,
      opts: small.includes('opts') ? (of('opts') ?? '{}') : undefined,
      timestamp: wholeIn(of('timestamp')),
      attemptsMade: wholeIn(of('atm') ?? of('attemptsMade')),
      hasChildren: children !== 0,
      ...defined({ dueAt }),
      ...(hasParent && { parentKey }),
      ...defined({ schedulerId, mark, failedReason, stacktrace }),
      ...(wholeIn(of('finishedOn')) > 0 && { finishedOn: wholeIn(of('finishedOn')) }),
    }
  }

  #key(queue: string, rest: string): string {
    return `${this.#prefix}:${queue}:${rest}`
  }

  async #send(...command: [name: string, key: string, ...words: string[]]): Promise<unknown> {
    const answer = await this.#redis.read(command).catch((error: unknown) => error)
    if (!(answer instanceof Error)) return answer
    if (!isWrongType(answer)) throw answer
    throw new JobsError(
      'STORE_DAMAGED',
      `${this.name} has under ${command[1]} what BullMQ does not keep there`,
      {
        cause: answer,
        hint: 'Is it the right prefix? With --queue, the other queues are imported.',
      },
    )
  }

  #run(script: string, queue: string, args: readonly string[]): Promise<unknown> {
    return this.#redis.run(script, this.#key(queue, ''), args)
  }
}

function isList(place: string): boolean {
  return place === 'wait' || place === 'paused' || place === 'active'
}

/** How many bytes of the large fields are read. */
function readBytes(sizes: Sizes = new Map()): number {
  return [...sizes.values()].reduce((sum, bytes) => sum + (bytes <= LARGEST.payload ? bytes : 0), 0)
}

/** The time at which a delayed job is due, in milliseconds since 1970. */
function dueAtOf(score: number): number {
  return wholeIn(Math.floor(score / SCORE))
}

/** Reads a value as a whole number from 0. Any other value counts as 0. */
function wholeIn(value: unknown): number {
  const number = Math.floor(Number(value ?? 0))
  return Number.isSafeInteger(number) && number > 0 ? number : 0
}
