/**
 * Watches: a watcher gets the end of each watched job, whatever ends the job, and whatever removes it after
 * that. Nothing is left of a watch that is over. Waits use the real clock.
 */
import { expect, test } from 'vitest'
import { type Effect, memberId } from '../../src/model/effect.ts'
import {
  MAX_BYTES,
  MEMBER_LEASE_MS,
  RESEND_MEMORY,
  type Store,
  UNKEPT_MEMORY,
} from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import { cancel, ends, forgetful, take } from './effects.ts'
import type { Make } from './harness.ts'
import { completed, failed, ids, job, jobs, line, retried, settlement } from './jobs.ts'

/** A notification of the store takes fewer milliseconds of the real clock than this. */
const PATIENCE = 10_000
/** The test waits this many milliseconds of the real clock to show that no notification comes. */
const MOMENT = 60
const TTL = 10_000
/**
 * The time of a watch, in milliseconds of the virtual clock. No test lets so much time pass before the job
 * ends.
 */
const LONG = 600_000

/**
 * Waits until a watcher is notified. Returns the partitions that have notified the watcher; the list is empty
 * if no partition has done so within `patience`.
 */
async function rung(store: Store, watcher: string, patience = PATIENCE): Promise<string[]> {
  const found = new Set<string>()
  const first = new AbortController()
  await store.wait(watcher, patience, first.signal, (partition) => {
    found.add(partition)
    first.abort()
  })
  return [...found]
}

