/**
 * Moves of jobs to another partition (`store/contract/moves.ts`). The tests check which data is moved, that a
 * job is in only one partition although steps are repeated or late, and how a moved job is found.
 */
import { expect, test } from 'vitest'
import { memberId } from '../../src/model/effect.ts'
import type { JobRecord, NewJob } from '../../src/model/record.ts'
import { alterFollowed, bring, bringDue, fatesFollowed, getFollowed } from '../../src/store/contract/moved.ts'
import {
  MAX_SMALL,
  MOVE_LEASE_MS,
  MOVED_LEAST,
  MOVED_MEMORY,
  type MovingJob,
  type Store,
} from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, ids, job, jobs, line, retried } from './jobs.ts'

const FROM = 'emails'
const TO = 'mails'

/** Takes jobs out of their partition, to move them to the other partition. */
async function take(
  store: Store,
  all: readonly { id: string }[],
  from = FROM,
  to = TO,
): Promise<MovingJob[]> {
  const given = ids(all)
  const { verdicts, jobs } = await store.moves.take(
    from,
    given,
    given.map(() => to),
  )
  expect(verdicts).toEqual(given.map(() => 'taken'))
  return jobs
}

async function move(store: Store, all: readonly { id: string }[], from = FROM, to = TO): Promise<void> {
  await bring(store, from, await take(store, all, from, to))
}

