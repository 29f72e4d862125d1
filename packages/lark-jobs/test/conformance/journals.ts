/**
 * Journals. The next run of a job gets the recorded entries, whichever worker runs the job. No signal is lost
 * or delivered twice. Nothing is left of a journal when its job is removed.
 */
import { expect, test } from 'vitest'
import type { Journal } from '../../src/model/journal.ts'
import type { ClaimedJob, NewJob, Outcome } from '../../src/model/record.ts'
import { bring, signalFollowed } from '../../src/store/contract/moved.ts'
import {
  type Bound,
  CHILD_SIGNAL,
  EARLY_MEMORY,
  JOURNAL_BYTES,
  MAX_CHILD_BYTES,
  MAX_SIGNAL_BYTES,
  MAX_SIGNALS,
  type NewSignal,
  type Store,
  waitsEnd,
} from '../../src/store/contract/store.ts'
import { type Caller, LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, failed, ids, job, jobError, jobs, retried, unstarted } from './jobs.ts'

const approved = { name: 'approved', text: '{"by":"ada"}' }
const rejected = { name: 'rejected', text: '' }
const untold: Outcome = { kind: 'failed', error: jobError(), untold: true }
const none = { count: 0, bytes: 0, entries: [], signals: [] }

function suspended(fields: Partial<Extract<Outcome, { kind: 'suspended' }>> = {}): Outcome {
  return { kind: 'suspended', in: 60_000, waits: [], heard: 0, ...fields }
}

/** Records entries of a job. `at`: the index of the first entry. */
function record(caller: Caller, held: ClaimedJob, at: number, entries: string[], isProgress = false) {
  const note = { id: held.id, token: held.token, steps: { at, entries, ...(isProgress && { isProgress }) } }
  return caller.store.journals.record(caller.partition, [note])
}

/** Returns a journal without signals, as the store returns it from the first entry on. */
function journalOf(...entries: string[]): Journal {
  return { ...none, entries, count: entries.length, bytes: Buffer.byteLength(entries.join('')) }
}

/** Suspends a new job, which waits for the signal `approved`. */
async function waiting(caller: Caller, fields: Partial<NewJob> = {}): Promise<string> {
  const given = job(fields)
  await caller.enqueue(given)
  await caller.settle(await caller.claimOne(), suspended({ waits: ['approved'] }))
  return given.id
}

/** How many jobs are suspended. */
async function suspendedIn(store: Store, partition = 'emails'): Promise<number> {
  return (await store.standings([partition]))[0]!.suspended
}

const send = (store: Store, id: string, signal: NewSignal = approved) =>
  store.journals.signal('emails', id, signal)

