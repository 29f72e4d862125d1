/**
 * Ids that the application chose: a new job is rejected while another job has its id, or replaces a job with
 * its id that has ended.
 */
import { expect, test } from 'vitest'
import type { NewJob, State } from '../../src/model/record.ts'
import { type Enqueued, MAX_CRASHES } from '../../src/store/contract/store.ts'
import { type Caller, LEASE } from './caller.ts'
import { cancel, take } from './effects.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, ids, job, line, retried, settlement } from './jobs.ts'

const ID = 'invoice-77'

function own(fields: Partial<NewJob> = {}): NewJob {
  return job({ id: ID, ownId: 'new', ...fields })
}

function reusing(fields: Partial<NewJob> = {}): NewJob {
  return own({ ownId: 'reuse', payload: '"new"', ...fields })
}

function exists(state: State, id = ID): Enqueued {
  return { kind: 'rejected', reason: 'exists', by: id, state }
}

/** For each state: brings the job with the id into this state. */
const ways: Record<Exclude<State, 'blocked'>, (caller: Caller, harness: Harness) => Promise<unknown>> = {
  waiting: (caller) => caller.enqueue(own()),
  delayed: (caller) => caller.enqueue(own({ delay: 1_000 })),
  active: async (caller) => {
    await caller.enqueue(own())
    await caller.claimOne()
  },
  completed: (caller) => caller.run(own(), { kind: 'completed', result: '1', log: [line('done')] }),
  failed: (caller) => caller.run(own(), failed),
  cancelled: async (caller, { store }) => {
    await caller.enqueue(own())
    await store.alter('emails', [ID], cancel)
  },
}
const states = Object.keys(ways) as (keyof typeof ways)[]
const ended = ['completed', 'failed', 'cancelled'] as const

