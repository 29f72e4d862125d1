/**
 * `inspect`: facts about the servers or the file of a store. ../operate/doctor.test.ts tests the meaning of
 * these facts.
 */
import { expect, test } from 'vitest'
import type { Make } from './harness.ts'
import { job } from './jobs.ts'

export function inspecting(make: Make): void {
  test('inspect returns facts about the store, and changes nothing', async () => {
    await using harness = await make()
    const { store } = harness
    await harness.caller().enqueue(job())
    const before = [await store.partitions(), await store.standings(['emails'], 10), await store.keys()]
    const found = await store.inspect()
    expect(found.durability).toBe('normal')
    if (found.kind === 'sqlite') {
      expect(found.version).toMatch(/^3\.\d+\.\d+$/)
      expect(found.library).toMatch(/^(libsql|node:sqlite)$/)
      if (found.file !== undefined) {
        expect(found.file).toMatchObject({ journal: 'wal', isSynced: false })
        for (const size of ['size', 'disk'] as const) expect(found.file[size]).toBeGreaterThan(0)
      }
    } else {
      expect(found.servers.length).toBeGreaterThan(0)
      for (const server of found.servers) {
        expect(server).not.toHaveProperty('failure')
        expect(server.version).toMatch(/^\d+\.\d+\.\d+$/)
        expect(Math.abs(server.clock!.ahead)).toBeLessThan(60_000)
        expect(server.usedMemory).toBeGreaterThan(0)
        expect(server.refused).toEqual([])
      }
    }
    expect([await store.partitions(), await store.standings(['emails'], 10), await store.keys()]).toEqual(
      before,
    )
  })
}
