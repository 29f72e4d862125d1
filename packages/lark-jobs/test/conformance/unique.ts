/**
 * Locks of unique jobs: only one of the jobs with the same lock holds the lock. The tests show how long it
 * does, and what happens to other jobs with the lock.
 */
import { expect, test } from 'vitest'
import type { JobOptions, Lock, NewJob } from '../../src/model/record.ts'
import { MAX_CRASHES } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, failed, ids, job, jobs, retried, unstarted } from './jobs.ts'

/** A job with a lock. */
function locked(lock: Partial<Lock> = {}, fields: Partial<NewJob> = {}): NewJob {
  return job({ ...fields, lock: { name: 'send-email:ada', until: 'done', ...lock } })
}

export function unique(make: Make): void {
  test('a job that is unique only until it is queued prevents other jobs only for the time of its throttle', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const lock = { until: 'queued', throttle: 1_000 } as const
    const [first, second, third] = [locked(lock), locked(lock), locked(lock)]
    expect(await caller.enqueue(first, second)).toEqual([
      'queued',
      { kind: 'rejected', reason: 'throttled', by: first.id },
    ])
    clock.advance(1_000)
    expect(await caller.enqueue(second, third)).toEqual([
      'queued',
      { kind: 'rejected', reason: 'throttled', by: second.id },
    ])
    clock.advance(1_000)
    for (const held of await caller.claim(5)) await caller.settle(held, failed)
    expect(await store.alter('emails', [first.id, second.id], { kind: 'retry' })).toEqual(['done', 'done'])
    expect(await caller.enqueue(third)).toEqual(['queued'])
    expect(await store.counts('emails')).toMatchObject({ waiting: 3 })
    await store.alter('emails', [third.id], { kind: 'purge' })
    expect(await caller.enqueue(locked(lock))).toEqual(['queued'])
  })

  test('a second job with the same lock is rejected, and the answer has the id of the first job', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const first = locked()
    const second = locked()
    expect(await caller.enqueue(first)).toEqual(['queued'])
    expect(await caller.enqueue(second)).toEqual([{ kind: 'rejected', reason: 'unique', by: first.id }])
    expect(await harness.store.get('emails', second.id)).toBeUndefined()
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 1 })
    expect(ids(await caller.claim(5))).toEqual([first.id])
  })

  test('a duplicate in the same call is rejected, and the other jobs of the call are queued in their order', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [a, b, c] = jobs(3)
    const [first, second, other] = [locked(), locked(), locked({ name: 'send-email:bob' })]
    expect(await caller.enqueue(a!, first, b!, second, other, c!)).toEqual([
      'queued',
      'queued',
      'queued',
      { kind: 'rejected', reason: 'unique', by: first.id },
      'queued',
      'queued',
    ])
    expect(ids(await caller.claim(9))).toEqual(ids([a!, first, b!, other, c!]))
  })

  test('a call that is sent again gets the same answers', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [first, second] = [locked(), locked()]
    const answers = await caller.enqueue(first, second, job())
    expect(await harness.store.enqueue('emails', caller.last(), [first, second, job()])).toEqual(answers)
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 2 })
  })

  test('a lock may have any name', async () => {
    await using harness = await make()
    const caller = harness.caller()
    for (const name of ['', '|', 'a|b|', 'é\u001e%7C', '-5|d|']) {
      const first = locked({ name }, { priority: -5 })
      expect(await caller.enqueue(first, locked({ name }))).toEqual([
        'queued',
        { kind: 'rejected', reason: 'unique', by: first.id },
      ])
      expect(await harness.store.get('emails', first.id)).toMatchObject({ priority: -5 })
    }
  })

  test('each partition has its own locks', async () => {
    await using harness = await make()
    expect(await harness.caller().enqueue(locked())).toEqual(['queued'])
    expect(await harness.caller('other', 'reports').enqueue(locked())).toEqual(['queued'])
  })

  test.each(['waiting', 'delayed', 'active', 'between two attempts', 'given back', 'taken back'])(
    'a job that is %s holds its lock until it is done',
    async (state) => {
      await using harness = await make()
      const caller = harness.caller()
      const first = locked({}, state === 'delayed' ? { delay: 1_000 } : {})
      await caller.enqueue(first)
      if (state !== 'waiting' && state !== 'delayed') {
        const claimed = await caller.claimOne()
        if (state === 'between two attempts') await caller.settle(claimed, retried(1_000))
        if (state === 'given back') await caller.settle(claimed, unstarted)
        if (state === 'taken back') {
          harness.clock.now += LEASE + 1
          await harness.store.recover('emails')
        }
      }
      expect(await caller.enqueue(locked())).toEqual([{ kind: 'rejected', reason: 'unique', by: first.id }])
    },
  )

  test.each(['completed', 'failed', 'cancelled', 'crashed', 'removed', 'cleared', 'expired'])(
    'a job that is %s holds no lock',
    async (state) => {
      await using harness = await make({
        retention: {
          completed: { count: 1_000, age: 3_600_000 },
          failed: { count: 1_000, age: 3_600_000 },
          cancelled: { count: 0, age: 0 },
        },
      })
      const { store, clock } = harness
      const caller = harness.caller()
      const first = locked()
      await caller.enqueue(first)
      if (state === 'completed' || state === 'expired')
        await caller.settle(await caller.claimOne(), completed)
      if (state === 'failed') await caller.settle(await caller.claimOne(), failed)
      if (state === 'cancelled') await store.alter('emails', [first.id], { kind: 'cancel', reason: 'user' })
      if (state === 'removed') await store.alter('emails', [first.id], { kind: 'remove' })
      if (state === 'cleared') await store.clear('emails', 'waiting')
      if (state === 'expired') {
        clock.now += 3_600_001
        expect(await store.prune('emails')).toBe(1)
      }
      for (let i = 0; state === 'crashed' && i < MAX_CRASHES; i++) {
        await caller.claimAlone()
        clock.now += LEASE + 1
        await store.recover('emails', { fromWithin: true })
      }
      const second = locked()
      expect(await caller.enqueue(second)).toEqual(['queued'])
      expect(await caller.enqueue(locked())).toEqual([{ kind: 'rejected', reason: 'unique', by: second.id }])
    },
  )

  test('a job that ends or is removed late does not free the lock of another job', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const first = locked()
    await caller.enqueue(first)
    const lost = await caller.claimOne()
    await caller.settle(lost, completed)
    const second = locked()
    await caller.enqueue(second)
    expect(await caller.settle(lost, failed)).toBe('lost')
    await store.alter('emails', [first.id], { kind: 'remove' })
    clock.now += 10_000_000
    await store.prune('emails')
    expect(await caller.enqueue(locked())).toEqual([{ kind: 'rejected', reason: 'unique', by: second.id }])
  })

  test('until start: a claimed job holds no lock, whatever happens to the job', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const until = 'start'
    await caller.enqueue(locked({ until }), job())
    const first = await caller.claimOne()
    const second = locked({ until })
    expect(await caller.enqueue(second)).toEqual(['queued'])
    await caller.settle(first, retried(0))
    expect(await caller.enqueue(locked({ until }))).toEqual([
      { kind: 'rejected', reason: 'unique', by: second.id },
    ])
    await harness.store.alter('emails', [second.id], { kind: 'remove' })
    expect(await caller.enqueue(locked({ until }))).toEqual(['queued'])
  })

  test('until start: the job is not prefetched, so that the store sees its start', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [a, first, b] = [job(), locked({ until: 'start' }), job()]
    await caller.enqueue(a, first, b)
    expect(ids(await caller.claimAhead(1, 5))).toEqual([a.id])
    expect(ids(await caller.claimAhead(1, 5))).toEqual([first.id, b.id])
  })

  test('until start: a job that was given back holds its lock again', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const first = locked({ until: 'start' })
    await caller.enqueue(first)
    await caller.settle(await caller.claimOne(), unstarted)
    expect(await caller.enqueue(locked({ until: 'start' }))).toEqual([
      { kind: 'rejected', reason: 'unique', by: first.id },
    ])
  })

  test('a retried job takes its lock again, or the retry is refused', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    for (const until of ['done', 'start'] as const) {
      const name = until
      const first = locked({ name, until })
      await caller.enqueue(first)
      await caller.settle(await caller.claimOne(), failed)
      expect(await store.alter('emails', [first.id], { kind: 'retry' })).toEqual(['done'])
      expect(await caller.enqueue(locked({ name, until }))).toEqual([
        { kind: 'rejected', reason: 'unique', by: first.id },
      ])
      await caller.settle(await caller.claimOne(), failed)
      const second = locked({ name, until })
      expect(await caller.enqueue(second)).toEqual(['queued'])
      expect(await store.alter('emails', [first.id], { kind: 'retry' })).toEqual(['refused'])
      expect(await store.get('emails', first.id)).toMatchObject({ state: 'failed' })
      await store.alter('emails', [second.id], { kind: 'remove' })
    }
  })

  test('replace: a job that has not begun gets the new payload, and keeps its place and its tries', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const first = locked({}, { payload: '1', priority: 7, options: { tries: 9 } })
    const { lock: _, ...kept } = first
    await caller.enqueue(first)
    expect(await caller.enqueue(locked({ replace: true }, { payload: '"|2,"' }))).toEqual([
      { kind: 'replaced', by: first.id },
    ])
    const claimed = await caller.claimOne()
    expect(claimed).toMatchObject({ ...kept, payload: '"|2,"' })
    expect(await caller.enqueue(locked({ replace: true }, { payload: '3' }))).toEqual([
      { kind: 'rejected', reason: 'unique', by: first.id },
    ])
    expect(await caller.claim()).toEqual([])
  })

  test('replace: the job also gets the tags and the redacted paths of the new job, and keeps its other options', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const context = { empty: [], text: 'a "quoted\\\\" | {text}, "tags":["no"]', big: 9_007_199_254_740_991 }
    const first = locked({}, { priority: 7, payload: '1', options: { tags: ['a'], tries: 9, context } })
    await caller.enqueue(first)
    const large = JSON.stringify('x'.repeat(5_000))
    const cases: [payload: string, JobOptions | undefined, after: JobOptions][] = [
      ['2', { redact: ['card.*'], tags: ['b|', 'c,"}'] }, { redact: ['card.*'], tags: ['b|', 'c,"}'] }],
      [large, { redact: ['to'], timeout: 5 }, { redact: ['to'] }],
      [large, { tags: ['large'] }, { tags: ['large'] }],
      ['3', undefined, {}],
    ]
    for (const [payload, options, after] of cases) {
      const next = locked({ replace: true }, { payload, ...(options && { options }) })
      expect(await caller.enqueue(next)).toEqual([{ kind: 'replaced', by: first.id }])
      const record = await store.get('emails', first.id)
      expect(record).toMatchObject({ payload, priority: 7 })
      expect(record?.options).toEqual({ tries: 9, context, ...after })
    }
    const plain = locked({ name: 'other' }, { payload: '1' })
    await caller.enqueue(plain)
    await caller.enqueue(locked({ name: 'other', replace: true }, { payload: '2', options: { tags: ['x'] } }))
    expect(await store.get('emails', plain.id)).toMatchObject({ payload: '2', options: { tags: ['x'] } })
    await caller.enqueue(locked({ name: 'other', replace: true }, { payload: '3' }))
    expect(await store.get('emails', plain.id)).not.toHaveProperty('options')
  })

  test('replace: of several jobs in one call, the last payload counts', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [first, ...others] = [1, 2, 3].map((n) => locked({ replace: true }, { payload: `${n}` }))
    expect(await caller.enqueue(first!, ...others)).toEqual([
      'queued',
      { kind: 'replaced', by: first!.id },
      { kind: 'replaced', by: first!.id },
    ])
    expect(await caller.claim(5)).toMatchObject([{ id: first!.id, payload: '3' }])
  })

  test('debounce: each dispatch delays the job, up to the longest wait; the last payload runs', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const lock: Partial<Lock> = { until: 'start', replace: true, debounce: 1_000, maxWait: 2_500 }
    const begin = clock.now
    const first = locked(lock, { delay: 1_000, payload: '0' })
    await caller.enqueue(first)
    for (const [n, due] of [1_800, 2_500, 2_500].entries()) {
      clock.now += 800
      expect(await caller.enqueue(locked(lock, { delay: 1_000, payload: `${n + 1}` }))).toEqual([
        { kind: 'replaced', by: first.id },
      ])
      expect(await store.get('emails', first.id)).toMatchObject({ state: 'delayed', dueAt: begin + due })
    }
    expect(await store.counts('emails')).toMatchObject({ waiting: 0, delayed: 1 })
    clock.now = begin + 2_499
    expect(await caller.claim()).toEqual([])
    clock.now += 1
    expect(await caller.claim(5)).toMatchObject([{ id: first.id, payload: '3' }])
    expect(await caller.enqueue(locked(lock, { delay: 1_000 }))).toEqual(['queued'])
  })

  test('debounce: a due job is no longer delayed', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const lock: Partial<Lock> = { until: 'start', replace: true, debounce: 1_000 }
    const first = locked(lock, { delay: 1_000 })
    await caller.enqueue(first)
    clock.now += 1_000
    expect(await caller.enqueue(locked(lock, { delay: 1_000, payload: '"new"' }))).toEqual([
      { kind: 'replaced', by: first.id },
    ])
    expect(await store.get('emails', first.id)).toMatchObject({ state: 'waiting', payload: '"new"' })
  })

  test('throttle: no second job is queued within the time, whatever happens to the first job, and the next job is queued after that time', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const lock = { throttle: 2_000 }
    const first = locked(lock)
    await caller.enqueue(first)
    await caller.settle(await caller.claimOne(), completed)
    await store.clear('emails', 'completed')
    clock.now += 1_999
    expect(await caller.enqueue(locked(lock))).toMatchObject([{ kind: 'rejected', reason: 'throttled' }])
    clock.now += 1
    await store.prune('emails')
    expect(await caller.enqueue(locked(lock), locked(lock))).toMatchObject([
      'queued',
      { kind: 'rejected', reason: 'throttled' },
    ])
  })

  test('throttle: a purged job no longer throttles other jobs, also if another job was rejected before the purge', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const lock = { throttle: 2_000 }
    const [first, second] = [locked(lock), locked(lock)]
    await caller.enqueue(first)
    await caller.settle(await caller.claimOne(), completed)
    harness.clock.now += 2_000
    await caller.enqueue(second)
    expect(await harness.store.alter('emails', [first.id], { kind: 'purge' })).toEqual(['done'])
    expect(await caller.enqueue(locked(lock))).toMatchObject([{ reason: 'throttled', by: second.id }])
    expect(await harness.store.alter('emails', [second.id], { kind: 'purge' })).toEqual(['done'])
    expect(await caller.enqueue(locked(lock))).toEqual(['queued'])
  })

  test('throttle: a job that is dispatched again under its id throttles new jobs from then on', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const lock = { throttle: 2_000 }
    const again = (name: string) => locked({ ...lock, name }, { id: 'order-7', ownId: 'reuse' })
    await caller.run(again('one'), completed)
    harness.clock.now += 2_000
    await caller.run(again('one'), completed)
    expect(await caller.enqueue(locked({ ...lock, name: 'one' }))).toMatchObject([{ reason: 'throttled' }])
    await caller.run(again('other'), completed)
    for (const name of ['one', 'other'])
      expect(await caller.enqueue(locked({ ...lock, name })), name).toMatchObject([{ reason: 'throttled' }])
  })

  test('replace: a job that was taken back runs with the new payload, whatever its earlier worker still reports', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const first = locked()
    await caller.enqueue(first)
    const held = await caller.claimOne()
    await harness.takeBack()
    expect(await caller.enqueue(locked({ replace: true }, { payload: '"new"' }))).toEqual([
      { kind: 'replaced', by: first.id },
    ])
    expect(await caller.settle(held, completed)).toBe('lost')
    expect(await caller.claimOne()).toMatchObject({ id: first.id, payload: '"new"' })
  })

  test('throttle: after the time is over, a job that still holds the lock causes the rejection of other jobs', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const first = locked({ throttle: 1_000 })
    await caller.enqueue(first)
    harness.clock.now += 1_001
    expect(await caller.enqueue(locked({ throttle: 1_000 }))).toEqual([
      { kind: 'rejected', reason: 'unique', by: first.id },
    ])
  })
}
