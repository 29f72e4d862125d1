/** A run from the claim of the job to its outcome: state, counters, errors, result and log. */
import { expect, test } from 'vitest'
import type { Outcome } from '../../src/model/record.ts'
import { MAX_ERRORS, MAX_LOG_BYTES, MAX_LOG_LINES } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, failed, job, jobError, jobs, line, retried, settlement, unstarted } from './jobs.ts'

export function claimAndSettle(make: Make): void {
  test('a claimed job is active, has its claimer as holder, and is in no other claim', async () => {
    await using harness = await make()
    const caller = harness.caller('ada')
    const given = job()
    await caller.enqueue(given)
    harness.clock.advance(5)
    await caller.claim()
    expect(await harness.caller('bob').claim()).toEqual([])
    expect(await harness.store.get('emails', given.id)).toMatchObject({
      state: 'active',
      holder: 'ada',
      claimedAt: harness.clock.now,
      runs: 1,
    })
  })

  test('a settled job has no holder', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job()
    await caller.run(given, completed)
    const record = await harness.store.get('emails', given.id)
    expect(record).toMatchObject({ state: 'completed', finishedAt: harness.clock.now })
    expect(record).not.toHaveProperty('holder')
    expect(record).not.toHaveProperty('dueAt')
  })

  /** The effect of each outcome on a job that ran once. */
  const cases: [name: string, outcome: Outcome, expected: object][] = [
    ['completed', completed, { state: 'completed', runs: 1, failures: 0 }],
    ['completed with a result', { kind: 'completed', result: '{"sent":1}' }, { result: '{"sent":1}' }],
    ['failed for good', failed, { state: 'failed', runs: 1, failures: 1, errors: [jobError()] }],
    ['failed, to be retried', retried(500), { state: 'delayed', runs: 1, failures: 1, errors: [jobError()] }],
    ['failed, to be retried at once', retried(0), { state: 'waiting', runs: 1, failures: 1 }],
    ['released', { kind: 'released', in: 500 }, { state: 'delayed', runs: 1, releases: 1, failures: 0 }],
    ['released at once', { kind: 'released', in: 0 }, { state: 'waiting', runs: 1, releases: 1 }],
    ['released to its place', { kind: 'released', in: 500, keepsPlace: true }, { state: 'waiting', runs: 1 }],
    [
      'released with a reason',
      { kind: 'released', in: 500, because: 'a|b\n✓' },
      { state: 'delayed', releases: 1, because: 'a|b\n✓' },
    ],
    ['unstarted', unstarted, { state: 'waiting', runs: 0, failures: 0, releases: 0, crashes: 0, errors: [] }],
    [
      'cancelled',
      { kind: 'cancelled', reason: 'user' },
      { state: 'cancelled', reason: 'user', runs: 1, failures: 0, errors: [] },
    ],
    [
      'cancelled with an error',
      { kind: 'cancelled', reason: 'expired', error: jobError({ code: 'LATE' }) },
      { state: 'cancelled', reason: 'expired', errors: [jobError({ code: 'LATE' })] },
    ],
  ]
  for (const [name, outcome, expected] of cases) {
    test(`outcome ${name}`, async () => {
      await using harness = await make()
      const given = job()
      await harness.caller().run(given, outcome)
      expect(await harness.store.get('emails', given.id)).toMatchObject(expected)
      const counts = await harness.store.counts('emails')
      expect(Object.values(counts).reduce((sum, n) => sum + n)).toBe(1)
    })
  }

  test('the reason for a release is shown while the job waits for its next run, and not after that', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const given = job()
    const because = async () => {
      const [listed] = (await store.list('emails', { state: 'waiting' })).jobs
      const record = await store.get('emails', given.id)
      expect(listed?.because).toBe(record?.because)
      return record?.because
    }
    await caller.enqueue(given)
    for (const [outcome, expected] of [
      [{ kind: 'released', in: 0, because: 'first' }, 'first'],
      [unstarted, 'first'],
      [{ kind: 'released', in: 0, because: 'second' }, 'second'],
      [retried(0), undefined],
      [{ kind: 'released', in: 0, because: 'third' }, 'third'],
      [{ kind: 'released', in: 0 }, undefined],
      [{ kind: 'released', in: 0, because: 'fourth' }, 'fourth'],
    ] as [Outcome, string | undefined][]) {
      await caller.settle(await caller.claimOne(), outcome)
      expect(await because()).toBe(expected)
    }
    await caller.settle(await caller.claimOne(), completed)
    const record = await store.get('emails', given.id)
    expect(record).not.toHaveProperty('because')
    expect(record).not.toHaveProperty('reason')
  })

  test('the claimer gets the counters of all earlier runs of the job', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job()
    await caller.enqueue(given)
    for (const outcome of [retried(0), { kind: 'released', in: 0 }, unstarted, retried(0)] as Outcome[]) {
      await caller.settle(await caller.claimOne(), outcome)
    }
    expect(await caller.claimOne()).toMatchObject({ runs: 4, failures: 2, releases: 1, crashes: 0 })
  })

  test('an exchange settles and claims in one call, and its answers are in the order of the settlements', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(4))
    const [first, second] = await caller.claim(2)
    const settlements = [
      settlement(first!, completed),
      settlement({ id: second!.id, token: 'thief.1' }, completed),
      settlement(second!, { kind: 'completed', result: '2' }),
      settlement({ id: 'nobody', token: 'ada.2' }, completed),
      settlement(first!, completed),
    ]
    const exchange = await caller.exchange(settlements, { limit: 1, leaseMs: LEASE })
    expect(exchange.verdicts).toEqual(['settled', 'lost', 'settled', 'lost', 'lost'])
    expect(exchange.jobs).toHaveLength(1)
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 1, active: 1, completed: 2 })
  })

  test('a job that an exchange gives back may be claimed by the same exchange', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    const exchange = await caller.exchange([settlement(held, retried(0))], { limit: 1, leaseMs: LEASE })
    expect(exchange.jobs).toMatchObject([{ id: held.id, runs: 2, token: 'ada.3' }])
  })

  test(`a job keeps its newest ${MAX_ERRORS} errors, the oldest first`, async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job()
    await caller.enqueue(given)
    for (let run = 1; run <= MAX_ERRORS + 3; run += 1) {
      await caller.settle(await caller.claimOne(), retried(0, run))
    }
    const record = await harness.store.get('emails', given.id)
    expect(record?.errors.map((error) => error.run)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    expect(record?.failures).toBe(MAX_ERRORS + 3)
  })

  test('the store keeps every field of an error', async () => {
    await using harness = await make()
    const error = jobError({ code: 'EAUTH', stack: 'Error: x\n  at y|z', took: 12, message: 'é "q" \\ \n' })
    const given = job()
    await harness.caller().run(given, { kind: 'failed', error })
    expect((await harness.store.get('emails', given.id))?.errors).toEqual([
      { ...error, at: harness.clock.now },
    ])
  })

  test('a job keeps the log of all its runs, in order', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job()
    const lines = [line('a'), line('b', { level: 'error', at: 2 }), line('ü|\n', { at: 3 })]
    await caller.run(given, { ...retried(0), log: lines.slice(0, 2) })
    await caller.settle(await caller.claimOne(), { kind: 'completed', log: lines.slice(2) })
    expect(await harness.store.log('emails', given.id)).toEqual(lines)
  })

  test('a job that workers put back many times because they do not know its key uses no attempt', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job({ key: 'of-a-newer-deploy' })
    await caller.enqueue(given)
    for (const pause of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]) {
      await caller.settle(await caller.claimOne(), { kind: 'released', in: pause })
      harness.clock.advance(pause - 1)
      expect(await caller.claim()).toEqual([])
      harness.clock.advance(1)
    }
    expect(await harness.store.get('emails', given.id)).toMatchObject({
      state: 'waiting',
      releases: 7,
      failures: 0,
      crashes: 0,
      errors: [],
    })
  })

  test('a refused settlement adds no line to the log', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    await caller.settle({ id: held.id, token: 'thief.1' }, { kind: 'completed', log: [line('x')] })
    expect(await harness.store.log('emails', held.id)).toEqual([])
  })

  test(`the log of a job keeps the newest ${MAX_LOG_LINES} lines`, async () => {
    await using harness = await make()
    const given = job()
    const log = Array.from({ length: 250 }, (_, at) => line(`line ${at}`, { at }))
    await harness.caller().run(given, { kind: 'completed', log })
    expect(await harness.store.log('emails', given.id)).toEqual(log.slice(-MAX_LOG_LINES))
  })

  test(`the log of a job keeps the newest lines up to ${MAX_LOG_BYTES} bytes`, async () => {
    await using harness = await make()
    const given = job()
    const caller = harness.caller()
    const log = Array.from({ length: 60 }, (_, at) => line(`${at} ${'é'.repeat(500)}`, { at }))
    await caller.run(given, { ...retried(0), log: log.slice(0, 30) })
    await caller.settle(await caller.claimOne(), { kind: 'completed', log: log.slice(30) })
    const kept = await harness.store.log('emails', given.id)
    const bytes = kept.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0)
    expect(bytes).toBeLessThanOrEqual(MAX_LOG_BYTES)
    expect(bytes).toBeGreaterThan(MAX_LOG_BYTES / 2)
    expect(kept).toEqual(log.slice(-kept.length))
  })
}
