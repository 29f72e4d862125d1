/**
 * Jobs that are taken back from dead workers, and that fail after too many crashes.
 */
import { expect, test } from 'vitest'
import { MAX_CRASHES, MAX_ITEMS } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, ids, job, jobs, retried } from './jobs.ts'

export function recover(make: Make): void {
  test('recover takes back no job before its lease has ended, and returns when the next lease ends', async () => {
    await using harness = await make()
    const caller = harness.caller()
    expect(await harness.store.recover('emails')).toEqual({ recovered: [], failed: [] })
    await caller.enqueue(...jobs(2))
    await caller.claim(1, 5_000)
    harness.clock.advance(1_000)
    await caller.claim(1, 2_000)
    expect(await harness.store.recover('emails')).toEqual({ recovered: [], failed: [], nextLeaseEnd: 2_000 })
    harness.clock.advance(2_000)
    const { recovered, nextLeaseEnd } = await harness.store.recover('emails')
    expect(recovered).toHaveLength(1)
    expect(nextLeaseEnd).toBe(2_000)
  })

  test('recover puts jobs back at the head of the line, and counts a crash but no failure', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = jobs(4)
    await caller.enqueue(...list)
    await caller.claim(2)
    harness.clock.advance(LEASE)
    const { recovered } = await harness.store.recover('emails')
    expect([...recovered].sort()).toEqual(ids(list.slice(0, 2)))
    const record = await harness.store.get('emails', list[0]!.id)
    expect(record).toMatchObject({ state: 'waiting', runs: 1, crashes: 1, failures: 0 })
    expect(record).not.toHaveProperty('holder')
    expect(ids(await caller.claim(4))).toEqual(ids(list))
  })

  test('a job that recover puts back keeps its priority', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const low = job({ priority: -1 })
    await caller.enqueue(low)
    await caller.claim()
    const normal = job()
    await caller.enqueue(normal)
    harness.clock.advance(LEASE)
    await harness.store.recover('emails')
    expect(ids(await caller.claim(2))).toEqual([normal.id, low.id])
  })

  test(`crash ${MAX_CRASHES} fails the job if the job ran alone and its process was not killed from outside`, async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job()
    await caller.enqueue(given)
    for (let crash = 1; crash < MAX_CRASHES; crash += 1) {
      await caller.claimOne()
      harness.clock.advance(LEASE)
      expect(await harness.store.recover('emails')).toEqual({
        recovered: [given.id],
        failed: [],
        crashed: [given.id],
      })
    }
    await caller.claimAlone()
    harness.clock.advance(LEASE)
    expect(await harness.store.recover('emails', { fromWithin: true })).toEqual({
      recovered: [],
      failed: [given.id],
      crashed: [given.id],
    })
    const record = await harness.store.get('emails', given.id)
    expect(record).toMatchObject({
      state: 'failed',
      runs: MAX_CRASHES,
      crashes: MAX_CRASHES,
      failures: 0,
      finishedAt: harness.clock.now,
    })
    expect(record?.errors.at(-1)).toMatchObject({ run: MAX_CRASHES, code: 'WORKER_DIED' })
    expect(record?.errors.at(-1)?.message).toContain('its worker died')
    expect(await caller.claim()).toEqual([])
  })

  test('a forgiving recovery (after an outage of the store) counts no crash', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const given = job()
    await caller.enqueue(given)
    for (let round = 1; round <= MAX_CRASHES + 1; round += 1) {
      expect(await caller.claimOne()).toMatchObject({ runs: round, crashes: 0 })
      clock.advance(LEASE)
      expect(await store.recover('emails', { forgiving: true })).toEqual({
        recovered: [given.id],
        failed: [],
      })
    }
    await caller.claimOne()
    clock.advance(LEASE)
    await store.recover('emails')
    expect(await store.get('emails', given.id)).toMatchObject({ state: 'waiting', crashes: 1, failures: 0 })
  })

  test('crashes and failures are counted separately', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    for (let round = 1; round < MAX_CRASHES; round += 1) {
      await caller.settle(await caller.claimOne(), retried(0))
      await caller.claimOne()
      harness.clock.advance(LEASE)
      await harness.store.recover('emails')
    }
    expect(await caller.claimOne()).toMatchObject({ failures: 2, crashes: 2, runs: 5 })
  })

  test(`recover takes back at most ${MAX_ITEMS} jobs a call, and the other jobs with the next call`, async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(MAX_ITEMS))
    await caller.enqueue(...jobs(5))
    await caller.claim(MAX_ITEMS)
    await caller.claim(5)
    harness.clock.advance(LEASE)
    const first = await harness.store.recover('emails')
    expect(first.recovered).toHaveLength(MAX_ITEMS)
    expect(first.nextLeaseEnd).toBe(0)
    const second = await harness.store.recover('emails')
    expect(second.recovered).toHaveLength(5)
    expect(second).not.toHaveProperty('nextLeaseEnd')
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: MAX_ITEMS + 5, active: 0 })
  })

  test('recover takes back whole claims, those whose lease ended first', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.enqueue(...jobs(MAX_ITEMS))
    await caller.enqueue(...jobs(201))
    await caller.claim(600, 3_000)
    await caller.claim(300, 1_000)
    await caller.claim(301, 2_000)
    harness.clock.advance(3_000)
    const counts: number[] = []
    for (let call = 0; call < 3; call += 1) counts.push((await store.recover('emails')).recovered.length)
    expect(counts).toEqual([601, 600, 0])
  })

  test('recover with `holder` takes back all jobs of a dead worker at once, and counts a crash for each', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller('ada')
    const bob = harness.caller('bob')
    await ada.enqueue(...jobs(6))
    const first = await ada.claim(2)
    const second = await ada.claimAhead(1, 1)
    const others = await bob.claim(2, 4_000)
    const { recovered, failed, nextLeaseEnd } = await store.recover('emails', { holder: 'ada' })
    expect([...recovered].sort()).toEqual(ids([...first, ...second]))
    expect([failed, nextLeaseEnd]).toEqual([[], 4_000])
    expect(await store.get('emails', first[0]!.id)).toMatchObject({ state: 'waiting', runs: 1, crashes: 1 })
    expect(await store.get('emails', second[1]!.id)).toMatchObject({ state: 'waiting', runs: 0, crashes: 0 })
    expect(await ada.settle(second[1]!, completed)).toBe('lost')
    expect(await bob.settle(others[0]!, completed)).toBe('settled')
  })

  test('recover with `holder` also takes back jobs of this worker whose lease has ended, and no jobs of other workers', async () => {
    await using harness = await make()
    const { store } = harness
    await harness.caller('web').enqueue(...jobs(4))
    const ended = await harness.caller('ada').claim(1, 1_000)
    const living = await harness.caller('ada').claim(1)
    await harness.caller('adam').claim(1, 1_000)
    await harness.caller('bob').claim(1, 1_000)
    harness.clock.advance(1_000)
    const { recovered, nextLeaseEnd } = await store.recover('emails', { holder: 'ada' })
    expect([...recovered].sort()).toEqual(ids([...ended, ...living]))
    expect(nextLeaseEnd).toBe(0)
    expect(await store.recover('emails', { holder: 'nobody' })).toMatchObject({ recovered: [], failed: [] })
    expect(await store.counts('emails')).toMatchObject({ waiting: 2, active: 2 })
  })

  test('a forgiving recovery with `holder` counts no crash', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    await harness.store.recover('emails', { holder: 'ada', forgiving: true })
    expect(await harness.store.get('emails', held.id)).toMatchObject({ runs: 1, crashes: 0 })
  })

  test(`recover with \`holder\` takes back whole claims, and at most ${MAX_ITEMS} jobs a call`, async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.enqueue(...jobs(MAX_ITEMS))
    await caller.enqueue(...jobs(200))
    for (let claim = 0; claim < 4; claim += 1) await caller.claim(300)
    const counts: number[] = []
    for (let call = 0; call < 3; call += 1) {
      counts.push((await store.recover('emails', { holder: 'ada' })).recovered.length)
    }
    expect(counts).toEqual([900, 300, 0])
  })

  test('recover with `holder` takes back no jobs of workers whose names begin with the same text', async () => {
    await using harness = await make()
    const { store } = harness
    const names = ['a', 'a.b', 'a.1b', 'a-thread', 'aa', 'A', 'b.a', 'a.']
    const held = new Map<string, string>()
    for (const name of names) {
      const caller = harness.caller(name)
      await caller.enqueue(job())
      held.set(name, (await caller.claimOne()).id)
    }
    for (const [name, id] of held) {
      expect(await store.get('emails', id)).toMatchObject({ holder: name })
      expect(await store.recover('emails', { holder: name })).toMatchObject({ recovered: [id] })
      // Cancelled, so that the next claim does not get this job.
      await store.alter('emails', [id], { kind: 'cancel', reason: 'user' })
    }
  })

  test('recover with `unread` undoes one claim whose answer nobody has read', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller('ada')
    await ada.enqueue(...jobs(6))
    const read = await ada.claimAhead(1, 1)
    const unread = await ada.claimAhead(2, 1)
    const { token } = unread[0]!
    const { recovered, failed, nextLeaseEnd } = await store.recover('emails', { unread: token })
    expect([...recovered].sort()).toEqual(ids(unread))
    expect([failed, nextLeaseEnd]).toEqual([[], LEASE])
    for (const { id } of unread)
      expect(await store.get('emails', id)).toMatchObject({ state: 'waiting', runs: 0, crashes: 0 })
    expect(await ada.settle(unread[0]!, completed)).toBe('lost')
    expect(await ada.settle(read[0]!, completed)).toBe('settled')
    // The jobs are in their old places, and may be prefetched again.
    const again = await harness.caller('bob').claimAhead(0, 3)
    expect(ids(again)).toEqual(ids(unread))
    expect(await store.recover('emails', { unread: token })).toMatchObject({ recovered: [], failed: [] })
  })

  test('a recovery with `until` does nothing if the store receives it too late', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    const until = (await store.now()) + LEASE
    clock.advance(LEASE + 1)
    expect(await store.recover('emails', { until })).toEqual({ recovered: [], failed: [] })
    expect(await store.recover('emails', { until, holder: 'ada' })).toEqual({ recovered: [], failed: [] })
    expect(await store.get('emails', held.id)).toMatchObject({ state: 'active', holder: 'ada', crashes: 0 })
    // So living workers have time to renew their leases.
    expect(await caller.extend([held])).toEqual({ lost: [], notices: [] })
    expect(await caller.settle(held, completed)).toBe('settled')
  })

  test('a recovery with `until` takes back jobs if the store receives it in time', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    harness.clock.advance(LEASE)
    const until = await harness.store.now()
    expect((await harness.store.recover('emails', { until })).recovered).toEqual([held.id])
  })

  test('a job with a cancel request does not run again when its worker dies', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job()
    await caller.enqueue(given)
    await caller.claim()
    await harness.store.alter('emails', [given.id], { kind: 'cancel', reason: 'user' })
    harness.clock.advance(LEASE)
    expect((await harness.store.recover('emails')).recovered).toEqual([])
    expect(await harness.store.get('emails', given.id)).toMatchObject({ state: 'cancelled', reason: 'user' })
  })
}