export function moves(make: Make): void {
  test('a job is moved with its times, counters, errors, log and options', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const given: NewJob[] = [
      job({ payload: '1 ', priority: 3, options: { tags: ['a|b'], tries: 2, context: { tenant: 'é🚦' } } }),
      job({ payload: `"${'x'.repeat(MAX_SMALL * 10)}"`, delay: 10_000 }),
      job({ key: 'a|b', payload: '"\\u001e|~"', group: { name: 'acme é' }, limiter: 'gpu 2' }),
      job({ priority: -7, delay: 500, options: { redact: ['card'] } }),
    ]
    await caller.enqueue(...given)
    const [held] = await caller.claim()
    await store.extend(
      FROM,
      'ada',
      [{ id: held!.id, token: held!.token, log: [line('hello')], progress: '{"done":1}' }],
      LEASE,
    )
    await caller.settle(held!, retried(200))
    const before = (await Promise.all(ids(given).map((id) => store.get(FROM, id)))) as JobRecord[]
    const log = await store.log(FROM, held!.id)
    clock.advance(1_000)
    await move(store, given)
    expect(await store.counts(FROM)).toMatchObject({ waiting: 0, delayed: 0, active: 0, cancelled: 0 })
    for (const { state, ...rest } of before) {
      expect(await store.get(FROM, rest.id)).toBeUndefined()
      const now = await store.get(TO, rest.id)
      const moved = { ...rest, partition: TO, options: { ...rest.options, movedAt: clock.now } }
      expect(now).toEqual({ ...moved, state: rest.dueAt! <= clock.now ? 'waiting' : 'delayed' })
    }
    expect(await store.log(TO, held!.id)).toEqual(log)
    expect(await store.counts(TO)).toMatchObject({ waiting: 3, delayed: 1 })
    expect((await store.partitions()).sort()).toEqual([FROM, TO])
    const want = { limit: 9, leaseMs: LEASE, permits: { 'gpu 2': 1 } }
    const { jobs: claimed } = await harness.caller('bob', TO).exchange([], want)
    expect(new Set(ids(claimed))).toEqual(new Set(ids([given[0]!, given[2]!, given[3]!])))
    expect(claimed.find(({ id }) => id === held!.id)).toMatchObject({ runs: 2, failures: 1 })
  })

  test('a moved job takes its place by its priority and by the time at which it was queued or due', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const [caller, other] = [harness.caller(), harness.caller('bob', TO)]
    const early = job()
    await caller.enqueue(early)
    clock.advance(5)
    const between = job()
    await other.enqueue(between)
    clock.advance(5)
    const [late, urgent, delayed] = [job(), job({ priority: 1 }), job({ delay: 5 })]
    await caller.enqueue(late, urgent, delayed)
    clock.advance(10)
    await move(store, [delayed, late, urgent, early])
    expect(ids(await other.claim(9))).toEqual(ids([urgent, early, between, late, delayed]))
    expect(await caller.claim(9)).toEqual([])
  })

  test('a moved strict group keeps its order, and a job that was released stays first', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const [caller, other] = [harness.caller(), harness.caller('bob', TO)]
    const group = { name: 'acme', strict: true, limits: { concurrency: 1 } }
    const [first, second] = [job({ group }), job({ group: { name: 'acme', joins: true } })]
    await caller.enqueue(first, second)
    await caller.settle(await caller.claimOne(), retried(300))
    await move(store, [second, first])
    expect(await other.claim(9)).toEqual([])
    clock.advance(300)
    const held = await other.claim(9)
    expect(ids(held)).toEqual([first.id])
    await other.settle(held[0]!, completed)
    expect(ids(await other.claim(9))).toEqual([second.id])
  })

  test('only waiting and delayed jobs are moved, and other jobs stay as they are', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.run(job(), completed)
    const [ended] = (await store.list(FROM, { state: 'completed' })).jobs
    const active = job()
    await caller.enqueue(active)
    await caller.claimOne()
    const waits = job()
    await caller.enqueue(waits)
    const asked = [ended!.id, active.id, 'nobody', waits.id]
    const { verdicts } = await store.moves.take(
      FROM,
      asked,
      asked.map(() => TO),
    )
    expect(verdicts).toEqual(['refused', 'refused', 'missing', 'taken'])
    expect(await store.counts(FROM)).toMatchObject({ waiting: 0, active: 1, completed: 1 })
  })

  test('a job that is being moved is in no list, and its id is taken; the next worker completes the move', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const given = job({ ownId: 'reuse' })
    await caller.enqueue(given)
    const [taken] = await take(store, [given])
    expect(await store.get(FROM, given.id)).toBeUndefined()
    expect(await store.counts(FROM)).toMatchObject({ waiting: 0 })
    expect(await caller.claim()).toEqual([])
    expect(await caller.enqueue(given)).toMatchObject([{ kind: 'rejected', reason: 'exists' }])
    expect((await store.flows.fates(FROM, [given.id]))[0]!.kind).toBe('present')
    expect(await store.moves.where(FROM, [given.id, 'nobody'])).toMatchObject([
      { kind: 'moving', to: TO },
      { kind: 'here' },
    ])
    // The process that took the job died. When the lease of the move is over, `survey` tells a worker about
    // the job.
    const find = async () => (await store.survey('dan', [{ partition: FROM }])).findings
    expect((await find())[0]?.isMoving).toBeUndefined()
    expect(await store.moves.due(FROM)).toEqual([])
    clock.advance(MOVE_LEASE_MS)
    expect((await find())[0]?.isMoving).toBe(true)
    await bringDue(store, FROM)
    expect((await find())[0]?.isMoving).toBeUndefined()
    expect((await store.get(TO, given.id))?.state).toBe('waiting')
    // The process that took the job was alive after all.
    await bring(store, FROM, [taken!])
    expect(await store.counts(TO)).toMatchObject({ waiting: 1 })
    expect(await store.moves.where(FROM, [given.id])).toMatchObject([{ kind: 'moved', to: TO }])
    expect(ids(await harness.caller('bob', TO).claim(9))).toEqual([given.id])
  })

  test('each step of a move may be repeated, also by several processes at once, and after the job has run', async () => {
    await using harness = await make({
      retention: {
        completed: { count: 0, age: 1 },
        failed: { count: 0, age: 1 },
        cancelled: { count: 0, age: 1 },
      },
    })
    const { store, clock } = harness
    const given = jobs(3)
    await harness.caller().enqueue(...given)
    const taken = await take(store, given)
    expect(await take(store, given)).toEqual(taken)
    await Promise.all([bring(store, FROM, taken), bring(store, FROM, taken)])
    const other = harness.caller('bob', TO)
    for (const held of await other.claim(9)) await other.settle(held, completed)
    clock.advance(MOVED_LEAST - 1)
    await store.prune(TO)
    await store.moves.put(TO, taken)
    expect(await store.counts(TO)).toMatchObject({ waiting: 0, completed: 3 })
    clock.advance(2)
    while ((await store.prune(TO)) > 0);
    expect(await store.counts(TO)).toMatchObject({ waiting: 0, completed: 0 })
  })

  test('if a job was moved there and back, a late `put` of the first move changes nothing', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const given = job({ options: { tags: ['x'] } })
    await harness.caller().enqueue(given)
    const taken = await take(store, [given])
    await bring(store, FROM, taken)
    await move(store, [given], TO, FROM)
    await store.moves.put(TO, taken)
    await store.moves.settle(FROM, taken)
    expect(await store.get(TO, given.id)).toBeUndefined()
    expect((await store.get(FROM, given.id))?.options).toEqual({ tags: ['x'], movedAt: clock.now + 1 })
    await move(store, [given])
    expect((await store.get(TO, given.id))?.options).toEqual({ tags: ['x'], movedAt: clock.now + 2 })
    expect(ids(await harness.caller('bob', TO).claim(9))).toEqual([given.id])
    expect(await harness.caller().claim(9)).toEqual([])
  })

  test('if a moved job has ended and its id is used again, the new job is moved as a different job', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const [caller, other] = [harness.caller(), harness.caller('bob', TO)]
    const given = job({ ownId: 'new' })
    await caller.enqueue(given)
    await move(store, [given])
    await move(store, [given], TO, 'third')
    clock.advance(10)
    // The id is used again in the partition that the job left, and in a partition through which the job was
    // moved.
    expect(await caller.enqueue(given)).toEqual(['queued'])
    await move(store, [given])
    expect((await store.get(TO, given.id))?.state).toBe('waiting')
    const [held] = await other.claim()
    await other.settle(held!, completed)
    await store.alter(TO, [given.id], { kind: 'remove' })
    clock.advance(10)
    expect(await other.enqueue(given)).toEqual(['queued'])
    await move(store, [given], TO, FROM)
    expect((await store.get(FROM, given.id))?.state).toBe('waiting')
  })

  test('if another job has the id in the new partition, this job keeps the id, and the moved job waits until it has ended', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const other = harness.caller('bob', TO)
    const given = job({ ownId: 'reuse', payload: '"moved"' })
    await harness.caller().enqueue(given)
    const taken = await take(store, [given])
    expect(await other.enqueue({ ...given, payload: '"own"' })).toEqual(['queued'])
    await bring(store, FROM, taken)
    expect(await store.moves.where(FROM, [given.id])).toMatchObject([{ kind: 'moving', to: TO }])
    const held = await other.claimOne()
    clock.advance(MOVE_LEASE_MS)
    await bringDue(store, FROM)
    expect(held.payload).toBe('"own"')
    await other.settle(held, completed)
    clock.advance(MOVE_LEASE_MS)
    await bringDue(store, FROM)
    expect((await other.claimOne()).payload).toBe('"moved"')
    expect(await store.moves.where(FROM, [given.id])).toMatchObject([{ kind: 'moved', to: TO }])
  })

  test('the lock is moved with the job, and a conflict with another job is reported before the move', async () => {
    await using harness = await make()
    const { store } = harness
    const [caller, other] = [harness.caller(), harness.caller('bob', TO)]
    const lock = { name: 'one', until: 'done' as const }
    const [given, second] = [job({ lock, group: { name: 'acme' } }), job({ lock })]
    await caller.enqueue(given)
    expect(await store.moves.where(FROM, [given.id])).toEqual([{ kind: 'here', group: 'acme', lock: 'one' }])
    const meets = (id: string) => store.moves.meets(TO, [{ id, lock: 'one' }, { id: 'x' }])
    expect(await meets(given.id)).toEqual([false, false])
    await move(store, [given])
    expect(await meets('other')).toEqual([true, false])
    expect(await meets(given.id)).toEqual([true, false])
    expect(await other.enqueue(second)).toEqual([{ kind: 'rejected', reason: 'unique', by: given.id }])
    // In the old partition, the lock is free.
    expect(await caller.enqueue(second)).toEqual(['queued'])
    // The test moves the second job all the same. The lock stays with the first job, and no job is lost.
    await move(store, [second])
    expect((await store.counts(TO)).waiting).toBe(2)
    const held = await other.claim(9)
    for (const each of held) await other.settle(each, completed)
    expect(held.length).toBe(2)
  })

  test('the start of a moved job releases a lock that lasts until the start', async () => {
    await using harness = await make()
    const { store } = harness
    const other = harness.caller('bob', TO)
    const lock = { name: 'one', until: 'start' as const }
    const given = job({ lock })
    await harness.caller().enqueue(given)
    await move(store, [given])
    expect(await other.enqueue(job({ lock }))).toMatchObject([{ kind: 'rejected', reason: 'unique' }])
    expect(ids(await other.claim())).toEqual([given.id])
    expect(await other.enqueue(job({ lock }))).toEqual(['queued'])
  })

  test('after a move, a late outcome of a dead worker does not count, and a retry still counts the earlier failures', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const given = job()
    await caller.enqueue(given)
    const held = await caller.claimOne()
    await harness.takeBack()
    await move(store, [given])
    expect(await caller.settle(held, completed)).toBe('lost')
    expect(await store.get(TO, given.id)).toMatchObject({ state: 'waiting', crashes: 1, runs: 1 })
    // The job is not prefetched.
    const other = harness.caller('bob', TO)
    await other.enqueue(job())
    expect(ids(await other.claimAhead(1, 5))).toContain(given.id)
  })

  test('a flow finds its moved member, and gets the end of the member', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const id = memberId({ flow: 'f', home: FROM, index: 0 })
    await store.flows.write(FROM, {
      id: 'f',
      rev: 0,
      definition: '{}',
      state: '{}',
      crowd: { reserved: 1, size: 1 },
      jobs: [job({ id })],
    })
    await move(store, [{ id }])
    expect(await fatesFollowed(store, FROM, [id])).toMatchObject([{ kind: 'present' }])
    expect(await caller.enqueue(job({ id }))).toEqual(['exists'])
    const other = harness.caller('bob', TO)
    await other.settle(await other.claimOne(), failed)
    expect(await fatesFollowed(store, FROM, [id])).toMatchObject([{ kind: 'ended' }])
    const { effects = [] } = await store.recover(TO, { until: 0, effects: {} })
    expect(effects).toMatchObject([{ kind: 'member', job: { id, state: 'failed' } }])
    expect(await alterFollowed(store, FROM, [id], { kind: 'retry' })).toEqual(['done'])
    expect((await getFollowed(store, FROM, id))?.partition).toBe(TO)
    clock.advance(MOVED_MEMORY + 1)
    while ((await store.prune(FROM)) > 0);
    expect(await store.moves.where(FROM, [id])).toEqual([{ kind: 'here' }])
    expect(await caller.enqueue(job({ id }))).toEqual(['queued'])
  })

  test('a watcher of a moved job is notified when the job has arrived, and finds the job', async () => {
    await using harness = await make()
    const { store } = harness
    const given = job()
    await harness.caller().enqueue(given)
    await store.watch(FROM, 'web', [given.id], 60_000)
    const rung = new AbortController()
    const waiting = store.wait('web', 10_000, rung.signal, () => rung.abort())
    await move(store, [given])
    await waiting
    expect(rung.signal.aborted).toBe(true)
    expect(await store.watch(FROM, 'web', [given.id], 60_000)).toEqual([{ kind: 'unknown' }])
    expect(await store.watch(TO, 'web', [given.id], 60_000)).toMatchObject([{ kind: 'present' }])
  })

  test('listeners get an event for the move and an event for the queuing', async () => {
    await using harness = await make()
    const { store } = harness
    const given = job()
    await harness.caller().enqueue(given)
    const places = [FROM, TO]
    const begun = await Promise.all(places.map((each) => store.listen(each, 'web', 60_000)))
    await move(store, [given])
    const heard = await Promise.all(
      places.map((each, i) => store.listen(each, 'web', 60_000, begun[i]!.position)),
    )
    expect(heard.map(({ entries }) => entries.map(({ kind, ids }) => [kind, ids]))).toEqual([
      [['moved', [given.id]]],
      [['queued', [given.id]]],
    ])
  })

  test('a moved job wakes a waiting worker', async () => {
    await using harness = await make()
    const { store } = harness
    const other = harness.caller('bob', TO)
    await other.claim()
    const given = job()
    await harness.caller().enqueue(given)
    const waiting = store.wait('bob', 10_000)
    await move(store, [given])
    expect(await waiting).toEqual([TO])
  })

  test('`take` returns about as many bytes of jobs as one call may have, and the other jobs stay', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const given = jobs(5, { payload: `"${'x'.repeat(400_000)}"` })
    for (const each of given) await harness.caller().enqueue(each)
    const to = given.map(() => TO)
    const { verdicts, jobs: taken } = await store.moves.take(FROM, ids(given), to)
    expect(verdicts[0]).toBe('taken')
    expect(verdicts.at(-1)).toBe('left')
    expect(taken.length).toBe(verdicts.filter((each) => each === 'taken').length)
    clock.advance(MOVE_LEASE_MS)
    await bringDue(store, FROM)
    expect((await store.counts(TO)).waiting).toBe(taken.length)
    expect((await store.counts(FROM)).waiting).toBe(given.length - taken.length)
  })

  test('a purge leaves nothing of a moved job, wherever the job is', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const lock = { name: 'lock-of-ada', until: 'done' as const }
    const given = [
      job({ id: 'ada-moving', ownId: 'new', payload: '"of ada"', lock }),
      job({ id: 'ada-moved', ownId: 'new', payload: '"of ada"' }),
    ]
    await caller.enqueue(...given)
    const [moving] = await take(store, [given[0]!])
    await move(store, [given[1]!])
    expect(await harness.mentions('of ada')).not.toEqual([])
    expect(await store.alter(FROM, ids(given), { kind: 'purge' })).toEqual(['missing', 'missing'])
    expect(await alterFollowed(store, FROM, ids(given), { kind: 'purge' })).toEqual(['done', 'done'])
    // The list of waiting jobs contains the id until a claim reads the list.
    const isElsewhere = (place: string) => !/:(line|void)$/.test(place)
    for (const text of ['of ada', 'ada-mov', 'lock-of-ada'])
      expect((await harness.mentions(text)).filter(isElsewhere)).toEqual([])
    clock.advance(MOVE_LEASE_MS)
    await bringDue(store, FROM)
    expect(await store.get(TO, moving!.id)).toBeUndefined()
    expect(await caller.enqueue(...given)).toEqual(['queued', 'queued'])
  })

  test.each<[string, (harness: Harness, id: string) => Promise<unknown>]>([
    ['purged', ({ store }, id) => store.alter(TO, [id], { kind: 'purge' })],
    ['purged where it was', ({ store }, id) => alterFollowed(store, FROM, [id], { kind: 'purge' })],
    ['removed', ({ store }, id) => store.alter(TO, [id], { kind: 'remove' })],
    ['replaced', (harness, id) => harness.caller('web', TO).run(job({ id, ownId: 'reuse' }), completed)],
  ])('a put that comes late does not bring back what ran and was %s', async (_, end) => {
    await using harness = await make()
    const { store, clock } = harness
    const other = harness.caller('bob', TO)
    const given = job({ id: 'invoice-7', ownId: 'reuse', payload: '"of ada"' })
    await harness.caller().enqueue(given)
    const taken = await take(store, [given])
    await store.moves.put(TO, taken)
    await other.settle(await other.claimOne(), completed)
    await end(harness, given.id)
    await store.clear(TO, 'hidden')
    // The process that took the job was slow, or died before it noted that the job has arrived.
    await bring(store, FROM, taken)
    clock.advance(MOVE_LEASE_MS)
    await bringDue(store, FROM)
    expect(await store.counts(TO)).toMatchObject({ waiting: 0 })
    expect(await harness.mentions('of ada')).toEqual([])
    // Another job with the same id may be moved.
    await store.alter(TO, [given.id], { kind: 'remove' })
    clock.advance(1)
    expect(await harness.caller().enqueue(given)).toEqual(['queued'])
    await move(store, [given])
    expect(await store.counts(TO)).toMatchObject({ waiting: 1 })
    clock.advance(MOVED_LEAST + 1)
    await store.alter(TO, [given.id], { kind: 'purge' })
    while ((await store.prune(TO)) > 0);
    expect(await harness.mentions('void:')).toEqual([])
  })

  test('a job that is purged during its move stays purged, although the process that moves the job brings it later', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const given = jobs(2, { payload: '"of ada"' })
    await harness.caller().enqueue(...given)
    const taken = await take(store, given)
    expect(await alterFollowed(store, FROM, ids(given), { kind: 'purge' })).toEqual(['done', 'done'])
    await bring(store, FROM, taken)
    clock.advance(MOVE_LEASE_MS)
    await bringDue(store, FROM)
    expect(await store.counts(TO)).toMatchObject({ waiting: 0 })
    expect(await harness.mentions('of ada')).toEqual([])
    const isElsewhere = (place: string) => !/:(line|void)$/.test(place)
    for (const { id } of given) expect((await harness.mentions(id)).filter(isElsewhere)).toEqual([])
  })

  test('a moved job can be cancelled, retried, removed and moved again in its new partition', async () => {
    await using harness = await make()
    const { store } = harness
    const given = job()
    await harness.caller().enqueue(given)
    await move(store, [given])
    expect(await store.alter(FROM, [given.id], { kind: 'cancel', reason: 'user' })).toEqual(['missing'])
    expect(await alterFollowed(store, FROM, [given.id], { kind: 'cancel', reason: 'user' })).toEqual(['done'])
    expect(await store.alter(TO, [given.id], { kind: 'retry' })).toEqual(['done'])
    await move(store, [given], TO, 'third')
    expect((await getFollowed(store, FROM, given.id))?.partition).toBe('third')
    expect(
      await store.restore(FROM, [{ ...(await store.get('third', given.id))!, state: 'failed' }]),
    ).toEqual(['exists'])
    expect(await store.alter('third', [given.id], { kind: 'remove' })).toEqual(['done'])
    expect(await getFollowed(store, FROM, given.id)).toBeUndefined()
    expect((await fatesFollowed(store, FROM, [given.id]))[0]!.kind).toBe('unknown')
  })

  test('a move accepts an empty list of jobs, and a partition that does not exist', async () => {
    await using harness = await make()
    const { moves } = harness.store
    expect(await moves.take(FROM, [], [])).toEqual({ verdicts: [], jobs: [] })
    expect(await moves.where(FROM, [])).toEqual([])
    expect(await moves.where('never', ['x'])).toEqual([{ kind: 'here' }])
    expect(await moves.meets('never', [{ id: 'x', lock: 'y' }])).toEqual([false])
    expect(await moves.due('never')).toEqual([])
  })
}
