/** Leases, tokens and late settlements. All jobs of a claim share one lease, which one `extend` renews. */
import { expect, test } from 'vitest'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, failed, ids, job, jobs, line, retried, settlement, unstarted } from './jobs.ts'

export function leases(make: Make): void {
  test('the token of a claimed job names the call that claimed the job', async () => {
    await using harness = await make()
    const caller = harness.caller('host-1-abc')
    await caller.enqueue(...jobs(2))
    await caller.claim(0)
    expect((await caller.claim(2)).map((held) => held.token)).toEqual(['host-1-abc.3', 'host-1-abc.3'])
  })

  test('a late settle is refused after another worker has claimed the job, and changes nothing', async () => {
    await using harness = await make()
    const ada = harness.caller('ada')
    const bob = harness.caller('bob')
    const given = job()
    await ada.enqueue(given)
    const first = await ada.claimOne()
    harness.clock.advance(LEASE + 1)
    await harness.store.recover('emails')
    expect(await harness.store.get('emails', given.id)).toMatchObject({ state: 'waiting', crashes: 1 })

    const second = await bob.claimOne()
    expect(await ada.settle(first, { kind: 'completed', result: '1' })).toBe('lost')
    const record = await harness.store.get('emails', given.id)
    expect(record).toMatchObject({ state: 'active', holder: 'bob', runs: 2 })
    expect(record).not.toHaveProperty('result')

    expect(await bob.settle(second, completed)).toBe('settled')
    expect(await bob.settle(second, completed)).toBe('lost')
    expect(await harness.store.counts('emails')).toMatchObject({ completed: 1, active: 0 })
  })

  test('a caller that claims a job a second time cannot settle the job with its first token', async () => {
    await using harness = await make()
    const ada = harness.caller('ada')
    await ada.enqueue(job())
    const first = await ada.claimOne()
    harness.clock.advance(LEASE + 1)
    await harness.store.recover('emails')
    const second = await ada.claimOne()
    expect(second.id).toBe(first.id)
    expect(await ada.settle(first, completed)).toBe('lost')
    expect(await ada.settle(second, completed)).toBe('settled')
  })

  test('a job whose lease has ended can be settled until it is taken back', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    harness.clock.advance(10 * LEASE)
    expect(await caller.settle(held, completed)).toBe('settled')
  })

  test('a lease that has ended can be extended until its jobs are taken back', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    harness.clock.advance(10 * LEASE)
    expect(await harness.store.extend('emails', 'ada', [held], LEASE)).toEqual({ lost: [], notices: [] })
    expect(await harness.store.recover('emails')).toEqual({ recovered: [], failed: [], nextLeaseEnd: LEASE })
  })

  test('an extended lease begins now, and not at the end of the earlier lease', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    harness.clock.advance(LEASE - 1_000)
    await harness.store.extend('emails', 'ada', [held], LEASE)
    harness.clock.advance(LEASE - 1)
    expect((await harness.store.recover('emails')).recovered).toEqual([])
    harness.clock.advance(1)
    expect((await harness.store.recover('emails')).recovered).toEqual([held.id])
  })

  test('an extend returns the lost leases, and extends all other leases', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(3))
    const kept = await caller.claimOne()
    const settled = await caller.claimOne()
    const stolen = await caller.claimOne()
    await caller.settle(settled, completed)
    harness.clock.advance(LEASE - 1)
    const notes = [kept, settled, { id: stolen.id, token: 'thief.9' }, { id: 'nobody', token: 'ada.2' }]
    expect((await caller.extend(notes)).lost).toEqual([settled.id, stolen.id, 'nobody'])
    harness.clock.advance(1)
    expect((await harness.store.recover('emails')).recovered).toEqual([stolen.id])
  })

  test('an extend of one job renews the lease of all active jobs of its claim, and no other lease', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(6))
    const [first, second, third] = await caller.claim(3)
    const others = await caller.claim(2)
    await caller.settle(second!, completed)
    harness.clock.advance(LEASE - 1)
    expect(await caller.extend([first!])).toEqual({ lost: [], notices: [] })
    harness.clock.advance(1)
    const { recovered, nextLeaseEnd } = await harness.store.recover('emails')
    expect([...recovered].sort()).toEqual(ids(others))
    expect(nextLeaseEnd).toBe(LEASE - 1)
    harness.clock.advance(LEASE - 1)
    const late = await harness.store.recover('emails')
    expect([...late.recovered].sort()).toEqual(ids([first!, third!]))
  })

  test('an extend of a settled job renews no lease', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(2))
    const [settled, held] = await caller.claim(2)
    await caller.settle(settled!, completed)
    harness.clock.advance(LEASE - 1)
    expect((await caller.extend([settled!])).lost).toEqual([settled!.id])
    harness.clock.advance(1)
    expect((await harness.store.recover('emails')).recovered).toEqual([held!.id])
  })

  test('an extend may also shorten a lease', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(2))
    const [held] = await caller.claim(2)
    await caller.extend([held!], 1_000)
    expect((await harness.store.recover('emails')).nextLeaseEnd).toBe(1_000)
    harness.clock.advance(1_000)
    expect((await harness.store.recover('emails')).recovered).toHaveLength(2)
  })

  test('the lease of a claim is gone when its last job is settled, one by one or all at once', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.enqueue(...jobs(4))
    const [first, second] = await caller.claim(2, 1_000)
    await caller.settle(first!, completed)
    expect((await store.recover('emails')).nextLeaseEnd).toBe(1_000)
    await caller.settle(second!, completed)
    expect(await store.recover('emails')).toEqual({ recovered: [], failed: [] })
    const both = await caller.claim(2, 1_000)
    const settlements = both.map((held) => settlement(held, unstarted))
    await caller.exchange(settlements, { limit: 0, leaseMs: LEASE })
    expect(await store.recover('emails')).toEqual({ recovered: [], failed: [] })
  })

  test('one exchange settles jobs of several claims, including lost jobs', async () => {
    await using harness = await make()
    const ada = harness.caller('ada')
    const bob = harness.caller('bob')
    await ada.enqueue(...jobs(6))
    const [a1, a2, a3] = await ada.claim(3)
    const [b1, b2] = await bob.claim(2)
    const other = await ada.claimOne()
    const { verdicts } = await ada.exchange(
      [
        settlement(a1!, completed),
        settlement(b1!, completed),
        settlement({ id: a2!.id, token: b1!.token }, completed),
        settlement(other, retried(0)),
        settlement(a2!, completed),
        settlement({ id: b2!.id, token: 'thief.1' }, failed),
      ],
      { limit: 0, leaseMs: LEASE },
    )
    expect(verdicts).toEqual(['settled', 'settled', 'lost', 'settled', 'settled', 'lost'])
    expect(await harness.store.counts('emails')).toMatchObject({ completed: 3, waiting: 1, active: 2 })
    expect((await harness.takeBack()).sort()).toEqual(ids([a3!, b2!]))
  })

  test('an extend stores log lines, which stay when the job ends, and lines that are sent again are stored once', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    const note = { id: held.id, token: held.token, log: [line('one'), line('two', { at: 2 })] }
    await harness.store.extend('emails', 'ada', [note], LEASE)
    await harness.store.extend('emails', 'ada', [note], LEASE)
    await harness.store.extend('emails', 'ada', [{ ...note, log: [line('three', { at: 3 })] }], LEASE)
    await caller.settle(held, { kind: 'completed', log: [line('four', { at: 4 })] })
    const kept = await harness.store.log('emails', held.id)
    expect(kept.map(({ text }) => text)).toEqual(['one', 'two', 'three', 'four'])
  })

  test('an extend stores no line for a lost lease', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const { id } = await caller.claimOne()
    await harness.store.extend('emails', 'bob', [{ id, token: 'bob.1', log: [line('x')] }], LEASE)
    expect(await harness.store.log('emails', id)).toEqual([])
  })
}
