/** `survey`: one call returns which work is due in many partitions, and changes nothing. */
import { expect, test } from 'vitest'
import type { WorkerRecord } from '../../src/model/record.ts'
import { type Finding, MAX_ITEMS, type Surveyed } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import { take } from './effects.ts'
import type { Harness, Make } from './harness.ts'
import { completed, job, jobs } from './jobs.ts'

/** A notification of the store takes fewer milliseconds of the real clock than this. */
const PATIENCE = 10_000
const HOUR = 3_600_000

const worker: WorkerRecord = {
  id: 'ada',
  host: 'here',
  pid: 1,
  queues: ['emails'],
  strict: true,
  concurrency: 1,
  running: 0,
  keys: ['a', 'b'],
  startedAt: 0,
  state: 'running',
}

/** Returns the findings for the partition `emails`, without the time. */
async function found(
  { store, clock }: Harness,
  asked: Omit<Surveyed, 'partition'> = {},
): Promise<Omit<Finding, 'partition' | 'at'> | undefined> {
  const { findings, failures, at } = await store.survey('ada', [{ partition: 'emails', ...asked }])
  expect(at).toBe(clock.now)
  expect([...failures]).toEqual([])
  expect(findings.length).toBeLessThanOrEqual(1)
  if (findings[0] === undefined) return undefined
  const { partition, at: seen, ...rest } = findings[0]
  expect([partition, seen]).toEqual(['emails', clock.now])
  return rest
}

/** The caller `ada` asks for a job and gets no job, so it is registered as waiting. */
async function waiting(harness: Harness): Promise<void> {
  expect(await harness.caller('ada').claim()).toEqual([])
}

