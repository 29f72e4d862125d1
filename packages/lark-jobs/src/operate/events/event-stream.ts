/**
 * Reads the events of some queues, from all their partitions.
 *
 * The reader asks a partition for events when the partition rings, that is, when the store sends a message
 * that the partition has new events. Because a ring may be lost, the reader also asks every half a second
 * (`WATCH_AGAIN`), or less often if there are many partitions. The reader asks for the next pages only when
 * the application has consumed the previous pages, so that no events pile up in memory. While the application
 * consumes events, a timer renews the listening, so that the store goes on writing events. While the store is
 * unreachable, the reader waits. When the store answers again, the reader returns the events that were
 * written in the meantime. If some of these events are lost, the reader reports a gap.
 */

import { type EventKind, eventKinds, PUBLISHED } from '../../model/event.ts'
import { queueOf } from '../../model/partition.ts'
import { scheduleTick } from '../../model/tick.ts'
import { isText, option, Schema } from '../../options/schema.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import { EVENTS_PAGE, type EventEntry, type Heard, markOf, WATCH_AGAIN } from '../../store/contract/store.ts'
import type { AbortSignalLike } from '../../waiting/abort-signal.ts'
import { unlessAborted } from '../../waiting/bounded-wait.ts'
import { onAbort } from '../../waiting/on-abort.ts'
import { Cursors } from '../look/cursor.ts'
import { checkFilter, conditions } from '../look/filter.ts'
import { everyPartition, partitionsToLookIn } from '../look/stored-jobs.ts'
import type { EventGap, EventOptions, EventReader, NextEvent, QueueEvent } from './queue-events.ts'
import { passes, type WatchedStore } from './watcher.ts'

/**
 * Milliseconds after which a partition forgets a listener that does not call. A renewal may leave only half
 * of this time (`events.ts`), and up to `1.5 * RENEW` may pass until the next call. Even so, a partition
 * writes events for at least one more minute after the reader has stopped calling.
 */
const TTL = 180_000
/** Milliseconds between two renewals, while the reader does not call. */
const RENEW = 20_000
/**
 * How many partitions are asked at the same time. The number is low because the pages of all these partitions
 * are in memory together.
 */
const TOGETHER = 10
/** At most this many partitions that have not rung are asked in a second. */
const PER_SECOND = 100
/** After an answer, rings are ignored for this many times the duration of the answer. */
const REST = 4
/** Milliseconds between two searches for new partitions. */
const DISCOVER = 2_000

const someOf = (what: string, isRight: (value: unknown) => boolean) =>
  option<readonly string[]>(
    `a list of ${what}`,
    (value) => Array.isArray(value) && value.length > 0 && value.every(isRight),
  )
/** The options of `Jobs.events()`. */
export const eventOptions = new Schema('an object', {
  ...conditions({
    queues: someOf('names of queues', isText),
    kinds: someOf(
      `kinds of events: ${eventKinds.join(', ')}`,
      (value) => eventKinds.includes(value as EventKind) || value === PUBLISHED,
    ),
  }).entries,
  since: option<string>('the cursor of an event', isText),
  signal: option<AbortSignalLike>(
    'an AbortSignal',
    (value) => typeof (value as AbortSignalLike | null)?.addEventListener === 'function',
  ),
})

/**
 * Where to continue in a partition: a position, the number of events after this position that were already
 * returned or skipped, and the mark of the entry with the last of these events. After a failover, other
 * events may be at the position. The mark shows whether the store still has the same entry.
 */
type HeardAt = readonly [position: string, passed: number, mark?: string]

type HeardIn = readonly [partition: string, HeardAt]

/** The last event that was returned: its entry, and its number counted from a position. */
interface Passed {
  name: string
  position: string
  count: number
  entry: EventEntry
}

class HeardPartition {
  readonly name: string
  /** Whether the partition has rung since it was last asked. */
  isRung = true
  // When the partition was last asked, by `performance.now()`.
  askedAt = 0
  /** When to ask the partition if no ring comes. */
  nextAt = 0
  /** Until when rings are ignored. */
  restsUntil = 0

  constructor(name: string) {
    this.name = name
  }

  /** When to ask the partition next. */
  get dueAt(): number {
    return this.isRung ? Math.min(this.restsUntil, this.nextAt) : this.nextAt
  }
}

const ofEvents = {
  name: 'since',
  right: 'the cursor of an event',
  hint: 'A cursor goes on with the same kind of store.',
}

