/** Changes that people make to jobs: a table of each change in each state, and the effects of each change. */
import { expect, test } from 'vitest'
import type { JobRecord, Lock, NewJob, Outcome, State } from '../../src/model/record.ts'
import { type AlterVerdict, type Change, changeKinds, MAX_ITEMS } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, ids, job, jobs, line, retried, unstarted } from './jobs.ts'

/** Makes a job and brings it into a state. @returns its id and, if it is active, its token */
async function inState(harness: Harness, state: State): Promise<{ id: string; token: string }> {
  const caller = harness.caller('ada')
  const given = job({ delay: state === 'delayed' ? 60_000 : 0 })
  await caller.enqueue(given)
  if (state === 'waiting' || state === 'delayed') return { id: given.id, token: '' }
  const held = await caller.claimOne()
  if (state === 'completed') await caller.settle(held, { kind: 'completed', result: '1', log: [line('x')] })
  if (state === 'failed') await caller.settle(held, { ...failed, log: [line('x')] })
  if (state === 'cancelled') await caller.settle(held, { kind: 'cancelled', reason: 'dropped' })
  return held
}

type Row = [state: State, verdict: AlterVerdict, after: Partial<JobRecord> | undefined]

/** The state after each change in each state. `undefined` means that the job is gone. */
const table: [Change, Row[]][] = [
  [
    { kind: 'retry' },
    [
      ['waiting', 'refused', { state: 'waiting' }],
      ['delayed', 'refused', { state: 'delayed' }],
      ['active', 'refused', { state: 'active' }],
      ['completed', 'done', { state: 'waiting', runs: 1, failures: 0, crashes: 0 }],
      ['failed', 'done', { state: 'waiting', runs: 1, failures: 0, crashes: 0 }],
      ['cancelled', 'done', { state: 'waiting', runs: 1, failures: 0, crashes: 0 }],
    ],
  ],
  [
    { kind: 'cancel', reason: 'user' },
    [
      ['waiting', 'done', { state: 'cancelled', reason: 'user', runs: 0 }],
      ['delayed', 'done', { state: 'cancelled', reason: 'user', runs: 0 }],
      ['active', 'asked', { state: 'active' }],
      ['completed', 'refused', { state: 'completed' }],
      ['failed', 'refused', { state: 'failed' }],
      ['cancelled', 'refused', { state: 'cancelled', reason: 'dropped' }],
    ],
  ],
  [
    { kind: 'remove' },
    [
      ['waiting', 'done', undefined],
      ['delayed', 'done', undefined],
      ['active', 'refused', { state: 'active' }],
      ['completed', 'done', undefined],
      ['failed', 'done', undefined],
      ['cancelled', 'done', undefined],
    ],
  ],
  [
    { kind: 'purge' },
    [
      ['waiting', 'done', undefined],
      ['delayed', 'done', undefined],
      ['active', 'refused', { state: 'active' }],
      ['completed', 'done', undefined],
      ['failed', 'done', undefined],
      ['cancelled', 'done', undefined],
    ],
  ],
  [
    { kind: 'unpin' },
    [
      ['waiting', 'refused', { state: 'waiting' }],
      ['active', 'refused', { state: 'active' }],
      ['completed', 'refused', { state: 'completed' }],
      ['failed', 'done', { state: 'failed' }],
    ],
  ],
  [
    { kind: 'run-now' },
    [
      ['waiting', 'refused', { state: 'waiting' }],
      ['delayed', 'done', { state: 'waiting' }],
      ['active', 'refused', { state: 'active' }],
      ['completed', 'refused', { state: 'completed' }],
      ['failed', 'refused', { state: 'failed' }],
      ['cancelled', 'refused', { state: 'cancelled' }],
    ],
  ],
  [
    { kind: 'reschedule', in: 5_000 },
    [
      ['waiting', 'done', { state: 'delayed' }],
      ['delayed', 'done', { state: 'delayed' }],
      ['active', 'refused', { state: 'active' }],
      ['completed', 'refused', { state: 'completed' }],
      ['failed', 'refused', { state: 'failed' }],
      ['cancelled', 'refused', { state: 'cancelled' }],
    ],
  ],
  [
    { kind: 'prioritize', priority: 7 },
    [
      ['waiting', 'done', { state: 'waiting', priority: 7 }],
      ['delayed', 'done', { state: 'delayed', priority: 7 }],
      ['active', 'refused', { state: 'active', priority: 0 }],
      ['completed', 'refused', { state: 'completed', priority: 0 }],
      ['failed', 'refused', { state: 'failed', priority: 0 }],
      ['cancelled', 'refused', { state: 'cancelled', priority: 0 }],
    ],
  ],
  [
    { kind: 'report', progress: '50' },
    (['waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled'] as const).map((state): Row => {
      return [state, 'done', { state, progress: '50' }]
    }),
  ],
  ...(['add-tags', 'remove-tags'] as const).map((kind): [Change, Row[]] => [
    { kind, tags: ['vip'] },
    (['waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled'] as const).map((state): Row => {
      return [state, 'done', { state, ...(kind === 'add-tags' && { options: { tags: ['vip'] } }) }]
    }),
  ]),
  [
    { kind: 'cancel', reason: 'user', because: 'the shop | closed\n', ifNotBegun: true },
    [
      ['waiting', 'done', { state: 'cancelled', reason: 'user', because: 'the shop | closed\n' }],
      ['delayed', 'done', { state: 'cancelled', reason: 'user', because: 'the shop | closed\n' }],
      ['active', 'refused', { state: 'active' }],
      ['completed', 'refused', { state: 'completed' }],
      ['failed', 'refused', { state: 'failed' }],
      ['cancelled', 'refused', { state: 'cancelled', reason: 'dropped' }],
    ],
  ],
  [
    { kind: 'retry', keepsFailures: true },
    [
      ['waiting', 'refused', { state: 'waiting' }],
      ['delayed', 'refused', { state: 'delayed' }],
      ['active', 'refused', { state: 'active' }],
      ['completed', 'done', { state: 'waiting', runs: 1, failures: 1, crashes: 0 }],
      ['failed', 'done', { state: 'waiting', runs: 1, failures: 1, crashes: 0 }],
      ['cancelled', 'done', { state: 'waiting', runs: 1, failures: 0, crashes: 0 }],
    ],
  ],
  [
    { kind: 'retry', only: ['failed', 'cancelled'] },
    [
      ['waiting', 'refused', { state: 'waiting' }],
      ['active', 'refused', { state: 'active' }],
      ['completed', 'refused', { state: 'completed' }],
      ['failed', 'done', { state: 'waiting', failures: 0, crashes: 0 }],
      ['cancelled', 'done', { state: 'waiting' }],
    ],
  ],
  ...(['remove', 'purge'] as const).map((kind): [Change, Row[]] => [
    { kind, only: ['failed', 'completed'] },
    [
      ['waiting', 'refused', { state: 'waiting' }],
      ['delayed', 'refused', { state: 'delayed' }],
      ['active', 'refused', { state: 'active' }],
      ['completed', 'done', undefined],
      ['failed', 'done', undefined],
      ['cancelled', 'refused', { state: 'cancelled' }],
    ],
  ]),
  [
    { kind: 'remove', only: ['delayed'], ifNotBegun: true },
    [
      ['waiting', 'refused', { state: 'waiting' }],
      ['delayed', 'done', undefined],
      ['failed', 'refused', { state: 'failed' }],
    ],
  ],
  [
    { kind: 'cancel', reason: 'user', only: ['waiting', 'delayed'] },
    [
      ['waiting', 'done', { state: 'cancelled', reason: 'user' }],
      ['delayed', 'done', { state: 'cancelled', reason: 'user' }],
      ['active', 'refused', { state: 'active' }],
      ['failed', 'refused', { state: 'failed' }],
    ],
  ],
  [
    { kind: 'edit', payload: '{"to":"bob"}', only: ['failed'] },
    [
      ['waiting', 'refused', { state: 'waiting', payload: '{"to":"ada"}' }],
      ['completed', 'refused', { state: 'completed', payload: '{"to":"ada"}' }],
      ['failed', 'done', { state: 'failed', payload: '{"to":"bob"}' }],
    ],
  ],
  [
    { kind: 'remove', ifNotBegun: true },
    [
      ['waiting', 'done', undefined],
      ['delayed', 'done', undefined],
      ['active', 'refused', { state: 'active' }],
      ['completed', 'refused', { state: 'completed' }],
      ['failed', 'refused', { state: 'failed' }],
      ['cancelled', 'refused', { state: 'cancelled' }],
    ],
  ],
  [
    { kind: 'edit', payload: '{"to":"bob"}', whileActive: true },
    [
      ['waiting', 'done', { state: 'waiting', payload: '{"to":"bob"}' }],
      ['active', 'done', { state: 'active', payload: '{"to":"bob"}' }],
      ['completed', 'done', { state: 'completed', payload: '{"to":"bob"}' }],
    ],
  ],
  [
    { kind: 'edit', payload: '{"to":"bob"}' },
    [
      ['waiting', 'done', { state: 'waiting', payload: '{"to":"bob"}' }],
      ['delayed', 'done', { state: 'delayed', payload: '{"to":"bob"}' }],
      ['active', 'refused', { state: 'active', payload: '{"to":"ada"}' }],
      ['completed', 'done', { state: 'completed', payload: '{"to":"bob"}' }],
      ['failed', 'done', { state: 'failed', payload: '{"to":"bob"}' }],
      ['cancelled', 'done', { state: 'cancelled', payload: '{"to":"bob"}' }],
    ],
  ],
]

