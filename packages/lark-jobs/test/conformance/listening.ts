/**
 * Events: a listener gets every change of every job, in order and once. A listener that returns continues
 * after its last event, and is told if it may have missed events. Waits use the real clock.
 */
import { expect, test } from 'vitest'
import { MAX_ID } from '../../src/model/id.ts'
import type { NewJob, Outcome } from '../../src/model/record.ts'
import { EventStream } from '../../src/operate/events/event-stream.ts'
import { Watcher } from '../../src/operate/events/watcher.ts'
import {
  EVENTS_BYTES,
  EVENTS_KEPT,
  EVENTS_PAGE,
  EVENTS_TOGETHER,
  type Heard,
  MAX_CRASHES,
  PUBLISHED_BYTES,
  type Store,
} from '../../src/store/contract/store.ts'
import { type Caller, LEASE } from './caller.ts'
import { ends } from './effects.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, ids, job, jobs, retried, settlement, unstarted } from './jobs.ts'

/** A notification of the store takes fewer milliseconds of the real clock than this. */
const PATIENCE = 10_000
/** The test waits this many milliseconds of the real clock to show that no notification comes. */
const MOMENT = 60
const TTL = 60_000

/** A listener that remembers its position. */
class Listener {
  position: string | undefined
  readonly #store: () => Store
  readonly #id: string

  constructor(harness: Harness, id = 'web') {
    this.#store = () => harness.store
    this.#id = id
  }

  static async begin(harness: Harness, id?: string): Promise<Listener> {
    const listener = new Listener(harness, id)
    expect(await listener.hear()).toEqual([])
    return listener
  }

  async listen(ttl = TTL): Promise<Heard> {
    const heard = await this.#store().listen('emails', this.#id, ttl, this.position)
    this.position = heard.position
    return heard
  }

  /** Returns all events since the last call, for example `started 1`, or `gap` if events may be missing. */
  async hear(): Promise<string[]> {
    const heard: string[] = []
    for (;;) {
      const { entries, isGap } = await this.listen()
      if (isGap) heard.push('gap')
      heard.push(...entries.flatMap(({ kind, ids }) => ids.map((id) => `${kind} ${id}`)))
      if (entries.length === 0) return heard
    }
  }

  /** Returns only the kinds of the events. */
  async kinds(): Promise<string[]> {
    return (await this.hear()).map((event) => event.split(' ')[0]!)
  }
}

/**
 * Waits for the first notification. Returns the partitions that have notified the listener; the list is empty
 * if no partition has done so within `patience`.
 */
async function rung(store: Store, listener: string, patience = PATIENCE): Promise<string[]> {
  const found = new Set<string>()
  const first = new AbortController()
  await store.wait(listener, patience, first.signal, (partition) => {
    found.add(partition)
    first.abort()
  })
  return [...found]
}

/** Returns a function that settles a job that has begun. */
const settles = (outcome: Outcome) => async (caller: Caller) =>
  caller.settle(await caller.claimOne(), outcome)

interface Change {
  by: (caller: Caller, id: string, harness: Harness) => Promise<unknown>
  /** The kinds of events of the job after `queued`. */
  tells: string[]
  given?: Partial<NewJob>
}

const alter = (kind: 'remove' | 'purge' | 'retry' | 'run-now') => (caller: Caller, id: string) =>
  caller.store.alter('emails', [id], { kind })