export function ownIds(make: Make): void {
  test.each(states)(
    'a job is rejected while another job with its id is %s, and the answer says so',
    async (state) => {
      await using harness = await make()
      const caller = harness.caller()
      await ways[state](caller, harness)
      const before = await harness.store.get('emails', ID)
      const counts = await harness.store.counts('emails')
      const plain = job({ delay: 5_000 })
      expect(await caller.enqueue(own({ payload: '"new"' }), plain)).toEqual([exists(state), 'queued'])
      expect(await harness.store.get('emails', ID)).toEqual(before)
      await harness.store.alter('emails', [plain.id], { kind: 'remove' })
      expect(await harness.store.counts('emails')).toEqual(counts)
      // If Lark has made the id, the answer is different, and the dispatcher uses another id.
      expect(await caller.enqueue(job({ id: ID }))).toEqual(['exists'])
    },
  )

  test.each(['waiting', 'delayed', 'active'] as const)(
    'a job with the id of a job that is %s does not replace it',
    async (state) => {
      await using harness = await make()
      const caller = harness.caller()
      await ways[state](caller, harness)
      const before = await harness.store.get('emails', ID)
      expect(await caller.enqueue(reusing())).toEqual([exists(state)])
      expect(await harness.store.get('emails', ID)).toEqual(before)
    },
  )

  test.each(ended)(
    'a job with the id of a job that is %s replaces it, and nothing is left of the first job',
    async (state) => {
      await using harness = await make()
      const { store, clock } = harness
      const caller = harness.caller()
      await ways[state](caller, harness)
      clock.now += 1_234
      expect(await caller.enqueue(reusing({ priority: 3, delay: 10 }))).toEqual(['queued'])
      expect(await store.get('emails', ID)).toEqual({
        id: ID,
        partition: 'emails',
        state: 'delayed',
        key: 'send-email',
        payload: '"new"',
        priority: 3,
        queuedAt: clock.now,
        dueAt: clock.now + 10,
        runs: 0,
        failures: 0,
        crashes: 0,
        releases: 0,
        errors: [],
      })
      expect(await store.log('emails', ID)).toEqual([])
      expect(await store.counts('emails')).toMatchObject({
        delayed: 1,
        completed: 0,
        failed: 0,
        cancelled: 0,
      })
      for (const each of ended) expect((await store.list('emails', { state: each })).jobs).toEqual([])
      clock.now += 10
      const held = await caller.claimOne()
      expect(held).toMatchObject({ id: ID, payload: '"new"', runs: 1 })
      await caller.settle(held, completed)
      expect(await store.counts('emails')).toMatchObject({ waiting: 0, active: 0, completed: 1 })
    },
  )

  test('an id can be used again when the record of its job is no longer kept', async () => {
    const none = { count: 0, age: 0 }
    await using harness = await make({ retention: { completed: none, failed: none, cancelled: none } })
    const caller = harness.caller()
    for (let i = 0; i < 3; i++) {
      await caller.enqueue(own())
      await caller.settle(await caller.claimOne(), completed)
    }
    expect(await caller.enqueue(own())).toEqual(['queued'])
    await harness.store.alter('emails', [ID], { kind: 'remove' })
    expect(await caller.enqueue(own())).toEqual(['queued'])
  })

  test('if a call has two jobs with the same id, the first job is queued', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const late = { id: 'late', delay: 500 }
    expect(await caller.enqueue(own(), reusing(), job(), own(late), reusing(late))).toEqual([
      'queued',
      exists('waiting'),
      'queued',
      'queued',
      exists('delayed', 'late'),
    ])
    expect(await harness.store.get('emails', ID)).toMatchObject({ payload: own().payload })
    await caller.settle((await caller.claim(1))[0]!, completed)
    const second = reusing({ payload: '"second"' })
    expect(await caller.enqueue(second, reusing())).toEqual(['queued', exists('waiting')])
    expect(await harness.store.get('emails', ID)).toMatchObject({ payload: '"second"' })
  })

  test('a call that is sent again gets the same answer, whatever happened to its jobs', async () => {
    await using harness = await make()
    const { store } = harness
    const [web, worker] = [harness.caller('web'), harness.caller('worker')]
    const call = [own(), own({ id: 'other' }), own()]
    const answers = await web.enqueue(...call)
    expect(answers).toEqual(['queued', 'queued', exists('waiting')])
    await worker.settle(await worker.claimOne(), completed)
    expect(await store.enqueue('emails', web.last(), call)).toEqual(answers)
    const again = await web.enqueue(reusing())
    expect(again).toEqual(['queued'])
    await store.alter('emails', [ID], cancel)
    expect(await store.enqueue('emails', web.last(), [reusing()])).toEqual(again)
    expect(await store.get('emails', ID)).toMatchObject({ state: 'cancelled' })
    // If the store has forgotten the answer of a call, the call that is sent again gets the answer that the
    // job exists.
    expect(await harness.caller('later').enqueue(own())).toEqual([exists('cancelled')])
  })

  test('the worker of the first job cannot settle the second job with the same id', async () => {
    await using harness = await make()
    const [ada, bob] = [harness.caller('ada'), harness.caller('bob')]
    await ada.enqueue(own())
    const first = await ada.claimOne()
    await ada.settle(first, completed)
    await ada.enqueue(reusing())
    expect(await ada.settle(first, failed)).toBe('lost')
    const second = await bob.claimOne()
    expect(await ada.settle(first, failed)).toBe('lost')
    expect(await bob.settle(second, completed)).toBe('settled')
  })

  test('a job that was cancelled while it waited and is dispatched again under its id runs once', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const [before, behind] = [job(), job()]
    await caller.enqueue(before, own(), behind)
    for (const priority of [0, 5, 0]) {
      await store.alter('emails', [ID], cancel)
      expect(await caller.enqueue(reusing({ priority }))).toEqual(['queued'])
    }
    expect(await store.counts('emails')).toMatchObject({ waiting: 3, cancelled: 0 })
    const held = await caller.claim(9)
    expect(ids(held).sort()).toEqual([before.id, behind.id, ID].sort())
    const settlements = held.map((each) => settlement(each, completed))
    const { verdicts } = await caller.exchange(settlements, { limit: 9, leaseMs: LEASE })
    expect(verdicts).toEqual(['settled', 'settled', 'settled'])
    expect(await store.counts('emails')).toMatchObject({ waiting: 0, active: 0, completed: 3 })
  })

  test('the id of an ended job cannot be used again until its hook was called, even if the job was removed', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.enqueue(own({ hooked: true }))
    for (let i = 0; i < MAX_CRASHES; i++) {
      await caller.claimAlone()
      harness.clock.now += LEASE + 1
      await store.recover('emails', { fromWithin: true })
    }
    expect(await caller.enqueue(reusing())).toEqual([exists('failed')])
    expect(await store.alter('emails', [ID], { kind: 'remove' })).toEqual(['done'])
    expect(await caller.enqueue(own(), reusing())).toEqual([exists('failed'), exists('failed')])
    const found = await take(store)
    expect(found).toMatchObject([{ kind: 'hook', job: { id: ID, payload: own().payload } }])
    expect(await caller.enqueue(reusing())).toEqual([exists('failed')])
    await take(store, found)
    expect(await caller.enqueue(own({ payload: '"new"' }))).toEqual(['queued'])
    // An acknowledgement of the first end does not count for the second end.
    await store.alter('emails', [ID], cancel)
    await take(store, found)
    expect(await store.get('emails', ID)).toMatchObject({ state: 'cancelled', payload: '"new"' })
  })

  test('whether the new job has a hook does not depend on the old job', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.run(own({ hooked: true }), failed)
    await caller.enqueue(reusing())
    await store.alter('emails', [ID], cancel)
    expect(await take(store)).toEqual([])
    await caller.enqueue(reusing({ hooked: true }))
    await store.alter('emails', [ID], cancel)
    expect(await take(store)).toMatchObject([{ kind: 'hook', job: { id: ID, payload: '"new"' } }])
  })

  test('if a full partition or a lock rejects the new job, the first job with the id is kept', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const lock = { name: 'ada', until: 'done' } as const
    await caller.run(own({ lock }), failed)
    const other = job({ lock, delay: 1 })
    await caller.enqueue(other)
    const before = await store.get('emails', ID)
    expect(await caller.enqueue(reusing({ lock }))).toEqual([
      { kind: 'rejected', reason: 'unique', by: other.id },
    ])
    const bound = { max: 1, full: 'reject' } as const
    const full = await store.enqueue('emails', { ...caller.next(), bound }, [reusing()])
    expect(full).toEqual([{ kind: 'rejected', reason: 'full' }])
    expect(await store.get('emails', ID)).toEqual(before)
    await store.alter('emails', [other.id], { kind: 'remove' })
    expect(await caller.enqueue(reusing({ lock }))).toEqual(['queued'])
    // The new job holds the lock.
    expect(await caller.enqueue(job({ lock }))).toEqual([{ kind: 'rejected', reason: 'unique', by: ID }])
    await caller.settle(await caller.claimOne(), completed)
    // A new job without a lock does not keep the lock of the job that it replaces.
    expect(await caller.enqueue(reusing(), job({ lock }))).toEqual(['queued', 'queued'])
  })

  test('groups and limits count the new job, and no longer the replaced job', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const group = { name: 'acme', limits: { concurrency: 1 }, strict: true }
    await caller.run(own({ group }), failed)
    const next = job({ group })
    expect(await caller.enqueue(reusing({ group }), next)).toEqual(['queued', 'queued'])
    const held = await caller.claim(5)
    expect(held).toHaveLength(1)
    await caller.settle(held[0]!, completed)
    const last = await caller.claim(5)
    expect(ids([...held, ...last]).sort()).toEqual([ID, next.id].sort())
    await caller.settle(last[0]!, completed)
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 0, active: 0, completed: 2 })
  })

  test('a new job replaces the large payload of the first job, or replaces a small payload with a large one', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    for (const letter of ['a', 'b', 'c']) {
      const payload = JSON.stringify(letter.repeat(letter === 'b' ? 3 : 100_000))
      expect(await caller.enqueue(reusing({ payload }))).toEqual(['queued'])
      expect((await store.get('emails', ID))?.payload).toBe(payload)
      const held = await caller.claimOne()
      expect(held.payload).toBe(payload)
      await caller.settle(held, completed)
    }
    expect(await store.counts('emails')).toMatchObject({ completed: 1 })
  })

  test('ids may be any texts: long or short, also if one id is the beginning of another', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const texts = [
      'a',
      'abcdef',
      'abcdefg',
      'abcdefgh',
      'zzzzzzzzzzzzz',
      'ünï|"{}%7C~,;=🚦',
      '-5',
      '0',
      '^',
      '~x|y',
    ]
    const given = [...texts, 'x'.repeat(100), '🚦'.repeat(50)].map((id, i) =>
      own({ id, ...(i % 2 === 0 && { ownId: 'reuse' }) }),
    )
    expect(await caller.enqueue(...given)).toEqual(given.map(() => 'queued'))
    for (const { id } of given)
      expect(await store.get('emails', id)).toMatchObject({ id, state: 'waiting', queuedAt: clock.now })
    const held = await caller.claim(99)
    expect(ids(held)).toEqual(ids(given))
    clock.now += 77
    const [retry, result, ...others] = held
    const { verdicts } = await caller.exchange(
      [
        settlement(retry!, retried(0)),
        settlement(result!, { kind: 'completed', result: '1' }),
        ...others.map((each) => settlement(each, completed)),
      ],
      { limit: 0, leaseMs: LEASE },
    )
    expect(new Set(verdicts)).toEqual(new Set(['settled']))
    expect(await caller.claimOne()).toMatchObject({ id: retry!.id, failures: 1 })
    const again = given.slice(1)
    expect(await store.alter('emails', ids(again), { kind: 'retry' })).toEqual(again.map(() => 'done'))
    for (const { id } of again)
      expect(await store.get('emails', id)).toMatchObject({ state: 'waiting', queuedAt: clock.now })
    expect(ids(await caller.claim(99)).sort()).toEqual(ids(again).sort())
  })
}