export function journals(make: Make): void {
  test('the next claim of a job gets the entries of its last run, however that run ended', async () => {
    await using harness = await make()
    const ada = harness.caller()
    const outcomes: Outcome[] = [retried(0), { kind: 'released', in: 0 }, unstarted, suspended({ in: 0 })]
    for (const outcome of outcomes) {
      await ada.enqueue(job())
      const held = await ada.claimOne()
      expect(held).not.toHaveProperty('journal')
      await record(ada, held, 0, ['rone\n1', 'rtwo\n2'])
      const last = outcome.kind === 'unstarted' ? [] : ['rthree\nñ']
      await ada.settle(held, { ...outcome, steps: { at: 2, entries: last } })
      const again = await ada.claimOne()
      expect(again).toMatchObject({ id: held.id, journal: journalOf('rone\n1', 'rtwo\n2', ...last) })
      await ada.settle(again, completed)
    }
  })

  test('a job without steps in the same claim has no journal', async () => {
    await using harness = await make()
    const ada = harness.caller()
    await ada.enqueue(...jobs(3))
    const [one, two, three] = await ada.claim(3)
    await record(ada, two!, 0, ['x'])
    for (const held of [one!, two!, three!]) await ada.settle(held, retried(0))
    const again = await ada.claim(3)
    expect(again.map(({ journal }) => journal?.entries)).toEqual([undefined, ['x'], undefined])
    expect(await harness.store.journals.read('emails', one!.id, 0)).toBeUndefined()
    expect(await harness.store.journals.read('emails', 'nobody', 0)).toBeUndefined()
    expect(await harness.store.journals.read('nowhere', one!.id, 0)).toBeUndefined()
  })

  test('a record call that is sent again adds nothing to the journal', async () => {
    await using harness = await make()
    const ada = harness.caller()
    await ada.enqueue(job())
    const held = await ada.claimOne()
    await record(ada, held, 0, ['a', 'b'])
    await record(ada, held, 0, ['a', 'b'])
    await record(ada, held, 1, ['b', 'c'])
    await record(ada, held, 0, ['a'])
    const { jobs: claimed } = await harness.store.exchange('emails', ada.last(), [], {
      limit: 1,
      leaseMs: LEASE,
    })
    expect(claimed[0]!.journal).toEqual(journalOf('a', 'b', 'c'))
    await ada.settle(held, { ...suspended(), steps: { at: 2, entries: ['c', 'd'] } })
    expect(await harness.store.journals.read('emails', held.id, 0)).toEqual(journalOf('a', 'b', 'c', 'd'))
    expect(await harness.store.journals.read('emails', held.id, 3)).toMatchObject({
      entries: ['d'],
      count: 4,
    })
  })

  test('entries that would leave a gap are not recorded: record returns how many entries there are, and an outcome still counts', async () => {
    await using harness = await make()
    const ada = harness.caller()
    await ada.enqueue(...jobs(2))
    const [held, beside] = await ada.claim(2)
    await record(ada, held!, 0, ['a', 'b'])
    const notes = [
      { id: held!.id, token: held!.token, steps: { at: 3, entries: ['d'] } },
      { id: beside!.id, token: beside!.token, steps: { at: 0, entries: ['x'] } },
    ]
    const answer = await harness.store.journals.record('emails', notes)
    expect(answer).toEqual({ lost: [], short: [{ id: held!.id, count: 2 }] })
    await ada.settle(held!, { ...retried(0), steps: { at: 4, entries: ['e'] } })
    await ada.settle(beside!, retried(0))
    const again = await ada.claim(2)
    expect(again.map(({ journal }) => journal)).toEqual([journalOf('a', 'b'), journalOf('x')])
  })

  test('a worker that has lost the lease cannot record entries', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const [ada, bob] = [harness.caller(), harness.caller('bob')]
    await ada.enqueue(job())
    const held = await ada.claimOne()
    await record(ada, held, 0, ['a'])
    clock.advance(LEASE + 1)
    await store.recover('emails')
    const again = await bob.claimOne()
    expect(await record(ada, held, 1, ['zombie'])).toMatchObject({ lost: [held.id] })
    expect(await ada.settle(held, { ...completed, steps: { at: 1, entries: ['zombie'] } })).toBe('lost')
    await record(bob, again, 1, ['b'])
    expect(await store.journals.read('emails', held.id, 0)).toEqual(journalOf('a', 'b'))
  })

  test('record marks a prefetched job as started, and does not renew its lease', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    await ada.enqueue(...jobs(2))
    const claimed = await ada.claimAhead(1, 1)
    clock.advance(LEASE - 1)
    for (const held of claimed) await record(ada, held, 0, ['a'])
    clock.advance(2)
    expect((await store.recover('emails')).crashed).toEqual(ids(claimed))
  })

  test('a person can add entries once, only after the last entry, and only while no worker holds the job', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    const given = job()
    const append = (at: number, ...entries: string[]) =>
      store.journals.append('emails', given.id, { at, entries })
    expect(await append(0, 'a')).toBe('missing')
    await ada.enqueue(given)
    expect(await append(0, 'a')).toBe('missing')
    const held = await ada.claimOne()
    await record(ada, held, 0, ['a', 'b'])
    expect(await append(2, 'c')).toBe('active')
    await ada.settle(held, suspended({ waits: ['approved'] }))
    expect(await append(2, 'c', 'ñ')).toBe('added')
    expect(await append(2, 'c', 'ñ')).toBe('added')
    for (const [at, ...entries] of [
      [1, 'x'],
      [2, 'c'],
      [2, 'c', 'x'],
      [2, 'c', 'ñ', 'd'],
      [5, 'x'],
    ] as const)
      expect(await append(at, ...entries)).toBe('changed')
    expect(await store.journals.read('emails', given.id, 0)).toEqual(journalOf('a', 'b', 'c', 'ñ'))
    expect(await store.get('emails', given.id)).toMatchObject({ state: 'delayed', suspended: ['approved'] })
    await send(store, given.id)
    const again = await ada.claimOne()
    expect(again.journal?.entries).toEqual(['a', 'b', 'c', 'ñ'])
    await ada.settle(again, failed)
    expect(await append(4, 'd')).toBe('added')
    await store.alter('emails', [given.id], { kind: 'retry' })
    expect((await ada.claimOne()).journal?.entries).toEqual(['a', 'b', 'c', 'ñ', 'd'])
  })

  test('a claim returns the first part of a long journal, and `read` returns the rest', async () => {
    await using harness = await make()
    const ada = harness.caller()
    await ada.enqueue(job())
    const held = await ada.claimOne()
    const entries = Array.from({ length: 700 }, (_, i) => `${i}\n${'x'.repeat(i % 400)}`)
    entries.push('y'.repeat(3 * JOURNAL_BYTES), 'z')
    await record(ada, held, 0, entries)
    await ada.settle(held, retried(0))
    const { journal } = await ada.claimOne()
    expect(journal).toMatchObject({ count: 702, bytes: Buffer.byteLength(entries.join('')) })
    expect(Buffer.byteLength(journal!.entries.join(''))).toBeLessThanOrEqual(JOURNAL_BYTES)
    const all = [...journal!.entries]
    for (let calls = 0; all.length < 702; calls++) {
      expect(calls).toBeLessThan(9)
      all.push(...(await harness.store.journals.read('emails', held.id, all.length))!.entries)
    }
    expect(all).toEqual(entries)
  })

  test('failures and crashes from before the last recorded entry do not count', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    const given = job()
    await ada.enqueue(given)
    for (let deaths = 0; deaths < 5; deaths++) {
      const [held] = await ada.claimAlone()
      await record(ada, held!, deaths, [`r${deaths}`], true)
      clock.advance(LEASE + 1)
      await store.recover('emails')
      expect(await store.get('emails', given.id)).toMatchObject({ state: 'waiting', crashes: 1 })
    }
    await ada.settle(await ada.claimOne(), retried(0))
    expect(await store.get('emails', given.id)).toMatchObject({ failures: 1, crashes: 1 })
    const [held] = await ada.claimAlone()
    await ada.settle(held!, { ...retried(0), steps: { at: 5, entries: ['r5'], isProgress: true } })
    expect(await store.get('emails', given.id)).toMatchObject({ failures: 1, crashes: 0, runs: 7 })
    await ada.settle(await ada.claimOne(), {
      ...suspended({ in: 0 }),
      steps: { at: 6, entries: ['r6'], isProgress: true },
    })
    expect(await store.get('emails', given.id)).toMatchObject({ failures: 0, crashes: 0, runs: 8 })
  })

  test('a suspended job is delayed, is marked and counted as suspended, and goes on when it is due', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    await ada.enqueue(job(), job())
    const [one, two] = await ada.claim(2)
    await ada.settle(one!, suspended({ in: 5_000 }))
    await ada.settle(two!, suspended({ in: 60_000, waits: ['approved', 'rejected'] }))
    expect(await store.get('emails', one!.id)).toMatchObject({
      state: 'delayed',
      suspended: [],
      runs: 1,
      releases: 0,
    })
    const { jobs: listed } = await store.list('emails', { state: 'delayed' })
    expect(listed.map((each) => each.suspended)).toEqual([[], ['approved', 'rejected']])
    expect(await suspendedIn(store)).toBe(2)
    clock.advance(5_000)
    expect(await store.counts('emails')).toMatchObject({ waiting: 1, delayed: 1 })
    expect(await suspendedIn(store)).toBe(2)
    const again = await ada.claimOne()
    expect(again).toMatchObject({ id: one!.id, runs: 2 })
    expect(await suspendedIn(store)).toBe(1)
    await ada.settle(again, retried(9_000))
    expect(await store.get('emails', one!.id)).not.toHaveProperty('suspended')
    expect(await suspendedIn(store)).toBe(1)
  })

  test.each([
    [
      'cancelled',
      (store: Store, id: string) => store.alter('emails', [id], { kind: 'cancel', reason: 'user' }),
    ],
    ['removed', (store: Store, id: string) => store.alter('emails', [id], { kind: 'remove' })],
    ['purged', (store: Store, id: string) => store.alter('emails', [id], { kind: 'purge' })],
    ['cleared', (store: Store) => store.clear('emails', 'delayed')],
    ['cleared when it is due', (store: Store) => store.clear('emails', 'waiting')],
    ['moved', (store: Store, id: string) => store.moves.take('emails', [id], ['mails'])],
    ['claimed and given back', undefined],
  ] as const)('the count of suspended jobs: %s', async (name, leave) => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    const id = await waiting(ada)
    const group = job({ group: { name: 'g' } })
    await ada.enqueue(group)
    await ada.settle(await ada.claimOne(), suspended())
    expect(await suspendedIn(store)).toBe(2)
    if (name.includes('due') || leave === undefined) clock.advance(60_000)
    if (leave !== undefined) {
      await leave(store, id)
      if (!name.startsWith('cleared')) expect(await suspendedIn(store)).toBe(1)
      if (!name.startsWith('cleared')) await leave(store, group.id)
      expect(await suspendedIn(store)).toBe(0)
      return
    }
    const held = await ada.claim(2)
    expect(await suspendedIn(store)).toBe(0)
    await ada.settle(held[0]!, unstarted)
    expect(await suspendedIn(store)).toBe(1)
    clock.advance(LEASE + 1)
    await store.recover('emails')
    expect(await suspendedIn(store)).toBe(1)
    await ada.settle(held[1]!, failed)
    for (const each of await ada.claim(2)) await ada.settle(each, completed)
    expect(await suspendedIn(store)).toBe(0)
  })

  test('a signal makes the job that waits for it due, and the next claim gets the signal', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    const id = await waiting(ada)
    expect(await send(store, id, rejected)).toBe('kept')
    expect(await ada.claim()).toEqual([])
    expect(await send(store, id)).toBe('kept')
    const held = await ada.claimOne()
    expect(held.journal).toEqual({ ...none, signals: [rejected, approved] })
    expect(await store.get('emails', id)).not.toHaveProperty('suspended')
    await ada.settle(held, completed)
  })

  test('a signal does not make a job due that waits for its retry and not for a signal', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    const id = await waiting(ada)
    await send(store, id)
    await ada.settle(await ada.claimOne(), retried(9_000))
    expect(await send(store, id)).toBe('kept')
    expect(await ada.claim()).toEqual([])
    const given = job({ delay: 9_000 })
    await ada.enqueue(given)
    expect(await send(store, given.id)).toBe('kept')
    expect(await ada.claim()).toEqual([])
  })

  test('a signal wakes a waiting worker, and notifies the worker that holds the job', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    const id = await waiting(ada)
    expect(await ada.claim()).toEqual([])
    await send(store, id)
    expect(await store.wait(ada.id, 10_000)).toEqual(['emails'])
    const held = await ada.claimOne()
    await send(store, id, rejected)
    const noticed = new AbortController()
    const heard: (string | undefined)[][] = []
    await store.wait(ada.id, 10_000, noticed.signal, (...notice) => {
      heard.push(notice)
      noticed.abort()
    })
    expect(heard).toEqual([['emails', id]])
    const note = { id, token: held.token, heard: 1 }
    expect(await store.journals.record('emails', [note])).toEqual({
      lost: [],
      signals: [{ id, signals: [rejected] }],
    })
    expect(await store.journals.record('emails', [{ ...note, heard: 2 }])).toEqual({ lost: [] })
  })

  test('if a run suspends its job before it has seen all signals, the job is due at once', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    await ada.enqueue(job())
    const held = await ada.claimOne()
    await send(store, held.id)
    await ada.settle(held, suspended({ waits: ['rejected'] }))
    const again = await ada.claimOne()
    expect(again.journal).toMatchObject({ signals: [approved] })
    await ada.settle(again, suspended({ waits: ['rejected'], heard: 1 }))
    expect(await ada.claim()).toEqual([])
  })

  test('of several signals with the same name and key, one is kept', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    const id = await waiting(ada)
    const keyed = { ...approved, key: 'click-81' }
    expect(await store.journals.signal('emails', id, keyed)).toBe('kept')
    expect(await store.journals.signal('emails', id, keyed)).toBe('known')
    expect(await store.journals.signal('emails', id, { ...keyed, key: 'click-82' })).toBe('kept')
    expect(await store.journals.signal('emails', id, { ...keyed, name: 'rejected' })).toBe('kept')
    const held = await ada.claimOne()
    expect(held.journal!.signals.map(({ name }) => name)).toEqual(['approved', 'approved', 'rejected'])
    await ada.settle(held, retried(0))
    expect(await store.journals.signal('emails', id, keyed)).toBe('known')
  })

  test('a signal is refused if its job is unknown, has ended, or has too many signals', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    expect(await send(store, 'nobody')).toBe('missing')
    const ended = job()
    await ada.run(ended, completed)
    expect(await store.journals.signal('emails', ended.id, { ...approved, mayBeEarly: true })).toBe('ended')
    const full = job({ delay: 1 })
    await ada.enqueue(full)
    // The end of a child flow is sent until the store keeps it, and takes no room from other signals.
    const end = { name: `${CHILD_SIGNAL}flow`, text: '{}', key: '7' }
    expect(await send(store, full.id, end)).toBe('kept')
    for (let i = 0; i < MAX_SIGNALS; i++) await send(store, full.id)
    expect(await send(store, full.id)).toBe('full')
    expect(await send(store, full.id, end)).toBe('known')
    expect(await send(store, full.id, { ...end, key: '8' })).toBe('kept')
    expect(await send(store, full.id)).toBe('full')
    clock.advance(1)
    const { signals } = (await ada.claimOne()).journal!
    expect(signals).toHaveLength(MAX_SIGNALS + 2)
    expect([signals[0], signals.at(-1)]).toEqual([0, 1].map(() => ({ name: end.name, text: '{}' })))
  })

  test('the bytes of the signals of a job are limited, and so are the bytes of the ends of its children', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    const { id } = job()
    await ada.enqueue(job({ id }))
    const half = 'ñ'.repeat(MAX_SIGNAL_BYTES / 4)
    const quarter = 'ñ'.repeat(MAX_CHILD_BYTES / 8)
    const end = (flow: string, text: string, more = {}) =>
      send(store, id, { name: `${CHILD_SIGNAL}${flow}`, text, key: '7', ...more })
    for (const key of ['a', 'b']) expect(await send(store, id, { ...approved, text: half, key })).toBe('kept')
    expect(await send(store, id)).toBe('full')
    expect(await send(store, id, { ...approved, key: 'b' })).toBe('known')
    expect(await send(store, id, rejected)).toBe('kept')
    for (const flow of ['1', '2', '3', '4'])
      expect(await end(flow, quarter, { brief: 'not kept' })).toBe('kept')
    expect(await end('5', '{"n":5}', { brief: '{}' })).toBe('kept')
    expect(await end('5', '{"n":5}', { brief: '{}' })).toBe('known')
    expect(await end('6', '{"n":6}')).toBe('kept')
    const { signals } = (await ada.claimOne()).journal!
    const texts = [half, half, '', quarter, quarter, quarter, quarter, '{}', '{"n":6}']
    // Only a word for each text is compared, because a difference of megabytes would be no useful message.
    expect(signals.map(({ text }, i) => (text === texts[i] ? 'same' : text.slice(0, 80)))).toEqual(
      texts.map(() => 'same'),
    )
  })

  test('a signal to an id that the application chose is kept for some time even if the job does not exist yet', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    const early = { ...approved, key: 'k', mayBeEarly: true }
    expect(await store.journals.signal('emails', 'order-7', early)).toBe('early')
    expect(await store.journals.signal('emails', 'order-7', early)).toBe('known')
    expect(await store.journals.signal('emails', 'order-8', early)).toBe('early')
    clock.advance(EARLY_MEMORY - 1)
    await ada.enqueue(job({ id: 'order-7', ownId: 'new' }))
    clock.advance(1)
    const { findings } = await store.survey('ada', [{ partition: 'emails', prunes: true }])
    expect(findings).toMatchObject([{ isOld: true }])
    await store.prune('emails')
    expect((await store.survey('ada', [{ partition: 'emails', prunes: true }])).findings).toEqual([])
    const held = await ada.claimOne()
    expect(held.journal).toEqual({ ...none, signals: [approved] })
    expect(await store.journals.signal('emails', 'order-7', early)).toBe('known')
    await ada.settle(held, completed)
    await ada.enqueue(job({ id: 'order-8', ownId: 'new' }))
    expect(await ada.claimOne()).not.toHaveProperty('journal')
    expect(await harness.mentions('ada"}')).toEqual([])
  })

  test('a retry continues a failed job after its recorded steps, and starts a completed job from the beginning', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    for (const [outcome, fromStart, journal] of [
      [failed, false, journalOf('a')],
      [failed, true, undefined],
      [completed, false, undefined],
    ] as const) {
      await ada.enqueue(job())
      const held = await ada.claimOne()
      await record(ada, held, 0, ['a'])
      await ada.settle(held, outcome)
      expect(await store.journals.read('emails', held.id, 0)).toEqual(journalOf('a'))
      await store.alter('emails', [held.id], { kind: 'retry', fromStart })
      const again = await ada.claimOne()
      expect(again.journal).toEqual(journal)
      await ada.settle(again, completed)
    }
  })

  test('nothing is left of a journal when its job is removed', async () => {
    const few = { count: 0, age: 60_000 }
    await using harness = await make({
      retention: { completed: few, failed: { count: 9, age: 60_000 }, cancelled: few },
    })
    const { store, clock } = harness
    const ada = harness.caller()
    const secret = 'x-secret-x'
    const record1 = async (fields: Partial<NewJob> = {}) => {
      await ada.enqueue(job(fields))
      const held = await ada.claimOne()
      await record(ada, held, 0, [secret])
      await store.journals.signal('emails', held.id, { name: secret, text: secret, key: secret })
      return held
    }
    await ada.settle(await record1(), completed)
    await ada.settle(await record1({ hooked: true }), untold)
    const purged = await record1()
    await ada.settle(purged, suspended({ waits: ['other'], heard: 1 }))
    await store.alter('emails', [purged.id], { kind: 'purge' })
    const removed = await record1({ hooked: true })
    await ada.settle(removed, untold)
    await store.alter('emails', [removed.id], { kind: 'remove' })
    const cancelled = await record1()
    await ada.settle(cancelled, suspended({ waits: ['other'], heard: 1 }))
    await store.alter('emails', [cancelled.id], { kind: 'cancel', reason: 'user' })
    clock.advance(60_001)
    await store.prune('emails')
    expect(await harness.mentions(secret)).toEqual([])
    expect(
      await store.journals.signal('emails', 'order-9', { name: secret, text: '', mayBeEarly: true }),
    ).toBe('early')
    clock.advance(EARLY_MEMORY)
    await store.prune('emails')
    expect(await harness.mentions(secret)).toEqual([])
  })

  test('a journal may arrive before its moved job, and more than once, and its signals come first and only once', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    const own = [{ ...approved, key: 'a' }, rejected]
    const whole = { signals: own, undo: '' }
    const given = job({ ownId: 'new' })
    const { id } = given
    const bring = (more: object) => store.journals.bring('emails', id, { at: 0, entries: ['one'], ...more })
    await store.journals.signal('emails', id, { ...approved, key: 'early', mayBeEarly: true })
    expect(await bring(whole)).toBe('brought')
    expect(await bring({ at: 2, entries: ['gap'] })).toBe('changed')
    expect(await bring({ at: 1, entries: ['two'] })).toBe('brought')
    for (let times = 0; times < 2; times++) {
      expect(await bring(whole)).toBe('brought')
      expect(await bring({ at: 1, entries: ['two', 'three'] })).toBe('brought')
    }
    expect(await store.get('emails', id)).toBeUndefined()
    expect(await store.journals.read('emails', id, 0)).toBeUndefined()
    await ada.enqueue(given)
    const journal = { ...journalOf('one', 'two', 'three'), undo: '' }
    expect(await store.journals.read('emails', id, 0)).toEqual({
      ...journal,
      signals: [...own, { ...approved, key: 'early' }],
    })
    expect(await store.journals.signal('emails', id, own[0]!)).toBe('known')
    expect(await bring(whole)).toBe('exists')
    const held = await ada.claimOne()
    expect(held.journal).toEqual({ ...journal, signals: [approved, rejected, approved] })
    await ada.settle(held, completed)

    // Bring the journal of an ended job, and the journal of a job that never arrives.
    const ended = { ...(await store.get('emails', id))!, id: 'ended', state: 'failed' as const }
    for (const id of ['ended', 'secret-7'])
      await store.journals.bring('emails', id, { at: 0, entries: [`r${id}\n`], signals: [] })
    expect(await store.restore('emails', [ended])).toEqual(['restored'])
    expect(await store.journals.read('emails', 'ended', 0)).toMatchObject({ entries: ['rended\n'] })
    clock.advance(EARLY_MEMORY)
    await store.prune('emails')
    expect(await harness.mentions('secret-7')).toEqual([])
  })

  test('the payload of a job that has recorded entries is not edited, unless the edit is forced', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    const edit = { kind: 'edit', payload: '2' } as const
    const id = await waiting(ada)
    await send(store, id)
    // A signal alone does not count, because the job itself has recorded nothing.
    expect(await store.alter('emails', [id], edit)).toEqual(['done'])
    const held = await ada.claimOne()
    await ada.settle(held, { ...suspended({ heard: 1 }), steps: { at: 0, entries: ['a'] } })
    expect(await store.alter('emails', [id], edit)).toEqual(['refused'])
    expect(await store.alter('emails', [id], { ...edit, redact: ['a'], force: true })).toEqual(['done'])
    expect(await store.get('emails', id)).toMatchObject({ payload: '2', options: { redact: ['a'] } })
  })

  test('suspended jobs do not count towards the bound of their partition, and are not dropped', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    const add = (full: Bound['full'], ...list: NewJob[]) =>
      store.enqueue('emails', { ...ada.next(), bound: { max: 2, full } }, list)
    // Some of these jobs are due, and some are not. One job is in a group.
    const suspends = async (each: Partial<NewJob>, ms: number) => {
      await ada.enqueue(job(each))
      await ada.settle(await ada.claimOne(), suspended({ in: ms }))
    }
    for (let i = 0; i < 120; i++) await suspends({}, 1_000 + i)
    await suspends({ priority: 3 }, 1_000)
    await suspends({ group: { name: 'g' } }, 1_000)
    expect(await add('reject', ...jobs(3))).toEqual([
      'queued',
      'queued',
      { kind: 'rejected', reason: 'full' },
    ])
    const kinds = [{}, { delay: 9_000 }, { group: { name: 'g' } }]
    let before: string[] = []
    for (const late of [0, 1_050, 9_000]) {
      clock.advance(late)
      for (const fields of kinds) {
        const given = [job(fields), job(fields)]
        expect(await add('drop-oldest', ...given)).toEqual(['queued', 'queued'])
        for (const { id } of given) expect(await store.get('emails', id)).toHaveProperty('dueAt')
        for (const id of before) expect(await store.get('emails', id)).toMatchObject({ reason: 'dropped' })
        before = ids(given)
      }
      await store.alter('emails', before, { kind: 'cancel', reason: 'user' })
      before = []
      expect(await suspendedIn(store)).toBe(122)
    }
    expect(await ada.claim(200)).toHaveLength(122)
  })

  test('a unique job does not replace the payload of a job that has recorded entries', async () => {
    await using harness = await make()
    const ada = harness.caller()
    const lock = { name: 'one', until: 'done', replace: true, debounce: 5 } as const
    const first = job({ lock })
    await ada.enqueue(first)
    const held = await ada.claimOne()
    await ada.settle(held, { ...suspended(), steps: { at: 0, entries: ['a'] } })
    expect(await ada.enqueue(job({ lock, payload: '2' }))).toEqual([
      { kind: 'rejected', reason: 'unique', by: first.id },
    ])
    expect(await harness.store.get('emails', first.id)).toMatchObject({ payload: first.payload })
  })

  test('a suspended job keeps its unique key and stays first in a strict group, and does not count towards the limit of other groups', async () => {
    await using harness = await make()
    const ada = harness.caller()
    const limits = { concurrency: 1 }
    const lock = { name: 'one', until: 'done' } as const
    const first = job({ lock, group: { name: 'loose', limits } })
    const second = job({ group: { name: 'strict', strict: true, limits } })
    await ada.enqueue(first, second)
    const held = await ada.claim(2)
    for (const each of held) await ada.settle(each, suspended({ waits: ['approved'] }))
    const behind = [job({ group: { name: 'loose', limits } }), job({ group: second.group! })]
    const rejected = { kind: 'rejected', reason: 'unique', by: first.id }
    expect(await ada.enqueue(job({ lock }), ...behind)).toEqual([rejected, 'queued', 'queued'])
    expect(ids(await ada.claim(9))).toEqual([behind[0]!.id])
    await send(harness.store, second.id)
    const woken = await ada.claimOne()
    expect(woken.id).toBe(second.id)
    await ada.settle(woken, completed)
    expect(ids(await ada.claim(9))).toEqual([behind[1]!.id])
  })

  test('a signal to a suspended job of a paused partition waits until the partition is resumed', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    const id = await waiting(ada)
    await store.configure('emails', { paused: true })
    expect(await send(store, id)).toBe('kept')
    expect(await ada.claim()).toEqual([])
    await store.configure('emails', { paused: false })
    expect((await ada.claimOne()).journal!.signals).toEqual([approved])
  })

  test('if a person reschedules a suspended job, the end of its wait is moved, and an undo restores the end', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    const [id, plain] = [await waiting(ada), job({ delay: 9_000 })]
    await ada.enqueue(plain)
    const before = (await store.get('emails', id))!
    const entries: string[] = []
    const becomes = async (until: number) => {
      entries.push(waitsEnd(until))
      expect((await store.journals.read('emails', id, 0))!.entries).toEqual(entries)
      expect(await store.get('emails', id)).toMatchObject({ suspended: ['approved'] })
    }
    await store.alter('emails', [id, plain.id], { kind: 'reschedule', in: 5_000 })
    await becomes(clock.now + 5_000)
    expect(await store.undo('emails', [before])).toEqual(['done'])
    await becomes(before.dueAt!)
    await store.alter('emails', [id, plain.id], { kind: 'run-now' })
    await becomes(clock.now)
    expect(await store.journals.read('emails', plain.id, 0)).toBeUndefined()
    const held = await ada.claim(2)
    expect(held.map(({ journal }) => journal?.entries)).toEqual([entries, undefined])
    // A failed job waits only for its next attempt.
    await ada.settle(held[0]!, retried(9_000))
    await store.alter('emails', [id], { kind: 'run-now' })
    expect((await ada.claimOne()).journal!.entries).toEqual(entries)
  })

  test('if the cancel of a suspended job is undone, the job waits again, and has its signals', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    const id = await waiting(ada)
    expect(await send(store, id, { ...approved, name: 'other' })).toBe('kept')
    const before = (await store.get('emails', id))!
    expect(before).toMatchObject({ state: 'delayed', suspended: ['approved'] })
    await store.alter('emails', [id], { kind: 'cancel', reason: 'user' })
    clock.advance(10)
    expect(await store.undo('emails', [before])).toEqual(['done'])
    expect(await store.counts('emails')).toMatchObject({ waiting: 1, cancelled: 0 })
    expect(await send(store, id)).toBe('kept')
    const { runs, journal } = await ada.claimOne()
    expect(runs).toBe(before.runs + 1)
    expect(journal!.signals.map(({ name }) => name)).toEqual(['other', 'approved'])
  })

  test('the journal of a job is moved together with the job', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    const id = await waiting(ada)
    await send(store, id, rejected)
    const { jobs: moving } = await store.moves.take('emails', [id], ['mails'])
    expect(await store.journals.read('emails', id, 0)).toBeUndefined()
    await store.moves.put('mails', moving)
    await store.moves.settle('emails', moving)
    expect(await store.get('mails', id)).toMatchObject({ state: 'delayed', suspended: ['approved'] })
    expect(await suspendedIn(store, 'mails')).toBe(1)
    expect(await store.journals.signal('mails', id, approved)).toBe('kept')
    const held = await harness.caller('ada', 'mails').claimOne()
    expect(held.journal).toEqual({ ...none, signals: [rejected, approved] })
    expect(ids([held])).toEqual([id])
  })

  test('signals that arrive in the new partition before a moved job are appended once to its own signals, and make the job due', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    const keyed = { ...approved, key: 'k' }
    const early = (id: string, signal: NewSignal) =>
      store.journals.signal('mails', id, { ...signal, mayBeEarly: true })
    const [waits, other, plain] = [await waiting(ada), await waiting(ada), job({ delay: 9_000 })]
    await ada.enqueue(plain)
    for (const id of [waits, other]) {
      expect(await early(id, { name: 'first', text: '1' })).toBe('early')
      expect(await early(id, { name: 'twice', text: '2', key: 'k' })).toBe('early')
    }
    expect(await early(waits, keyed)).toBe('early')
    expect(await early(plain.id, approved)).toBe('early')
    for (const id of [waits, other]) {
      await send(store, id, rejected)
      await store.journals.signal('emails', id, { name: 'twice', text: '3', key: 'k' })
    }
    const all = [waits, other, plain.id]
    const { jobs: moving } = await store.moves.take(
      'emails',
      all,
      all.map(() => 'mails'),
    )
    expect(await store.moves.put('mails', moving)).toEqual([true, true, true])
    await store.moves.settle('emails', moving)
    const own = [rejected, { name: 'twice', text: '3' }, { name: 'first', text: '1' }]
    // A journal that is read as a whole has the keys of signals, too.
    const whole = [own[0], { ...own[1], key: 'k' }, own[2]]
    expect((await store.journals.read('mails', other, 0))!.signals).toEqual(whole)
    expect((await store.journals.read('mails', plain.id, 0))!.signals).toEqual([approved])
    expect(await store.journals.signal('mails', waits, keyed)).toBe('known')
    const bob = harness.caller('bob', 'mails')
    const held = await bob.claim(9)
    expect(held.map(({ id, journal }) => [id, journal])).toEqual([
      [waits, { ...none, signals: [...own, approved] }],
    ])
    await bob.settle(held[0]!, completed)
    harness.clock.advance(EARLY_MEMORY)
    await store.prune('mails')
    expect((await store.journals.read('mails', other, 0))!.signals).toEqual(whole)
  })

  test('a signal to a job that is being moved reaches the job in its new partition', async () => {
    await using harness = await make()
    const { store } = harness
    const id = await waiting(harness.caller())
    const { jobs: moving } = await store.moves.take('emails', [id], ['mails'])
    expect(await store.journals.signal('emails', id, { ...approved, mayBeEarly: true })).toBe('missing')
    expect(await signalFollowed(store, 'emails', id, approved)).toBe('early')
    await bring(store, 'emails', moving)
    expect(await signalFollowed(store, 'emails', id, rejected)).toBe('kept')
    const held = await harness.caller('bob', 'mails').claimOne()
    expect(held.journal).toEqual({ ...none, signals: [approved, rejected] })
  })

  test('the claim returns how long a job was suspended in all, if its runs ask for this time', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const [ada, bob] = [harness.caller(), harness.caller('bob', 'mails')]
    const rested = async (caller: Caller) => {
      const held = await caller.claimOne()
      return [held, held.journal?.rested] as const
    }
    await ada.enqueue(job())
    let [held, ms] = await rested(ada)
    expect(ms).toBeUndefined()
    await ada.settle(held, suspended({ in: 1_000, rests: true }))
    clock.advance(1_500)
    ;[held, ms] = await rested(ada)
    expect(ms).toBe(1_500)
    clock.advance(500)
    await ada.settle(held, retried(0))
    clock.advance(500)
    ;[held, ms] = await rested(ada)
    expect(ms).toBe(1_500)
    await ada.settle(held, suspended({ in: 9_000, waits: ['approved'], rests: true }))
    const { jobs: moving } = await store.moves.take('emails', [held.id], ['mails'])
    clock.advance(400)
    await store.moves.put('mails', moving)
    await store.moves.settle('emails', moving)
    clock.advance(600)
    expect((await store.journals.read('mails', held.id, 0))!.rested).toBe(2_500)
    expect(await store.journals.signal('mails', held.id, approved)).toBe('kept')
    ;[held, ms] = await rested(bob)
    expect(ms).toBe(2_500)
    await bob.settle(held, suspended({ in: 0 }))
    clock.advance(300)
    ;[held, ms] = await rested(bob)
    expect(ms).toBe(2_500)
    await bob.settle(held, failed)
    await store.alter('mails', [held.id], { kind: 'retry' })
    ;[held, ms] = await rested(bob)
    expect(ms).toBeUndefined()
  })
}