export class EventStream implements EventReader {
  readonly #open: () => Promise<WatchedStore>
  readonly #options: EventOptions
  readonly #kinds: ReadonlySet<string>
  readonly #over = new AbortController()
  readonly #events: AsyncGenerator<QueueEvent | EventGap, undefined>
  /** Functions to call when the reader ends. */
  readonly #leaves: (() => void)[] = []
  readonly #partitions = new Map<string, HeardPartition>()
  /**
   * Where to continue in each partition. Each update replaces the map and never changes it, because events
   * that were already returned make their cursors from the old map.
   */
  #places: ReadonlyMap<string, HeardAt> = new Map()
  /** The last returned event of the current page. `#places` does not include this event yet. */
  #current: Passed | undefined
  #begun: Promise<WatchedStore | undefined> | undefined
  #cursors: Cursors<HeardIn[]> | undefined
  #discoverAt = 0
  #wake: () => void = () => {}

  /** @throws FILTER_INVALID @param closed aborted when the instance is closed */
  constructor(open: () => Promise<WatchedStore>, closed: AbortSignal, options: EventOptions) {
    checkFilter('Jobs.events()', options, eventOptions, { whole: 'the argument' })
    this.#open = open
    this.#options = options
    this.#kinds = new Set(options.kinds ?? eventKinds)
    this.#events = this.#run()
    const end = () => this.#end()
    for (const signal of [closed, options.signal]) if (signal) this.#leaves.push(onAbort(signal, end))
  }

  /**
   * Tells every partition to write events. Waits while the store is unreachable.
   *
   * @throws CURSOR_INVALID, UNKNOWN_QUEUE
   */
  begin(): Promise<WatchedStore | undefined> {
    this.#begun ??= this.#begin()
    return this.#begun
  }

  get cursor(): string | undefined {
    return this.#cursors && this.#cursorAt(this.#places, this.#current)
  }

  next(): Promise<NextEvent> {
    return this.#events.next()
  }

  return(): Promise<NextEvent> {
    this.#end()
    return this.#events.return(undefined)
  }

  #end(): void {
    this.#over.abort()
    this.#wake()
    for (const leave of this.#leaves.splice(0)) leave()
  }

