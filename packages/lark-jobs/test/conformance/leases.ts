/**
 * Who holds a job: tokens, late settlements, and leases that are renewed.
 */
import { expect, test } from 'vitest'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, job, jobs, line } from './jobs.ts'

export function leases(make: Make): void {
  test('the token is the call that claimed', async () => {
    await using harness = await make()
    const caller = harness.caller('host-1-abc')
    await caller.enqueue(...jobs(2))
    await caller.claim(0)
    expect((await caller.claim(2)).map((held) => held.token)).toEqual(['host-1-abc.3', 'host-1-abc.3'])
  })

  test('a late settle is refused and changes nothing', async () => {
    await using harness = await make()
    const ada = harness.caller('ada')
    const bob = harness.caller('bob')
    const given = job()
    await ada.enqueue(given)
    const first = await ada.claimOne()
    harness.clock.advance(LEASE + 1)
    await harness.store.recover('emails')
    expect(await ada.settle(first, { kind: 'completed', result: '1' })).toBe('lost')
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

  test('a caller that claims a job a second time cannot settle it by its first token', async () => {
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

  test('a lease that ended, but was not taken back, still settles', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    harness.clock.advance(10 * LEASE)
    expect(await caller.settle(held, completed)).toBe('settled')
  })

  test('a lease that ended, but was not taken back, is extended', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    harness.clock.advance(10 * LEASE)
    expect(await harness.store.extend('emails', 'ada', [held], LEASE)).toEqual({ lost: [], notices: [] })
    expect(await harness.store.recover('emails')).toEqual({ recovered: [], failed: [], nextLeaseEnd: LEASE })
  })

  test('extends from now, not from the end of the lease', async () => {
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

  test('tells which leases are lost, and extends the others', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(3))
    const [kept, settled, stolen] = await caller.claim(3)
    await caller.settle(settled!, completed)
    harness.clock.advance(LEASE - 1)
    const notes = [
      { id: kept!.id, token: kept!.token },
      { id: settled!.id, token: settled!.token },
      { id: stolen!.id, token: 'thief.9' },
      { id: 'nobody', token: 'ada.2' },
    ]
    const { lost } = await harness.store.extend('emails', 'ada', notes, LEASE)
    expect(lost).toEqual([settled!.id, stolen!.id, 'nobody'])
    harness.clock.advance(1)
    expect((await harness.store.recover('emails')).recovered).toEqual([stolen!.id])
  })

  test('takes log lines, which stay when the job ends; sent again, they are kept once', async () => {
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

  test('takes no line for a lost lease', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const { id } = await caller.claimOne()
    await harness.store.extend('emails', 'bob', [{ id, token: 'bob.1', log: [line('x')] }], LEASE)
    expect(await harness.store.log('emails', id)).toEqual([])
  })
}