const changes: Record<string, Change> = {
  'completed with a result': {
    by: settles({ kind: 'completed', result: '1' }),
    tells: ['started', 'completed'],
  },
  'to be retried': { by: settles(retried(50)), tells: ['started', 'retrying'] },
  released: { by: settles({ kind: 'released', in: 5 }), tells: ['started', 'released'] },
  'given back': { by: settles(unstarted), tells: ['started', 'returned'] },
  'given back for a while': { by: settles({ kind: 'unstarted', in: 9 }), tells: ['started', 'returned'] },
  'given back before it began': {
    given: { id: 'second' },
    by: async (caller) => {
      await caller.enqueue(job({ priority: 9 }))
      const [, ahead] = await caller.claimAhead(1, 1)
      await caller.settle(ahead!, unstarted)
    },
    tells: [],
  },
  'completed before an extend named it': {
    given: { id: 'second' },
    by: async (caller) => {
      await caller.enqueue(job({ priority: 9 }))
      const [, ahead] = await caller.claimAhead(1, 1)
      await caller.settle(ahead!, completed)
    },
    tells: ['started', 'completed'],
  },
  'failed before an extend named it': {
    given: { id: 'second' },
    by: async (caller) => {
      await caller.enqueue(job({ priority: 9 }))
      const [, ahead] = await caller.claimAhead(1, 1)
      await caller.settle(ahead!, failed)
    },
    tells: ['started', 'failed'],
  },
  'named by two extends': {
    given: { id: 'second' },
    by: async (caller) => {
      await caller.enqueue(job({ priority: 9 }))
      const [, ahead] = await caller.claimAhead(1, 1)
      await caller.extend([ahead!])
      await caller.extend([ahead!])
      await caller.settle(ahead!, completed)
    },
    tells: ['started', 'completed'],
  },
  crashed: {
    by: async (caller, _, harness) => {
      await caller.claim()
      await harness.takeBack()
    },
    tells: ['started', 'crashed'],
  },
  'taken back forgivingly': {
    by: async (caller, _, harness) => {
      await caller.claim()
      await harness.takeBack({ forgiving: true })
    },
    tells: ['started', 'returned'],
  },
  'taken back because its worker has not read the claim': {
    by: async (caller) => {
      const { token } = await caller.claimOne()
      await caller.store.recover('emails', { unread: token })
    },
    tells: ['started', 'returned'],
  },
  'taken back before it began': {
    by: async (caller, _, harness) => {
      await caller.claimAhead(0, 1)
      await harness.takeBack()
    },
    tells: [],
  },
  'crashed too often': {
    by: async (caller, _, harness) => {
      for (let i = 0; i < MAX_CRASHES; i++) {
        await caller.claimAlone()
        await harness.takeBack({ fromWithin: true })
      }
    },
    tells: [...new Array(MAX_CRASHES).fill(['started', 'crashed']).flat(), 'failed'],
  },
  'cancelled while it ran, and its worker died': {
    by: async (caller, id, harness) => {
      await caller.claim()
      await caller.store.alter('emails', [id], { kind: 'cancel', reason: 'user' })
      await harness.takeBack()
    },
    tells: ['started', 'crashed', 'cancelled'],
  },
  'cancelled while it ran, and to be retried': {
    by: async (caller, id) => {
      const held = await caller.claimOne()
      await caller.store.alter('emails', [id], { kind: 'cancel', reason: 'user' })
      await caller.settle(held, retried(5))
    },
    tells: ['started', 'cancelled'],
  },
  'retried by hand': {
    by: async (caller, id) => {
      await caller.settle(await caller.claimOne(), failed)
      await alter('retry')(caller, id)
    },
    tells: ['started', 'failed', 'queued'],
  },
  'removed while it waited': { by: alter('remove'), tells: ['removed'] },
  'removed while it was delayed': { given: { delay: 99 }, by: alter('remove'), tells: ['removed'] },
  'removed after its end': {
    by: async (caller, id) => {
      await caller.settle(await caller.claimOne(), completed)
      await alter('remove')(caller, id)
    },
    tells: ['started', 'completed', 'removed'],
  },
  purged: { by: alter('purge'), tells: ['removed'] },
  'purged when it was removed already': {
    given: { hooked: true },
    by: async (caller, id) => {
      await caller.store.alter('emails', [id], { kind: 'cancel', reason: 'user' })
      await alter('remove')(caller, id)
      expect(await alter('purge')(caller, id)).toEqual(['done'])
    },
    tells: ['cancelled', 'removed'],
  },
  'cleared while it waited': { by: ({ store }) => store.clear('emails', 'waiting'), tells: ['removed'] },
  'cleared after its end': {
    by: async (caller) => {
      await caller.settle(await caller.claimOne(), completed)
      await caller.store.clear('emails', 'completed')
    },
    tells: ['started', 'completed', 'removed'],
  },
  'made due, and put off': {
    given: { delay: 99 },
    by: async (caller, id) => {
      await alter('run-now')(caller, id)
      await caller.store.alter('emails', [id], { kind: 'reschedule', in: 5 })
    },
    tells: [],
  },
  'pruned after its end': {
    by: async (caller, _, harness) => {
      await caller.settle(await caller.claimOne(), completed)
      await new Listener(harness, 'other').listen(24 * 3_600_000)
      harness.clock.now += 12 * 3_600_000
      expect(await caller.store.prune('emails')).toBe(1)
    },
    tells: ['started', 'completed'],
  },
}