  async #begin(): Promise<WatchedStore | undefined> {
    const open = await this.#persist(() => this.#open())
    if (open === undefined) return undefined
    const { since } = this.#options
    // A cursor can be used with any filter, and with any store of the same kind.
    const cursors = new Cursors<HeardIn[]>('Jobs.events()', ['events', open.store.isRemote], ofEvents)
    const places = since === undefined ? [] : cursors.read(since)
    await this.#persist(() => this.#discover(open))
    if (this.#over.signal.aborted) return undefined
    this.#leaves.push(open.watcher.hear((partition) => this.#ring(partition)))
    const timer = setInterval(() => void this.#renew(open), RENEW).unref()
    this.#leaves.push(() => clearInterval(timer))
    const begun = new Map(places.filter(([name]) => this.#partitions.has(name)))
    await inTurn([...this.#partitions.values()], async (partition) => {
      const heard = await this.#persist(() => this.#ask(open, partition))
      // A partition that is missing in the cursor is new, and gets no place. The reader does not know its
      // earlier events, so the reader reports a gap.
      if (since === undefined && heard !== undefined) begun.set(partition.name, [heard.position, 0])
    })
    this.#places = begun
    this.#cursors = cursors
    return open
  }

  /**
   * Finds the partitions of the queues. A queue that existed at the last search may be missing, if the store
   * has lost data.
   */
  async #discover(open: WatchedStore): Promise<void> {
    const { queues } = this.#options
    const isFirst = this.#partitions.size === 0
    const names = isFirst
      ? await partitionsToLookIn(open, queues)
      : [...(await everyPartition(open)).values()].flat()
    for (const name of names)
      if (!this.#partitions.has(name) && (queues?.includes(queueOf(name)) ?? true))
        this.#partitions.set(name, new HeardPartition(name))
    this.#discoverAt = performance.now() + DISCOVER
  }

  async *#run(): AsyncGenerator<QueueEvent | EventGap, undefined> {
    try {
      const open = await this.begin()
      while (open !== undefined && !this.#over.signal.aborted) {
        const now = performance.now()
        if (now >= this.#discoverAt) await this.#persist(() => this.#discover(open))
        const all = [...this.#partitions.values()]
        const longest = (a: HeardPartition, b: HeardPartition) => a.askedAt - b.askedAt
        const due = all
          .filter((each) => each.dueAt <= now)
          .sort(longest)
          .slice(0, TOGETHER)
        if (due.length === 0)
          await this.#rest(Math.min(this.#discoverAt, ...all.map((each) => each.dueAt)) - now)
        const pages = await Promise.all(due.map((partition) => this.#page(open, partition)))
        for (const [i, heard] of pages.entries())
          if (heard && !this.#over.signal.aborted) yield* this.#tell(due[i]!.name, heard)
      }
      return undefined
    } finally {
      this.#end()
    }
  }

  /** Waits until a partition rings, the reader ends, or some milliseconds have passed. */
  async #rest(ms: number): Promise<void> {
    if (this.#over.signal.aborted) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, ms))
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #ring(name: string): void {
    const partition = this.#partitions.get(name)
    if (partition === undefined) return
    partition.isRung = true
    this.#wake()
  }

  /** Asks a partition for the events after its place. Returns undefined if the store is unreachable. */
  async #page(open: WatchedStore, partition: HeardPartition): Promise<Heard | undefined> {
    const began = performance.now()
    partition.isRung = false
    const place = this.#places.get(partition.name)
    let heard: Heard | undefined
    try {
      heard = await unlessAborted(this.#over.signal, this.#ask(open, partition, place?.[0]))
    } catch (error) {
      if (!this.#over.signal.aborted && !passes(error)) throw error
    }
    const now = performance.now()
    partition.restsUntil = now + Math.min(REST * (now - began), WATCH_AGAIN / 2)
    partition.nextAt =
      now + Math.min(Math.max(WATCH_AGAIN, (this.#partitions.size * 1_000) / PER_SECOND), RENEW)
    // After a full page there may be more events, so the partition is asked again at once.
    if (heard?.entries.length === EVENTS_PAGE) partition.nextAt = 0
    return heard && place === undefined ? { ...heard, isGap: true } : heard
  }

  #ask({ store, watcher }: WatchedStore, partition: HeardPartition, position?: string): Promise<Heard> {
    partition.askedAt = performance.now()
    return store.listen(partition.name, watcher.id, TTL, position)
  }

  *#tell(name: string, { entries, position, isGap }: Heard): Generator<QueueEvent | EventGap> {
    const queue = queueOf(name)
    const places = this.#places
    const place = places.get(name)
    if (isGap || place === undefined || !hasPassed(entries, place)) {
      this.#move(name, position)
      const behind = this.#places
      const cursorAt = () => this.#cursorAt(behind)
      yield {
        kind: 'gap',
        queue,
        get cursor() {
          return cursorAt()
        },
      }
      return
    }
    const [from, passed] = place
    const cursorAt = (current: Passed) => this.#cursorAt(places, current)
    let count = 0
    for (const entry of entries)
      for (const id of entry.ids) {
        count += 1
        if (count <= passed || !this.#kinds.has(entry.kind)) continue
        if (this.#over.signal.aborted) return
        const current: Passed = { name, position: from, count, entry }
        this.#current = current
        const schedule = scheduleTick(id)
        yield {
          kind: entry.kind as EventKind,
          id,
          queue,
          at: entry.at,
          ...(schedule && { schedule }),
          get cursor() {
            return cursorAt(current)
          },
        }
      }
    this.#current = undefined
    if (position !== from) this.#move(name, position)
  }

  #move(name: string, position: string): void {
    this.#places = new Map(this.#places).set(name, [position, 0])
  }

  #cursorAt(places: ReadonlyMap<string, HeardAt>, current?: Passed): string {
    const all = new Map(places)
    if (current !== undefined) all.set(current.name, [current.position, current.count, markOf(current.entry)])
    return this.#cursors!.write([...all])
  }

  /**
   * Renews the listening while the application is busy with events, so that the store goes on writing them.
   */
  async #renew(open: WatchedStore): Promise<void> {
    const before = performance.now() - RENEW / 2
    const old = [...this.#partitions.values()].filter(({ askedAt }) => askedAt < before)
    // A failed renewal is ignored here: the next call reports the failure.
    await inTurn(old, async (partition) => void (await this.#ask(open, partition).catch(() => {})))
  }

  /** Repeats an attempt until the store answers. Returns undefined if the reader ends before that. */
  async #persist<T>(attempt: () => Promise<T>): Promise<T | undefined> {
    while (!this.#over.signal.aborted) {
      try {
        return await unlessAborted(this.#over.signal, attempt())
      } catch (error) {
        if (!passes(error)) throw error
      }
      await this.#rest(WATCH_AGAIN)
    }
    return undefined
  }
}

/**
 * Whether a page begins with the events that the reader has already returned or skipped according to a place.
 * When the reader read these events, the page may have had fewer entries.
 */
function hasPassed(entries: readonly EventEntry[], [, passed, mark]: HeardAt): boolean {
  let left = passed
  const last = entries.find(({ ids }) => {
    left -= ids.length
    return left <= 0
  })
  return passed === 0 || (last !== undefined && markOf(last) === mark)
}

/** Calls a function for each partition, a few at a time. */
async function inTurn(
  partitions: readonly HeardPartition[],
  act: (partition: HeardPartition) => Promise<void>,
): Promise<void> {
  for (const some of inLots(partitions, TOGETHER)) await Promise.all(some.map(act))
}
