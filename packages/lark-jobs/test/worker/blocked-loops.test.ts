/** The classes that are reported to have blocked the event loop, and the reported times. */
import { afterEach, expect, test, vi } from 'vitest'
import type { Execution } from '../../src/run/execution.ts'
import { BlockedLoops } from '../../src/worker/blocked-loops.ts'
import { nameOf, WITNESSES, type Witnesses, watchLoop } from '../../src/worker/lease/loop-witness.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** Makes the event loop active for `ms` milliseconds. */
function active(ms: number): void {
  const use = (active: number) => ({ active, idle: 1, utilization: 0 })
  vi.spyOn(performance, 'eventLoopUtilization').mockImplementation((since) => use(since ? ms : 0))
}

test('observations of one block of the event loop do not count for the next block', () => {
  const warnings: string[] = []
  active(2_300)
  const loops = new BlockedLoops(new Set(), (text) => warnings.push(text))
  loops.seen(['OldJob'])
  loops.turns()
  loops.turned(2_400)
  expect(warnings).toEqual([])
  loops.seen(['ReportJob'])
  loops.turned(2_400)
  expect(warnings).toEqual([expect.stringMatching(/^ReportJob blocked the event loop for 2.3 s/)])
})

test('the idle time of the event loop before the block does not count', () => {
  active(1_200)
  const loops = new BlockedLoops(new Set(), () => {})
  loops.seen(['ReportJob'])
  loops.turned(2_100)
  expect(loops.record).toEqual({})
})

test('without a measurement of the event loop, as in Bun, the whole time counts', () => {
  vi.spyOn(performance, 'eventLoopUtilization').mockReturnValue(undefined as never)
  const loops = new BlockedLoops(new Set(), () => {})
  loops.seen(['ReportJob'])
  loops.turned(2_100)
  expect(loops.record.blocked).toMatchObject([{ by: ['ReportJob'], took: 2_100, times: 1 }])
})

test('after many different sets of classes, the oldest set is forgotten', () => {
  active(3_000)
  const loops = new BlockedLoops(new Set(), () => {})
  for (let n = 0; n < 25; n++) {
    loops.seen([`Job${n}`])
    loops.turned(3_000)
  }
  expect(loops.record.blocked).toHaveLength(20)
  expect(loops.record.blocked!.at(-1)).toMatchObject({ by: ['Job24'] })
})

test('a worker gets the names of its own handlers, and whether another worker has blocked the event loop', () => {
  const run = (name: string, id: string) =>
    ({ name, isIsolated: false, job: { id, token: 't' }, jobClass: { name } }) as unknown as Execution
  const told: Record<string, readonly string[]> = {}
  const watch = (id: string, name: string) =>
    watchLoop({
      ...{ id, running: new Set([run(name, id)]), failed: () => {} },
      seen: (by) => {
        told[id] = by
      },
    })
  const ends = [watch('w1', 'ReportJob'), watch('w2', 'MailJob')]
  const witnesses = (globalThis as unknown as Record<symbol, Witnesses>)[Symbol.for(WITNESSES)]!
  expect(witnesses.seen('w1', [nameOf('t', 'w1')])).toEqual(['ReportJob'])
  expect(told).toEqual({ w1: ['ReportJob'], w2: [] })
  for (const end of ends) end()
})