export function watching(make: Make): void {
  const watch = (store: Store, asked: readonly string[], watcher = 'web') =>
    store.watch('emails', watcher, asked, TTL)

  for (const [name, { state, reason, by }] of Object.entries(ends)) {
    test.each([
      ['kept', {}],
      ['forgotten at once', forgetful],
    ])(
      `${name}: the watcher of the job is notified, and can read the end (jobs are %s)`,
      async (_, options) => {
        await using harness = await make(options)
        const { store } = harness
        const given = job()
        await harness.caller().enqueue(given)
        expect(await store.watch('emails', 'web', [given.id], LONG)).toEqual([{ kind: 'present' }])
        await by(harness, harness.caller(), given.id)
        expect(await rung(store, 'web')).toEqual(['emails'])
        const [fate] = await watch(store, [given.id])
        expect(fate).toMatchObject({ kind: 'ended', job: { id: given.id, state } })
        expect(fate).toMatchObject({ job: reason === undefined ? {} : { reason } })
        expect(fate).not.toHaveProperty('job.payload')
      },
    )
  }

  test('the end of a job has its result, its errors and its counters', async () => {
    await using harness = await make(forgetful)
    const { store } = harness
    const [one, other] = [job(), job()]
    await harness.caller().enqueue(one, other)
    await watch(store, [one.id, other.id])
    await harness.caller().settle(await harness.caller().claimOne(), { kind: 'completed', result: '{"n":7}' })
    await harness.caller().settle(await harness.caller().claimOne(), failed)
    expect(await watch(store, [one.id, other.id])).toMatchObject([
      { job: { state: 'completed', result: '{"n":7}', runs: 1, finishedAt: harness.clock.now } },
      { job: { state: 'failed', failures: 1, errors: [{ message: 'mailbox full' }] } },
    ])
  })

  test('watching a job that has already ended returns its end while the record is kept, and after that `unknown`', async () => {
    const one = { count: 1, age: 9 }
    await using harness = await make({ retention: { completed: one, failed: one, cancelled: one } })
    const { store } = harness
    const [kept, gone] = [job(), job()]
    await harness.caller().run(kept, failed)
    await harness.caller().run(gone, completed)
    await harness.caller().run(job(), completed)
    expect(await watch(store, [gone.id, kept.id, 'nobody'])).toMatchObject([
      { kind: 'unknown' },
      { kind: 'ended', job: { id: kept.id, state: 'failed' } },
      { kind: 'unknown' },
    ])
    expect(await store.watch('nowhere', 'web', [kept.id], TTL)).toEqual([{ kind: 'unknown' }])
    expect(await watch(store, [])).toEqual([])
    expect(await rung(store, 'web', MOMENT)).toEqual([])
  })

  test('the end of a watched job is remembered for some time, whatever removes the job, and after that nothing is left', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const given = jobs(3)
    await harness.caller().enqueue(...given)
    await watch(store, ids(given))
    for (const held of await harness.caller().claim(3))
      await harness.caller().settle(held, { kind: 'completed', result: '1' })
    await store.alter('emails', [given[0]!.id], { kind: 'remove' })
    await store.clear('emails', 'completed')
    expect(await store.counts('emails')).toMatchObject({ completed: 0 })
    expect(await store.get('emails', given[0]!.id)).toBeUndefined()
    clock.now += RESEND_MEMORY - 1
    await store.prune('emails')
    expect(await watch(store, ids(given))).toMatchObject(
      ids(given).map((id) => ({ job: { id, result: '1' } })),
    )
    clock.now += 1
    const { findings } = await store.survey('ada', [{ partition: 'emails', prunes: true }])
    expect(findings).toMatchObject([{ isOld: true }])
    await store.prune('emails')
    expect(await watch(store, ids(given))).toEqual(given.map(() => ({ kind: 'unknown' })))
    expect(await harness.caller().enqueue(...given)).toEqual(['queued', 'queued', 'queued'])
  })

  test('the end of an unwatched job is not remembered', async () => {
    await using harness = await make()
    const { store } = harness
    const [watched, other] = [job(), job()]
    await harness.caller().enqueue(watched, other)
    await watch(store, [watched.id])
    const held = await harness.caller().claim(2)
    await harness.caller().settle(held.find(({ id }) => id === other.id)!, completed)
    await store.clear('emails', 'completed')
    expect(await rung(store, 'web', MOMENT)).toEqual([])
    expect(await watch(store, [other.id, watched.id])).toEqual([{ kind: 'unknown' }, { kind: 'present' }])
  })

  test.each([
    ['class', {}, { keep: { completed: 0, failed: 0, cancelled: 0 } }],
    ['queue', forgetful, {}],
  ])(
    'if the %s keeps no ended jobs, the end of a job is remembered for a moment',
    async (_, options, own) => {
      await using harness = await make(options)
      const { store, clock } = harness
      const [alone, lost, dropped, ...many] = jobs(6, own)
      await harness.caller().run(alone!, { kind: 'completed', result: '7' })
      await harness.caller().run(lost!, failed)
      await harness.caller().enqueue(dropped!)
      await store.alter('emails', [dropped!.id], cancel)
      await harness.caller().enqueue(...many)
      const settled = (await harness.caller().claim(3)).map((held) => settlement(held, completed))
      await harness.caller().exchange(settled, { limit: 0, leaseMs: LEASE })
      expect(await store.counts('emails')).toMatchObject({ completed: 0, failed: 0, cancelled: 0 })
      expect(await store.get('emails', alone!.id)).toBeUndefined()
      clock.now += UNKEPT_MEMORY - 1
      await store.prune('emails')
      const asked = [alone!, lost!, dropped!, ...many].map(({ id }) => id)
      const states = ['completed', 'failed', 'cancelled', 'completed', 'completed', 'completed']
      expect(await watch(store, asked)).toMatchObject(
        states.map((state, i) => ({ job: { id: asked[i], state } })),
      )
      expect(await watch(store, [alone!.id])).toMatchObject([{ job: { result: '7' } }])
      clock.now += 1
      await store.prune('emails')
      expect(await watch(store, asked)).toEqual(asked.map(() => ({ kind: 'unknown' })))
      expect(await store.clear('emails', 'hidden')).toBe(0)
    },
  )

  test('every watcher of a job is notified once, but not after its watch has expired', async () => {
    await using harness = await make()
    const { store } = harness
    const given = jobs(2)
    await harness.caller().enqueue(...given)
    for (const watcher of ['web', 'other', 'web']) await watch(store, ids(given), watcher)
    await watch(store, [given[0]!.id], 'third')
    const settled = (await harness.caller().claim(2)).map((held) => settlement(held, completed))
    await harness.caller().exchange(settled, { limit: 0, leaseMs: LEASE })
    const watchers = ['web', 'other', 'third', 'fourth']
    expect(await Promise.all(watchers.map((name) => rung(store, name, MOMENT)))).toEqual([
      ['emails'],
      ['emails'],
      ['emails'],
      [],
    ])
    expect(await Promise.all(watchers.map((name) => rung(store, name, MOMENT)))).toEqual([[], [], [], []])
  })

  test('when a watch has expired, no notification is sent, and the end is not remembered', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const given = jobs(3)
    await harness.caller().enqueue(...given)
    const run = async () => {
      await harness.caller().settle(await harness.caller().claimOne(), completed)
      await store.clear('emails', 'completed')
    }
    await watch(store, [given[0]!.id])
    clock.now += TTL - 1
    await run()
    expect(await rung(store, 'web')).toEqual(['emails'])
    await watch(store, [given[1]!.id])
    // Some other watches of the partition are alive.
    await store.watch('emails', 'other', [given[2]!.id], 3 * TTL)
    clock.now += TTL
    await run()
    expect(await rung(store, 'web', MOMENT)).toEqual([])
    expect(await watch(store, [given[1]!.id])).toEqual([{ kind: 'unknown' }])
    // No watch of the partition is alive.
    clock.now += 3 * TTL
    await run()
    expect(await rung(store, 'other', MOMENT)).toEqual([])
    expect(await watch(store, [given[2]!.id])).toEqual([{ kind: 'unknown' }])
  })

  test('a purge notifies the watchers, and nothing is left of the watch', async () => {
    await using harness = await make()
    const { store } = harness
    const given = job()
    await harness.caller().enqueue(given)
    await watch(store, [given.id])
    await store.alter('emails', [given.id], { kind: 'purge' })
    expect(await rung(store, 'web')).toEqual(['emails'])
    expect(await watch(store, [given.id])).toEqual([{ kind: 'unknown' }])
    await harness.caller().run(given, completed)
    expect(await rung(store, 'web', MOMENT)).toEqual([])
  })

  test('a watcher that calls again renews its watches', async () => {
    await using harness = await make(forgetful)
    const { store, clock } = harness
    const given = job()
    await harness.caller().enqueue(given)
    for (let call = 0; call < 5; call++) {
      await watch(store, [given.id])
      clock.now += TTL / 4
    }
    clock.now += TTL / 4
    await harness.caller().settle(await harness.caller().claimOne(), completed)
    expect(await rung(store, 'web')).toEqual(['emails'])
    expect(await watch(store, [given.id])).toMatchObject([{ kind: 'ended' }])
  })

  test('a job that is retried, released or given back has not ended', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const given = job()
    await harness.caller().enqueue(given)
    await watch(store, [given.id])
    await harness.caller().settle(await harness.caller().claimOne(), retried(10))
    await harness.caller().claim(0)
    clock.now += 10
    await harness.caller().settle(await harness.caller().claimOne(), { kind: 'released', in: 0 })
    await harness.caller().claimOne()
    await harness.takeBack()
    expect(await rung(store, 'web', MOMENT)).toEqual([])
    expect(await watch(store, [given.id])).toEqual([{ kind: 'present' }])
  })

  test('a retried job counts as not ended, and its watchers get its next end', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const given = job()
    await harness.caller().enqueue(given)
    await watch(store, [given.id])
    await harness.caller().settle(await harness.caller().claimOne(), failed)
    await store.alter('emails', [given.id], { kind: 'retry' })
    expect(await rung(store, 'web')).toEqual(['emails'])
    expect(await store.watch('emails', 'web', [given.id], LONG)).toEqual([{ kind: 'present' }])
    clock.now += RESEND_MEMORY
    await store.prune('emails')
    await harness.caller().settle(await harness.caller().claimOne(), completed)
    expect(await rung(store, 'web')).toEqual(['emails'])
    expect(await watch(store, [given.id])).toMatchObject([{ job: { state: 'completed' } }])
  })

  test.each([
    ['elsewhere', 'home'],
    ['here', 'emails'],
  ])(
    'a watched member of a flow %s with a hook has the same effects as without the watch',
    async (_, home) => {
      await using harness = await make(forgetful)
      const { store, clock } = harness
      const id = memberId({ flow: 'flow', home, index: 0 })
      const plain = job({ hooked: true })
      await harness.caller().enqueue(job({ id, hooked: true }), plain)
      await watch(store, [id, plain.id])
      await store.alter('emails', [id, plain.id], cancel)
      const fates = [{ job: { id, state: 'cancelled' } }, { job: { id: plain.id, state: 'cancelled' } }]
      const found = await take(store)
      const named = (effects: readonly Effect[]) => effects.map(({ kind, job }) => `${kind} ${job.id}`).sort()
      const member = home === 'emails' ? [] : [`member ${id}`]
      expect(named(found)).toEqual([`hook ${id}`, `hook ${plain.id}`, ...member].sort())
      expect(await take(store, found)).toEqual([])
      expect(await watch(store, [id, plain.id])).toMatchObject(fates)
      clock.now += Math.max(LEASE, MEMBER_LEASE_MS)
      expect(await take(store)).toEqual([])
      clock.now += RESEND_MEMORY
      await store.prune('emails')
      expect(await watch(store, [id, plain.id])).toEqual([{ kind: 'unknown' }, { kind: 'unknown' }])
      expect(await harness.caller().enqueue(job({ id }), plain)).toEqual(['queued', 'queued'])
    },
  )

  test('the latest progress of a job is kept, and can be read while the job runs and after its end', async () => {
    await using harness = await make()
    const { store } = harness
    const given = job()
    await harness.caller().enqueue(given)
    const held = await harness.caller().claimOne()
    const report = (progress: string, text = progress) =>
      store.extend('emails', 'ada', [{ ...held, progress, log: [line(text)] }], LEASE)
    expect(await store.get('emails', given.id)).not.toHaveProperty('progress')
    for (const progress of ['1', '{"done":1,"total":2}', '1']) {
      // The same note may be sent again.
      for (let times = 0; times < 2; times++) await report(progress)
      expect(await store.get('emails', given.id)).toMatchObject({ state: 'active', progress })
      expect(await watch(store, [given.id])).toEqual([{ kind: 'present', progress }])
    }
    expect((await store.log('emails', given.id)).map(({ text }) => text)).toEqual([
      '1',
      '{"done":1,"total":2}',
      '1',
    ])
    await harness.caller().settle(held, { ...completed, progress: '"all"', log: [line('end')] })
    expect(await store.get('emails', given.id)).toMatchObject({ state: 'completed', progress: '"all"' })
    expect(await watch(store, [given.id])).toMatchObject([{ kind: 'ended', job: { progress: '"all"' } }])
    expect((await store.log('emails', given.id)).at(-1)).toMatchObject({ text: 'end' })
    await store.alter('emails', [given.id], { kind: 'retry' })
    expect(await store.get('emails', given.id)).not.toHaveProperty('progress')
  })

  test('a completed outcome may contain progress, which is removed with its job', async () => {
    await using harness = await make()
    const { store } = harness
    const given = job()
    await harness.caller().run(given, { ...completed, progress: '7' })
    expect(await store.get('emails', given.id)).toMatchObject({ progress: '7' })
    await store.alter('emails', [given.id], { kind: 'remove' })
    await harness.caller().enqueue(given)
    expect(await store.get('emails', given.id)).not.toHaveProperty('progress')
  })

  test('progress notifies the watchers, and a worker is told that somebody watches its job', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const [one, other] = [job(), job()]
    await harness.caller().enqueue(one, other)
    await harness.caller().claim(0)
    const held = await harness.caller().claim(2)
    const report = (progress?: string) => {
      const notes = held.map((each) => ({ ...each, ...(progress !== undefined && { progress }) }))
      return store.extend('emails', 'ada', notes, LEASE)
    }
    expect(await report('1')).toEqual({ lost: [], notices: [] })
    await watch(store, [one.id])
    expect(await rung(store, 'ada')).toEqual(['emails'])
    expect(await report()).toEqual({ lost: [], notices: [], watched: [one.id] })
    expect(await rung(store, 'web', MOMENT)).toEqual([])
    expect(await report('2')).toMatchObject({ watched: [one.id] })
    expect(await rung(store, 'web')).toEqual(['emails'])
    expect(await watch(store, ids([one, other]))).toEqual([
      { kind: 'present', progress: '2' },
      { kind: 'present', progress: '2' },
    ])
    expect((await report())?.watched?.sort()).toEqual(ids([one, other]))
    clock.now += TTL
    expect(await report('3')).toEqual({ lost: [], notices: [] })
    expect(await rung(store, 'web', MOMENT)).toEqual([])
  })

  test('a watcher that asks for news notifies the workers of its jobs, whatever the jobs have reported before', async () => {
    await using harness = await make()
    const { store } = harness
    const [held, waiting] = [job(), job()]
    await harness.caller().enqueue(held, waiting)
    for (const worker of ['ada', 'bob']) await harness.caller(worker).claim(0)
    const [claimed] = await harness.caller().claim()
    const asked = ids([held, waiting])
    await watch(store, asked)
    expect(await rung(store, 'ada', MOMENT)).toEqual([])
    for (let times = 0; times < 2; times++) {
      expect(await store.watch('emails', 'web', asked, TTL, true)).toEqual([
        { kind: 'present' },
        { kind: 'present' },
      ])
      expect(await rung(store, 'ada')).toEqual(['emails'])
    }
    expect(await store.extend('emails', 'ada', [claimed!], LEASE)).toMatchObject({ watched: [held.id] })
    await watch(store, asked, 'other')
    expect(await Promise.all(['ada', 'bob'].map((worker) => rung(store, worker, MOMENT)))).toEqual([[], []])
  })

  test('the ends of jobs with large results are returned in several answers', async () => {
    await using harness = await make(forgetful)
    const { store } = harness
    const given = jobs(5)
    await harness.caller().enqueue(...given)
    await watch(store, ids(given))
    const result = JSON.stringify('x'.repeat(MAX_BYTES * 0.4))
    for (const held of await harness.caller().claim(5))
      await harness.caller().settle(held, { kind: 'completed', result })
    let left = ids(given)
    for (let calls = 1; left.length > 0; calls++) {
      expect(calls).toBeLessThanOrEqual(3)
      const fates = await watch(store, left)
      const ended = fates.flatMap((fate) => (fate.kind === 'ended' ? fate.job : []))
      expect(ended.length).toBeGreaterThan(0)
      expect(ended.length).toBeLessThanOrEqual(2)
      for (const each of ended) expect(each.result === result).toBe(true)
      expect(fates.filter(({ kind }) => kind === 'cut')).toHaveLength(left.length - ended.length)
      left = left.filter((id) => !ended.some((each) => each.id === id))
    }
  })

  test('jobs that use the same id one after the other have different marks, and a retry keeps the mark', async () => {
    await using harness = await make()
    const { store } = harness
    const reused = (born: string) => job({ id: 'mine', ownId: 'reuse', options: { born, tries: 3 } })
    const plain = job({ payload: '{"born":"x","options":{"born":"y"}}' })
    await harness.caller().enqueue(reused('first'), plain)
    const asked = ['mine', plain.id]
    expect(await watch(store, asked)).toEqual([{ kind: 'present', born: 'first' }, { kind: 'present' }])
    await harness.caller().settle(await harness.caller().claimOne(), failed)
    await store.alter('emails', ['mine'], { kind: 'retry' })
    expect((await watch(store, asked))[0]).toEqual({ kind: 'present', born: 'first' })
    await store.alter('emails', ['mine'], { kind: 'cancel', reason: 'user' })
    expect((await watch(store, asked))[0]).toMatchObject({
      kind: 'ended',
      job: { options: { born: 'first' } },
    })
    await harness.caller().enqueue(reused('second'))
    expect((await watch(store, asked))[0]).toEqual({ kind: 'present', born: 'second' })
  })
}
