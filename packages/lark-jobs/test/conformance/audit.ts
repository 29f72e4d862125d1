/** The audit of changes by hand. Each change has one entry, and the number of entries is bounded. */
import { expect, test } from 'vitest'
import { MAX_ITEMS, type Store } from '../../src/store/contract/store.ts'
import type { Make } from './harness.ts'

const BOUNDS = { count: 100, age: 60_000 }

async function textsOf({ audit }: Store): Promise<string[]> {
  return (await audit.list(MAX_ITEMS)).entries.map(({ text }) => text)
}

export function auditing(make: Make): void {
  test('an audit entry has the times at which it was first and last written', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const { audit } = store
    expect(await audit.list(10)).toEqual({ now: clock.now, entries: [] })
    const at = clock.now
    await audit.write('one', '{"who":"ada|ü"}', BOUNDS)
    clock.advance(10)
    await audit.write('one', '', BOUNDS)
    await audit.write('one', 'done |', BOUNDS)
    const entry = { id: 'one', at, writtenAt: clock.now, text: 'done |' }
    expect(await audit.list(10)).toEqual({ now: clock.now, entries: [entry] })
  })

  test('pages of the audit go from the newest entry to the oldest, also if entries have the same time or an entry was removed', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const { audit } = store
    const ids: string[] = []
    for (const [id, after] of [
      ['b', 1],
      ['a', 0],
      ['d', 0],
      ['c', 0],
      ['e', 1],
      ['f', 1],
    ] as const) {
      clock.advance(after)
      await audit.write(id, id, BOUNDS)
    }
    let before: { id: string; at: number } | undefined
    for (;;) {
      const { entries } = await audit.list(2, before)
      ids.push(...entries.map(({ id }) => id))
      if (entries.length < 2) break
      before = entries.at(-1)
    }
    expect(ids).toEqual(['f', 'e', 'd', 'c', 'b', 'a'])
    const at = before!.at
    expect((await audit.list(9, { id: 'bb', at })).entries.map(({ id }) => id)).toEqual(['b', 'a'])
    expect((await audit.list(9, { id: 'a', at })).entries).toEqual([])
  })

  test('each new audit entry removes the entries that are too old, and the oldest entries if there are too many', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const { audit } = store
    await audit.write('1', 'old', BOUNDS)
    clock.advance(30_000)
    await audit.write('2', 'young', BOUNDS)
    clock.advance(30_000)
    await audit.write('3', 'new', BOUNDS)
    expect(await textsOf(store)).toEqual(['new', 'young'])
    for (let n = 4; n <= 7; n++) await audit.write(String(n), `entry ${n}`, { ...BOUNDS, count: 3 })
    expect(await textsOf(store)).toEqual(['entry 7', 'entry 6', 'entry 5'])
    // To write an entry again adds no entry, unless the entry was removed.
    await audit.write('6', 'again', { ...BOUNDS, count: 3 })
    expect(await textsOf(store)).toEqual(['entry 7', 'again', 'entry 5'])
    clock.advance(1)
    await audit.write('2', 'back', { ...BOUNDS, count: 3 })
    expect(await textsOf(store)).toEqual(['back', 'entry 7', 'again'])
  })
}
