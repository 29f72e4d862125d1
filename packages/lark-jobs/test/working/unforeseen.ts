import { expect, test, vi } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, Record } from './bench.ts'

/** Tests unexpected answers of the store. */
export function unforeseen(connect: Connect): void {
  test('outcomes whose call got an unexpected answer are kept, and sent again in a call that claims no jobs', async () => {
    await using bench = await Bench.make(connect)
    let runs = 0
    class PlainJob extends Job {
      handle() {
        runs += 1
      }
    }
    const { store } = await insideOf(bench.jobs).open()
    const error = Object.assign(new Error('attempt to do the impossible'), {
      code: 'UNKNOWN_SQLITE_ERROR_9999',
    })
    const report = new Record()
    await bench.work([PlainJob], { report })
    const exchange = store.exchange.bind(store)
    const carried: [outcomes: number, asked: number][] = []
    vi.spyOn(store, 'exchange').mockImplementation(async (partition, call, settlements, want) => {
      if (settlements.length === 0) return exchange(partition, call, settlements, want)
      carried.push([settlements.length, want.limit])
      if (carried.length <= 2) throw error
      return exchange(partition, call, settlements, want)
    })
    const job = new PlainJob()
    await bench.jobs.dispatch(job)
    await report.ends(1)
    await vi.waitFor(
      async () => expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'completed' }),
      5_000,
    )
    expect(runs).toBe(1)
    expect(carried.slice(1, 3)).toEqual([
      [1, 0],
      [1, 0],
    ])
    expect(report.warnings.join()).toContain('attempt to do the impossible')
    vi.restoreAllMocks()
    // The worker claims jobs again.
    await bench.jobs.dispatch(new PlainJob())
    await report.ends(2)
  })
}