export function listening(make: Make): void {
  test.each(Object.entries(changes))('%s', async (_, { by, tells, given = {} }) => {
    await using harness = await make()
    const listener = await Listener.begin(harness)
    const only = job(given)
    await harness.caller().enqueue(only)
    await by(harness.caller(), only.id, harness)
    const heard = (await listener.hear()).filter((event) => event.endsWith(` ${only.id}`))
    expect(heard).toEqual(['queued', ...tells].map((kind) => `${kind} ${only.id}`))
  })

  for (const [name, { state, reason, by }] of Object.entries(ends))
    test(`the events of a job that ends in this way: ${name}`, async () => {
      await using harness = await make()
      const given = job({ hooked: true })
      await harness.caller().enqueue(given)
      const listener = await Listener.begin(harness)
      await by(harness, harness.caller(), given.id)
      const own = (await listener.hear()).filter((event) => event.endsWith(` ${given.id}`))
      expect(own.at(-1)).toBe(`${reason === 'removed' ? reason : state} ${given.id}`)
      expect(own.filter((event) => event === own.at(-1))).toHaveLength(1)
    })

  test('the events of a call have the time of the call, and are in the order of the changes', async () => {
    await using harness = await make()
    const listener = await Listener.begin(harness)
    const [one, other] = jobs(2)
    await harness.caller().enqueue(one!, other!)
    harness.clock.now += 5
    const held = await harness.caller().claimOne()
    harness.clock.now += 5
    await harness.caller().exchange([settlement(held, completed)], { limit: 1, leaseMs: LEASE })
    const { now } = harness.clock
    expect((await listener.listen()).entries).toEqual([
      { kind: 'queued', at: now - 10, ids: [one!.id, other!.id] },
      { kind: 'started', at: now - 5, ids: [one!.id] },
      { kind: 'completed', at: now, ids: [one!.id] },
      { kind: 'started', at: now, ids: [other!.id] },
    ])
  })

  test('a job that is not queued causes no event, and neither does the job that it replaces', async () => {
    await using harness = await make()
    const listener = await Listener.begin(harness)
    const lock = { name: 'ada', until: 'done', replace: true } as const
    const [one, other] = [job({ lock }), job({ lock })]
    const caller = harness.caller()
    await caller.enqueue(one, other)
    expect(await caller.enqueue(one)).toEqual(['exists'])
    expect(await listener.hear()).toEqual([`queued ${one.id}`])
  })

  test('when a full partition drops a job, there is an event for the dropped job and one for the new job', async () => {
    await using harness = await make()
    const listener = await Listener.begin(harness)
    const [one, other] = jobs(2)
    const bound = { max: 1, full: 'drop-oldest' } as const
    const caller = harness.caller()
    for (const each of [one!, other!])
      await harness.store.enqueue('emails', { ...caller.next(), bound }, [each])
    expect(await listener.hear()).toEqual([
      `queued ${one!.id}`,
      `queued ${other!.id}`,
      `cancelled ${one!.id}`,
    ])
  })

  test('a call that is sent again causes no further event', async () => {
    await using harness = await make()
    const listener = await Listener.begin(harness)
    const caller = harness.caller()
    const given = job()
    await caller.enqueue(given)
    await harness.store.enqueue('emails', caller.last(), [given])
    const held = await caller.claimOne()
    await harness.store.exchange('emails', caller.last(), [], { limit: 1, leaseMs: LEASE })
    await caller.settle(held, completed)
    await caller.settle(held, completed)
    expect(await listener.kinds()).toEqual(['queued', 'started', 'completed'])
  })

  test('jobs of groups cause the same events', async () => {
    await using harness = await make()
    const listener = await Listener.begin(harness)
    const given = jobs(3, { group: { name: 'acme', limits: { concurrency: 1 } } })
    const caller = harness.caller()
    await caller.enqueue(...given)
    for (const _ of given) await caller.settle(await caller.claimOne(), completed)
    expect(await listener.hear()).toEqual([
      ...ids(given).map((id) => `queued ${id}`),
      ...ids(given).flatMap((id) => [`started ${id}`, `completed ${id}`]),
    ])
  })

  test('no event is written before somebody listens, and one can listen to a partition that does not exist', async () => {
    await using harness = await make()
    await harness.caller().enqueue(job())
    const listener = await Listener.begin(harness)
    const { position } = await harness.store.listen('nowhere', 'web', TTL)
    expect(await harness.store.partitions()).toEqual(['emails'])
    const later = job()
    await harness.caller('ada', 'nowhere').enqueue(later)
    expect(await harness.store.listen('nowhere', 'web', TTL, position)).toMatchObject({
      entries: [{ kind: 'queued', ids: [later.id] }],
    })
    expect(await listener.hear()).toEqual([])
  })

  test('every listener gets all events after the position that it names', async () => {
    await using harness = await make()
    const one = await Listener.begin(harness)
    await harness.caller().enqueue(job())
    const other = await Listener.begin(harness, 'other')
    await harness.caller().enqueue(job())
    expect(await one.kinds()).toEqual(['queued', 'queued'])
    expect(await other.kinds()).toEqual(['queued'])
    const again = new Listener(harness, 'again')
    again.position = one.position
    expect(await again.hear()).toEqual([])
  })

  test('many events are returned by pages, each event once', async () => {
    await using harness = await make()
    const listener = await Listener.begin(harness)
    const many = jobs(2 * EVENTS_TOGETHER + 1)
    await harness.caller().enqueue(...many)
    const first = await listener.listen()
    expect(first.entries.map((entry) => entry.ids.length)).toEqual([EVENTS_TOGETHER, EVENTS_TOGETHER, 1])
    expect(first.entries.flatMap((entry) => entry.ids)).toEqual(ids(many))
    const single = jobs(EVENTS_PAGE + 5)
    for (const each of single) await harness.caller().enqueue(each)
    expect((await listener.listen()).entries).toHaveLength(EVENTS_PAGE)
    expect(await listener.hear()).toEqual(ids(single.slice(EVENTS_PAGE)).map((id) => `queued ${id}`))
  })

  test('an entry has fewer ids if they are long, so that its size is bounded', async () => {
    await using harness = await make()
    const listener = await Listener.begin(harness)
    const caller = harness.caller()
    const long = jobs(EVENTS_TOGETHER + 10).map((each, i) => ({ ...each, id: `${i}`.padEnd(MAX_ID, 'é') }))
    await caller.enqueue(...long)
    const held = await caller.claim(long.length)
    await caller.exchange(
      held.map((each) => settlement(each, retried(10))),
      { limit: 0, leaseMs: LEASE },
    )
    const { entries } = await listener.listen()
    for (const { ids } of entries) expect(Buffer.byteLength(ids.join('\n'))).toBeLessThanOrEqual(EVENTS_BYTES)
    const told = (kind: string) =>
      entries.filter((entry) => entry.kind === kind).flatMap((entry) => entry.ids)
    for (const kind of ['queued', 'started', 'retrying']) expect(told(kind).sort()).toEqual(ids(long).sort())
  })

  test('events of one call and one kind share entries, also for jobs that do not complete', async () => {
    await using harness = await make()
    const listener = await Listener.begin(harness)
    const caller = harness.caller()
    const many = jobs(EVENTS_TOGETHER + 2)
    await caller.enqueue(...many)
    const held = await caller.claim(many.length)
    await listener.hear()
    await caller.exchange(
      held.map((each) => settlement(each, retried(10))),
      { limit: 0, leaseMs: LEASE },
    )
    const { entries } = await listener.listen()
    expect(entries.map((entry) => [entry.kind, entry.ids.length])).toEqual([
      ['retrying', EVENTS_TOGETHER],
      ['retrying', 2],
    ])
    expect(entries.flatMap((entry) => entry.ids).sort()).toEqual(ids(many).sort())
    expect(await listener.hear()).toEqual([])
  })

  test('a listener that comes back in time misses no event, although other listeners come and go', async () => {
    await using harness = await make()
    const listener = await Listener.begin(harness)
    harness.clock.now += TTL / 2
    await new Listener(harness, 'other').listen(1)
    harness.clock.now += TTL / 2 - 1
    const given = job()
    await harness.caller().enqueue(given)
    harness.clock.now += 10 * TTL
    expect(await listener.hear()).toEqual([`queued ${given.id}`])
  })

  test.each([29_999, 59_999])(
    '`Jobs.events()` that stops after %i ms and goes on within a minute misses no event',
    async (first) => {
      await using harness = await make()
      const { store } = harness
      const over = new AbortController()
      const watcher = new Watcher(store, () => false)
      const open = async () => ({ store, watcher, queues: new Map([['emails', 1]]) })
      let stream = new EventStream(open, over.signal, {})
      await stream.begin()
      const hears = async (later: number) => {
        harness.clock.now += later
        const given = job()
        await harness.caller().enqueue(given)
        expect((await stream.next()).value).toMatchObject({ kind: 'queued', id: given.id })
      }
      await hears(first)
      const { cursor: since } = stream
      await stream.return()
      stream = new EventStream(open, over.signal, { since })
      await hears(59_999)
      over.abort()
    },
  )

  test('a listener that stays away for longer is told that it may have missed events, and gets later ones', async () => {
    await using harness = await make()
    const listener = await Listener.begin(harness)
    const [one, other, last] = jobs(3)
    await harness.caller().enqueue(one!)
    harness.clock.now += TTL
    await harness.caller().enqueue(other!)
    expect(await listener.hear()).toEqual(['gap'])
    await harness.caller().enqueue(last!)
    expect(await listener.hear()).toEqual([`queued ${last!.id}`])
  })

  test('a listener that was away for longer gets no gap if nothing has happened meanwhile', async () => {
    await using harness = await make()
    const listener = await Listener.begin(harness)
    harness.clock.now += 10 * TTL
    expect(await listener.hear()).toEqual([])
    const given = job()
    await harness.caller().enqueue(given)
    expect(await listener.hear()).toEqual([`queued ${given.id}`])
  })

  test('the number of kept events is bounded, and a listener that comes too late gets a gap', async () => {
    await using harness = await make()
    const [early, late] = [await Listener.begin(harness), await Listener.begin(harness, 'late')]
    const caller = harness.caller()
    const tell = async (entries: number) => {
      for (let i = 0; i < entries; i++) await caller.enqueue(job({ delay: 1 }))
    }
    for (let entries = 0; entries < EVENTS_KEPT * 1.2; entries += 1_000) {
      await tell(1_000)
      expect(await early.kinds()).toHaveLength(1_000)
    }
    expect(await late.kinds()).toEqual(['gap'])
    await tell(1)
    expect(await late.kinds()).toEqual(['queued'])
  }, 60_000)

  test('a position from another store causes a gap', async () => {
    await using harness = await make()
    await using other = await make()
    const listener = await Listener.begin(harness)
    await harness.caller().enqueue(job())
    await listener.hear()
    await other.caller().enqueue(job())
    const { isGap } = await other.store.listen('emails', 'web', TTL, listener.position)
    expect(isGap).toBe(true)
    expect(await other.store.listen('emails', 'web', TTL, 'nonsense')).toMatchObject({ isGap: true })
  })

  test('the next change notifies a listener, and another change after the next call of the listener notifies it again', async () => {
    await using harness = await make()
    const { store } = harness
    const listener = await Listener.begin(harness)
    for (let i = 0; i < 2; i++) {
      const ring = rung(store, 'web')
      await harness.caller().enqueue(job())
      expect(await ring).toEqual(['emails'])
      await harness.caller().enqueue(job())
      expect(await rung(store, 'web', MOMENT)).toEqual([])
      expect(await listener.kinds()).toEqual(['queued', 'queued'])
    }
  })

  test('an event that the application publishes notifies listeners, and has its place in the order', async () => {
    await using harness = await make()
    const { store } = harness
    expect(await store.publish('emails', 'nobody listens')).toBe(false)
    const listener = await Listener.begin(harness)
    const ring = rung(store, 'web')
    const long = `{"text":"${'é'.repeat(PUBLISHED_BYTES / 2 - 6)}"}`
    expect(await store.publish('emails', long)).toBe(true)
    expect(await ring).toEqual(['emails'])
    await harness.caller().enqueue(job())
    await Promise.all(['one', 'two'].map((text) => store.publish('emails', text)))
    const heard = await listener.hear()
    expect(heard[0]).toBe(`published ${long}`)
    expect(heard.slice(2).toSorted()).toEqual(['published one', 'published two'])
    harness.clock.now += TTL
    expect(await store.publish('emails', 'nobody listens any more')).toBe(false)
  })

  test('a change notifies no listener that has stayed away for too long', async () => {
    await using harness = await make()
    const listener = await Listener.begin(harness)
    harness.clock.now += TTL
    await harness.caller().enqueue(job())
    expect(await rung(harness.store, 'web', MOMENT)).toEqual([])
    expect(await listener.hear()).toEqual(['gap'])
  })
}