export function survey(make: Make): void {
  test('survey finds nothing in unknown partitions, and without partitions', async () => {
    await using harness = await make()
    const { store, clock } = harness
    expect(await found(harness, { prunes: true })).toBeUndefined()
    expect(await store.survey('ada', [])).toEqual({ at: clock.now, findings: [], failures: new Map() })
  })

  test('nextDue of survey is 0 for a caller that is not registered as waiting, and otherwise the time until a job may begin', async () => {
    await using harness = await make()
    expect(await found(harness, { waits: true })).toEqual({ nextDue: 0 })
    await waiting(harness)
    expect(await found(harness, { waits: true })).toBeUndefined()
    await waiting(harness)
    await harness.caller('bob').claim()
    // The new job notifies one of the callers, and the notification may be lost.
    await harness.caller('web').enqueue(job())
    expect(await found(harness, { waits: true })).toEqual({ nextDue: 0 })
    expect(await found(harness)).toBeUndefined()
  })

  test.each([0, 3, -3])('survey returns nextDue of a delayed job with priority %i', async (priority) => {
    await using harness = await make()
    await harness.caller('web').enqueue(job({ delay: 700, priority }))
    await waiting(harness)
    harness.clock.advance(200)
    expect(await found(harness, { waits: true })).toEqual({ nextDue: 500 })
    harness.clock.advance(600)
    expect(await found(harness, { waits: true })).toEqual({ nextDue: 0 })
  })

  test('for jobs of a group, nextDue of survey is 0, the end of the pause, or undefined while the group is full', async () => {
    await using harness = await make()
    const { store } = harness
    const group = { name: 'acme', limits: { concurrency: 1 } }
    await harness.caller('web').enqueue(...jobs(2, { group }))
    await harness.caller('ada').claim(2)
    expect(await found(harness, { waits: true })).toEqual({ nextLeaseEnd: LEASE })
    await store.pause('emails', 'acme', 300)
    await harness.caller('bob').settle((await held(harness))!, completed)
    await waiting(harness)
    expect(await found(harness, { waits: true })).toEqual({ nextDue: 300 })
    harness.clock.advance(300)
    expect(await found(harness, { waits: true })).toEqual({ nextDue: 0 })
  })

  test('for jobs that need permits, nextDue of survey is 0, because only a claim names the limiters', async () => {
    await using harness = await make()
    await harness.caller('web').enqueue(job({ limiter: 'stripe' }))
    await waiting(harness)
    expect(await found(harness, { waits: true })).toEqual({ nextDue: 0 })
  })

  test('survey returns no nextDue for a paused partition, and returns it again after the pause', async () => {
    await using harness = await make()
    const { store } = harness
    await store.configure('emails', { paused: true })
    await harness.caller('web').enqueue(...jobs(2), job({ delay: 50 }))
    await waiting(harness)
    expect(await found(harness, { waits: true })).toBeUndefined()
    await store.configure('emails', { paused: false })
    expect(await found(harness, { waits: true })).toEqual({ nextDue: 0 })
  })

  test('survey returns when the next lease ends, and takes back no jobs', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await harness.caller('web').enqueue(...jobs(2))
    await harness.caller('bob').claim(1, 9_000)
    await harness.caller('bob').claim(1, 2_000)
    expect(await found(harness)).toEqual({ nextLeaseEnd: 2_000 })
    clock.advance(3_000)
    expect(await found(harness)).toEqual({ nextLeaseEnd: 0 })
    expect(await store.counts('emails')).toMatchObject({ waiting: 0, active: 2 })
    await store.recover('emails')
    expect(await found(harness)).toEqual({ nextLeaseEnd: 6_000 })
  })

  test('survey returns when the next effect is due', async () => {
    await using harness = await make()
    const { store } = harness
    const given = job({ hooked: true })
    await harness.caller('web').enqueue(given)
    await store.alter('emails', [given.id], { kind: 'cancel', reason: 'user' })
    expect(await found(harness)).toEqual({ nextEffect: 0 })
    const effects = await take(store, [], 5_000)
    expect(effects).toMatchObject([{ job: { id: given.id } }])
    expect(await found(harness)).toEqual({ nextEffect: 5_000 })
    await take(store, effects)
    expect(await found(harness)).toBeUndefined()
  })

  test('survey returns on request whether jobs can be pruned', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller('bob')
    await caller.run(job(), completed)
    await store.prune('emails')
    expect(await found(harness, { prunes: true })).toBeUndefined()
    clock.advance(HOUR)
    expect(await found(harness)).toBeUndefined()
    expect(await found(harness, { prunes: true })).toEqual({ isOld: true })
    expect(await store.prune('emails')).toBe(1)
    expect(await found(harness, { prunes: true })).toBeUndefined()
    await caller.enqueue(job({ lock: { name: 'report', until: 'done', throttle: 500 } }))
    clock.advance(HOUR)
    expect(await found(harness, { prunes: true })).toEqual({ isOld: true })
    await store.prune('emails')
    expect(await found(harness, { prunes: true })).toBeUndefined()
  })

  test('one call of survey covers many partitions, and also announces a worker', async () => {
    await using harness = await make()
    const { store } = harness
    const names = Array.from({ length: MAX_ITEMS }, (_, i) => `q${i}`)
    await harness.caller('web', 'q7').enqueue(job())
    await harness.caller('bob', 'q7').claim()
    await harness.caller('web', 'q999').enqueue(job({ delay: 40 }))
    await harness.caller('ada', 'q999').claim()
    const asked = names.map((partition) => ({ partition, waits: partition === 'q999' }))
    const survey = await store.survey('ada', asked, { worker, ttl: LEASE })
    expect(survey).toEqual({
      at: harness.clock.now,
      partitions: 2,
      findings: [
        { partition: 'q7', at: harness.clock.now, nextLeaseEnd: LEASE },
        { partition: 'q999', at: harness.clock.now, nextDue: 40 },
      ],
      failures: new Map(),
    })
    expect(await store.workers()).toEqual([worker])
    expect((await store.keys()).sort()).toEqual(['a', 'b'])
  })

  test('the caller stays registered as waiting as long as it surveys', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await waiting(harness)
    for (let i = 0; i < 9; i++) {
      clock.advance(20_000)
      expect(await found(harness, { waits: true })).toBeUndefined()
      await store.prune('emails')
    }
    await harness.caller('web').enqueue(job())
    expect(await store.wait('ada', PATIENCE)).toEqual(['emails'])
    // The caller has got the notification, and must ask again to be registered.
    expect(await found(harness, { waits: true })).toEqual({ nextDue: 0 })
  })
}

/** Returns the active job, if there is one. */
async function held({ store }: Harness): Promise<{ id: string; token: string } | undefined> {
  const [active] = (await store.list('emails', { state: 'active' })).jobs
  return active && { id: active.id, token: 'ada.1' }
}