export function alter(make: Make): void {
  test('the table of changes in each state has every change', () => {
    expect(new Set(table.map(([{ kind }]) => kind))).toEqual(new Set(changeKinds))
  })

  for (const [change, rows] of table) {
    for (const [state, verdict, after] of rows) {
      test(`${change.kind} of a job that is ${state}: ${verdict}`, async () => {
        await using harness = await make()
        const { store } = harness
        const { id } = await inState(harness, state)
        expect(await store.alter('emails', [id], change)).toEqual([verdict])
        const record = await store.get('emails', id)
        if (after === undefined) {
          expect(record).toBeUndefined()
          expect(await store.log('emails', id)).toEqual([])
        } else {
          expect(record).toMatchObject(after)
        }
        const counts = Object.entries(await store.counts('emails')).filter(([, count]) => count > 0)
        expect(counts).toEqual(record ? [[record.state, 1]] : [])
      })
    }
  }

  test('alter returns one verdict for each id, in the order of the ids', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = jobs(2)
    await caller.enqueue(...list)
    const asked = [list[1]!.id, 'nobody', list[0]!.id, list[1]!.id]
    const verdicts = await harness.store.alter('emails', asked, { kind: 'remove' })
    expect(verdicts).toEqual(['done', 'missing', 'done', 'missing'])
    expect(await harness.store.alter('emails', [], { kind: 'remove' })).toEqual([])
  })

  test('a retried job has new counters and goes to the end of the line', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const given = job()
    await caller.enqueue(given)
    await caller.claim()
    harness.clock.advance(LEASE)
    await store.recover('emails')
    await caller.settle(await caller.claimOne(), failed)
    const others = jobs(2)
    await caller.enqueue(...others)
    await store.alter('emails', [given.id], { kind: 'retry' })
    const record = await store.get('emails', given.id)
    expect(record).toMatchObject({ runs: 2, failures: 0, crashes: 0 })
    expect(record).not.toHaveProperty('finishedAt')
    expect(ids(await caller.claim(3))).toEqual(ids([...others, given]))
  })

  test('a retry that is limited to failed and cancelled jobs does not retry a completed job with its own retention', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const given = job({ keep: { completed: 60_000 } })
    await caller.enqueue(given)
    await caller.settle(await caller.claimOne(), completed)
    const change = { kind: 'retry', only: ['failed', 'cancelled'] } as const
    expect(await store.alter('emails', [given.id], change)).toEqual(['refused'])
    expect(await store.get('emails', given.id)).toMatchObject({ state: 'completed' })
  })

  test('retention of failed jobs does not remove a failed job that was retried', async () => {
    await using harness = await make()
    const { store } = harness
    const { id } = await inState(harness, 'failed')
    await store.alter('emails', [id], { kind: 'retry' })
    for (const kind of ['remove', 'purge'] as const)
      expect(await store.alter('emails', [id, 'nobody'], { kind, only: ['failed'] })).toEqual([
        'refused',
        'missing',
      ])
    expect(ids(await harness.caller().claim())).toEqual([id])
  })

  test('each retry gives the job a later time of queuing, even within a millisecond, and the job waits like other jobs', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller('ada')
    const given = job()
    await caller.enqueue(given)
    for (const queuedAt of [1, 2, 3].map((n) => clock.now + n)) {
      await caller.settle(await caller.claimOne(), failed)
      expect(await store.alter('emails', [given.id], { kind: 'retry' })).toEqual(['done'])
      expect(await store.get('emails', given.id)).toMatchObject({ state: 'waiting', queuedAt })
    }
  })

  test('a job that a retry queues with its counted failures counts as a job that waits for its next try', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller('ada')
    const retrying = async () => (await store.standings(['emails']))[0]!.retrying
    for (const [keepsFailures, count] of [
      [true, 1],
      [false, 0],
    ] as const) {
      const { id } = await inState(harness, 'failed')
      expect(await store.alter('emails', [id], { kind: 'retry', keepsFailures })).toEqual(['done'])
      expect(await retrying()).toBe(count)
      await caller.settle(await caller.claimOne(), completed)
      expect(await retrying()).toBe(0)
    }
  })

  test('a retried job loses its result and its reason', async () => {
    await using harness = await make()
    const { store } = harness
    const done = await inState(harness, 'completed')
    const dropped = await inState(harness, 'cancelled')
    await store.alter('emails', [done.id, dropped.id], { kind: 'retry' })
    expect(await store.get('emails', done.id)).not.toHaveProperty('result')
    expect(await store.get('emails', dropped.id)).not.toHaveProperty('reason')
  })

  test('a removed job may be queued again', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job()
    await caller.run(given, completed)
    await harness.store.alter('emails', [given.id], { kind: 'remove' })
    expect(await caller.enqueue(given)).toEqual(['queued'])
  })

  test('every extend returns the cancel request of a job until the job is settled', async () => {
    await using harness = await make()
    const { store } = harness
    const held = await inState(harness, 'active')
    const bystander = await inState(harness, 'active')
    await store.alter('emails', [held.id], { kind: 'cancel', reason: 'user' })
    const expected = { lost: [], notices: [{ kind: 'cancel', id: held.id, reason: 'user' }] }
    expect(await store.extend('emails', 'ada', [held, bystander], LEASE)).toEqual(expected)
    expect(await store.extend('emails', 'ada', [bystander, held], LEASE)).toEqual(expected)
    const caller = harness.caller('ada')
    expect(await caller.settle(held, { kind: 'cancelled', reason: 'user' })).toBe('settled')
    expect(await store.extend('emails', 'ada', [bystander], LEASE)).toEqual({ lost: [], notices: [] })
  })

  test('a job with a cancel request that completes is completed', async () => {
    await using harness = await make()
    const held = await inState(harness, 'active')
    await harness.store.alter('emails', [held.id], { kind: 'cancel', reason: 'user' })
    await harness.caller().settle(held, completed)
    const record = await harness.store.get('emails', held.id)
    expect(record).toMatchObject({ state: 'completed' })
    expect(record).not.toHaveProperty('reason')
  })

  test('a job with a cancel request that fails or is given back ends as cancelled', async () => {
    for (const outcome of [retried(0), unstarted, { kind: 'released', in: 10 } as const]) {
      await using harness = await make()
      const held = await inState(harness, 'active')
      await harness.store.alter('emails', [held.id], { kind: 'cancel', reason: 'user' })
      expect(await harness.caller().settle(held, outcome)).toBe('settled')
      expect(await harness.store.get('emails', held.id)).toMatchObject({ state: 'cancelled', reason: 'user' })
    }
  })

  test('run-now puts a job at the end of the line, and the delay of reschedule counts from now', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const [sooner, later] = [job({ delay: 60_000 }), job()]
    await caller.enqueue(sooner, later)
    clock.advance(10)
    const plain = job()
    await caller.enqueue(plain)
    await store.alter('emails', [later.id], { kind: 'reschedule', in: 100 })
    clock.advance(10)
    await store.alter('emails', [sooner.id], { kind: 'run-now' })
    expect(await store.get('emails', later.id)).toMatchObject({ state: 'delayed', dueAt: clock.now + 90 })
    expect(ids(await caller.claim(5))).toEqual(ids([plain, sooner]))
    clock.advance(90)
    expect(ids(await caller.claim(5))).toEqual([later.id])
  })

  test('run-now keeps the priority of the job', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [low, high] = [job({ delay: 60_000, priority: -5 }), job({ delay: 60_000, priority: 5 })]
    const plain = job()
    await caller.enqueue(low, high, plain)
    await harness.store.alter('emails', ids([low, high]), { kind: 'run-now' })
    expect(ids(await caller.claim(5))).toEqual(ids([high, plain, low]))
  })

  test.each([
    ['', {}],
    [' if priorities age', { aging: 60_000 }],
    [' under limits', { limits: { concurrency: 1 } }],
  ])('a claim of one job skips thousands of jobs that were cancelled or removed%s', async (_, terms) => {
    await using harness = await make()
    const caller = harness.caller()
    const gone = jobs(3_000)
    const [last, later] = [job(), job()]
    for (let from = 0; from < gone.length; from += MAX_ITEMS)
      await caller.enqueue(...gone.slice(from, from + MAX_ITEMS))
    await caller.enqueue(last, later)
    for (let from = 0; from < gone.length; from += MAX_ITEMS) {
      const change: Change = from === 0 ? { kind: 'remove' } : { kind: 'cancel', reason: 'user' }
      await harness.store.alter('emails', ids(gone.slice(from, from + MAX_ITEMS)), change)
    }
    const want = { limit: 1, leaseMs: LEASE, ...terms }
    const { jobs: claimed } = await caller.exchange([], want)
    expect(ids(claimed)).toEqual([last.id])
    await caller.settle(claimed[0]!, completed)
    // The next job is behind the cancelled jobs, and is the last one.
    const more = jobs(20)
    await caller.enqueue(...more)
    await harness.store.alter('emails', ids(more), { kind: 'cancel', reason: 'user' })
    expect(ids((await caller.exchange([], want)).jobs)).toEqual([later.id])
    expect(await caller.exchange([], want)).not.toHaveProperty('nextDue')
  })

  test('`begun` is true for a job that ran and waits for its retry, and false for a job that was given back before its start', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const [again, unbegun] = jobs(2)
    await caller.enqueue(again!, unbegun!)
    const [first, second] = await caller.claim(2)
    await caller.settle(first!, retried(1_000))
    await caller.settle(second!, unstarted)
    const both = ids([again!, unbegun!])
    expect(await store.alter('emails', both, { kind: 'remove', ifNotBegun: true })).toEqual([
      'refused',
      'done',
    ])
    expect(await store.alter('emails', both, { kind: 'cancel', reason: 'user', ifNotBegun: true })).toEqual([
      'refused',
      'missing',
    ])
    expect(await store.alter('emails', both, { kind: 'cancel', reason: 'user' })).toEqual(['done', 'missing'])
  })

  test('the reason of a person for a cancel reaches the worker of the running job, and is kept however the run ends', async () => {
    const outcomes: Outcome[] = [
      { kind: 'cancelled', reason: 'user' },
      retried(0),
      unstarted,
      { kind: 'released', in: 10, because: 'later' },
    ]
    const because = 'wrong | address\n🚦'
    for (const outcome of outcomes) {
      await using harness = await make()
      const { store } = harness
      const held = await inState(harness, 'active')
      await store.alter('emails', [held.id], { kind: 'cancel', reason: 'user', because })
      expect(await store.extend('emails', 'ada', [held], LEASE)).toEqual({
        lost: [],
        notices: [{ kind: 'cancel', id: held.id, reason: 'user', because }],
      })
      await store.watch('emails', 'web', [held.id], 1_000)
      await harness.caller().settle(held, outcome)
      expect(await store.get('emails', held.id)).toMatchObject({
        state: 'cancelled',
        reason: 'user',
        because,
      })
      const [fate] = await store.watch('emails', 'web', [held.id], 1_000)
      expect(fate).toMatchObject({ kind: 'ended', job: { reason: 'user', because } })
    }
  })

  test('the reason of a person for a cancel is kept if the worker dies, and does not replace another reason', async () => {
    await using harness = await make()
    const { store } = harness
    const [dead, other] = [await inState(harness, 'active'), await inState(harness, 'active')]
    await store.alter('emails', [dead.id, other.id], { kind: 'cancel', reason: 'user', because: 'enough' })
    await harness.caller().settle(other, { kind: 'cancelled', reason: 'dropped' })
    harness.clock.advance(LEASE)
    await store.recover('emails')
    expect(await store.get('emails', dead.id)).toMatchObject({ reason: 'user', because: 'enough' })
    const record = await store.get('emails', other.id)
    expect(record).toMatchObject({ reason: 'dropped' })
    expect(record).not.toHaveProperty('because')
    await store.alter('emails', [dead.id], { kind: 'retry' })
    expect(await store.get('emails', dead.id)).not.toHaveProperty('because')
  })

  const placed: [string, Partial<NewJob>][] = [
    ['', {}],
    [', in a group', { group: { name: 'acme', limits: { concurrency: 9 } } }],
    [', with a limiter', { limiter: 'stripe' }],
    [', with options', { options: { tags: ['vip'] } }],
  ]
  test.each(placed)(
    'a job with a new priority takes its place among the jobs of that priority%s',
    async (_, fields) => {
      await using harness = await make()
      const { store, clock } = harness
      const caller = harness.caller()
      const list: NewJob[] = []
      for (const priority of [0, 5, 0, 5, 0, -3]) {
        list.push(job({ priority, ...fields }))
        await caller.enqueue(list.at(-1)!)
        clock.advance(1)
      }
      const late = job({ delay: 1_000, ...fields })
      await caller.enqueue(late)
      const [a, b, c, d, e, f] = ids(list) as [string, string, string, string, string, string]
      const prioritize = (id: string, priority: number) =>
        store.alter('emails', [id], { kind: 'prioritize', priority })
      for (const [id, priority] of [
        [c, 5],
        [d, 0],
        [e, 100],
        [e, -100],
        [f, 100],
        [a, 5],
        [a, 0],
        [late.id, 7],
      ] as const)
        expect(await prioritize(id, priority)).toEqual(['done'])
      const { jobs: waiting } = await store.list('emails', { state: 'waiting' })
      const inOrder: [string, number][] = [
        [f, 100],
        [b, 5],
        [c, 5],
        [a, 0],
        [d, 0],
        [e, -100],
      ]
      const listed = waiting.map(({ id, priority }) => [id, priority])
      // Jobs with a group or a limiter are listed by their place in line.
      if (fields.group || fields.limiter) expect(listed.sort()).toEqual([...inOrder].sort())
      else expect(listed).toEqual(inOrder)
      expect(await store.get('emails', c)).toMatchObject({
        ...fields,
        ...(fields.group && { group: 'acme' }),
        priority: 5,
      })
      expect(await store.counts('emails')).toMatchObject({ waiting: 6, delayed: 1 })
      const want = { limit: 1, leaseMs: LEASE, permits: { stripe: 1 } }
      const claimed: string[] = []
      const claim = async () => {
        const [found] = (await caller.exchange([], want)).jobs
        if (found !== undefined) claimed.push(found.id)
        return found !== undefined
      }
      expect(await claim()).toBe(true)
      clock.advance(1_000)
      while (await claim());
      expect(claimed).toEqual([f, late.id, b, c, a, d, e])
    },
  )

  test('a new priority counts in a queue with aging', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const [first, second] = jobs(2)
    await caller.enqueue(first!)
    clock.advance(1_000)
    await caller.enqueue(second!)
    await store.alter('emails', [second!.id], { kind: 'prioritize', priority: 5 })
    expect(ids((await caller.exchange([], { limit: 1, leaseMs: LEASE, aging: 199 })).jobs)).toEqual([
      first!.id,
    ])
    await store.alter('emails', [second!.id], { kind: 'prioritize', priority: -5 })
    const third = job()
    await caller.enqueue(third)
    expect(ids((await caller.exchange([], { limit: 1, leaseMs: LEASE, aging: 199 })).jobs)).toEqual([
      third.id,
    ])
  })

  test('in a strict group, a job that waits for its retry stays first, whatever priority other jobs get', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const strict = { group: { name: 'acme', limits: { concurrency: 1 }, strict: true } }
    const [first, second] = [job(strict), job(strict)]
    await caller.enqueue(first, second)
    await caller.settle(await caller.claimOne(), retried(0))
    await store.alter('emails', [second.id], { kind: 'prioritize', priority: 9 })
    await store.alter('emails', [first.id], { kind: 'prioritize', priority: -9 })
    expect(await caller.claimOne()).toMatchObject({ id: first.id, priority: -9 })
  })

  test('a person can add and remove tags: each tag once, in order, at most ten, and the other options stay', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const context = { text: '"tags":["x"],|', list: [] }
    const given = job({ options: { context, tags: ['a', 'b|"'], tries: 4 }, payload: '"|"' })
    const large = job({ payload: JSON.stringify('x'.repeat(5_000)) })
    await caller.enqueue(given, large)
    const both = ids([given, large])
    const tags = async () =>
      (await Promise.all(both.map((id) => store.get('emails', id)))).map((each) => each?.options?.tags)
    expect(await store.alter('emails', both, { kind: 'add-tags', tags: ['b|"', 'c', 'c', 'ü]'] })).toEqual([
      'done',
      'done',
    ])
    expect(await tags()).toEqual([
      ['a', 'b|"', 'c', 'ü]'],
      ['b|"', 'c', 'ü]'],
    ])
    const more = ['1', '2', '3', '4', '5', '6', '7']
    expect(await store.alter('emails', both, { kind: 'add-tags', tags: more })).toEqual(['refused', 'done'])
    expect(
      await store.alter('emails', both, { kind: 'remove-tags', tags: [...more, 'a', 'b|"', 'c', 'ü]'] }),
    ).toEqual(['done', 'done'])
    expect(await tags()).toEqual([undefined, undefined])
    expect(await store.get('emails', given.id)).toMatchObject({
      options: { context, tries: 4 },
      payload: '"|"',
    })
    expect(await store.get('emails', large.id)).not.toHaveProperty('options')
    expect(await caller.claim(2)).toMatchObject([{ payload: '"|"' }, { payload: large.payload }])
  })

  test('an edit is recorded with its time and may change the redacted paths; a payload that a unique job replaced does not count as edited', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const lock: Lock = { name: 'one', until: 'done', replace: true }
    const given = job({ lock, options: { redact: ['to'], tries: 4 } })
    await caller.enqueue(given)
    const large = JSON.stringify('x'.repeat(5_000))
    const cases: [payload: string, redact: string[] | undefined, after: string[] | undefined][] = [
      ['1', undefined, ['to']],
      [large, ['card.*', 'a|b'], ['card.*', 'a|b']],
      ['2', undefined, ['card.*', 'a|b']],
      ['3', [], undefined],
    ]
    for (const [payload, redact, after] of cases) {
      clock.advance(10)
      expect(await store.alter('emails', [given.id], { kind: 'edit', payload, redact })).toEqual(['done'])
      const record = await store.get('emails', given.id)
      expect(record?.payload).toBe(payload)
      expect(record?.options).toEqual({ tries: 4, editedAt: clock.now, ...(after && { redact: after }) })
    }
    await caller.enqueue(job({ lock, payload: '4' }))
    expect((await store.get('emails', given.id))?.options).toEqual({ tries: 4 })
  })

  test('a report from outside adds log lines, and its progress reaches listeners until the run reports its own', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const given = job()
    await caller.enqueue(given)
    const line = { at: 1, level: 'info', text: 'seen\n' } as const
    for (const log of [[line], [line], [line, { ...line, text: 'last' }]])
      expect(await store.alter('emails', [given.id, 'none'], { kind: 'report', log })).toEqual([
        'done',
        'missing',
      ])
    expect((await store.log('emails', given.id)).map(({ text }) => text)).toEqual([
      ...['seen\n', 'seen\n', 'seen\n', 'last'],
    ])
    const [held] = await caller.claim()
    await store.watch('emails', 'web', [given.id], 10_000)
    const stop = new AbortController()
    const noticed = new Promise((resolve) => void store.wait('web', 10_000, stop.signal, resolve))
    await store.alter('emails', [given.id], { kind: 'report', progress: '{"done":1}' })
    expect(await noticed).toBe('emails')
    stop.abort()
    expect(await store.get('emails', given.id)).toMatchObject({ state: 'active', progress: '{"done":1}' })
    await store.extend('emails', 'ada', [{ ...held!, log: [line], progress: '2' }], LEASE)
    expect(await store.get('emails', given.id)).toMatchObject({ progress: '2' })
    expect(await store.log('emails', given.id)).toHaveLength(5)
  })

  test('the claimer of an edited job gets the new payload', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job()
    await caller.enqueue(given)
    await harness.store.alter('emails', [given.id], { kind: 'edit', payload: '{"ü":"|"}' })
    expect(await caller.claimOne()).toMatchObject({ payload: '{"ü":"|"}' })
  })

  const kinds: [string, Partial<NewJob>][] = [
    ['plain', {}],
    ['of many priorities', {}],
    ['delayed, and due by now', { delay: 100 }],
    ['of a group', { group: { name: 'acme', limits: { concurrency: 2_000 } } }],
    ['of a strict group', { group: { name: 'acme', limits: { concurrency: 1 }, strict: true } }],
    ['with a limiter', { limiter: 'stripe' }],
    ['unique', {}],
  ]
  test.each(kinds)(
    'after many jobs were cancelled, a claim finds the remaining jobs, or reports that there are none: %s',
    async (kind, fields) => {
      await using harness = await make()
      const { store, clock } = harness
      const caller = harness.caller()
      const want = { limit: 10, prefetch: 5, leaseMs: LEASE, permits: { stripe: 10 } }
      const given = Array.from({ length: 1_500 }, (_, n) =>
        job({
          ...fields,
          ...(kind === 'of many priorities' && { priority: (n % 201) - 100 }),
          ...(kind === 'unique' && { lock: { name: String(n), until: 'start' } }),
        }),
      )
      for (let n = 0; n < given.length; n += 500) await caller.enqueue(...given.slice(n, n + 500))
      clock.now += 100
      const left = given[1_234]!
      const gone = given.filter((each) => each !== left)
      for (let n = 0; n < gone.length; n += 200)
        await store.alter('emails', ids(gone.slice(n, n + 200)), { kind: 'cancel', reason: 'user' })
      const found = await caller.exchange([], want)
      expect(ids(found.jobs)).toEqual([left.id])
      expect(found.nextDue).toBeUndefined()
      await caller.settle(found.jobs[0]!, completed)
      const empty = await caller.exchange([], want)
      expect(empty).toEqual({ verdicts: [], jobs: [] })
      expect(await store.counts('emails')).toMatchObject({ waiting: 0, delayed: 0, active: 0 })
      // A claimer that waits from now on is notified of the next job.
      await harness.caller('web').enqueue(job(fields.limiter === undefined ? {} : fields))
      expect(await store.wait(caller.id, 10_000)).toEqual(['emails'])
    },
  )

  test('a purge removes jobs in all states except active, also removed jobs that were kept for their effects', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const large = JSON.stringify('x'.repeat(5_000))
    const list = [job({ hooked: true, payload: large }), job({ delay: 1_000 }), job({ hooked: true }), job()]
    const [cancelled, delayed, hidden, active] = ids(list) as [string, string, string, string]
    await caller.run(job(), { kind: 'completed', result: '1', log: [line('x')] })
    await caller.enqueue(...list)
    await store.alter('emails', [cancelled, hidden], { kind: 'cancel', reason: 'user' })
    await store.alter('emails', [hidden], { kind: 'remove' })
    expect(ids(await caller.claim(9))).toEqual([active])
    const [done] = (await store.list('emails', { state: 'completed' })).jobs
    const all = [done!.id, cancelled, delayed, hidden, active]
    expect(await store.alter('emails', [...all, 'nobody'], { kind: 'purge' })).toEqual([
      'done',
      'done',
      'done',
      'done',
      'refused',
      'missing',
    ])
    expect(await store.alter('emails', all, { kind: 'purge' })).toEqual([
      'missing',
      'missing',
      'missing',
      'missing',
      'refused',
    ])
    const { effects, nextEffect } = await store.recover('emails', { effects: { leaseMs: 1_000 } })
    expect([effects, nextEffect]).toEqual([undefined, undefined])
    expect(await store.log('emails', done!.id)).toEqual([])
    expect(await store.counts('emails')).toMatchObject({ completed: 0, cancelled: 0, delayed: 0, active: 1 })
    // Each id can be used again.
    const again = all.filter((id) => id !== active).map((id) => job({ id }))
    expect(await caller.enqueue(...again)).toEqual(again.map(() => 'queued'))
    expect((await store.get('emails', hidden))?.payload).toBe(again[0]!.payload)
  })
}
