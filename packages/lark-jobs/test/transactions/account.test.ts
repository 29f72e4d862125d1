/**
 * Tests that the account finds broken promises. If it did not find them, a run without findings would prove
 * nothing.
 */
import { expect, test } from 'vitest'
import { account, type Hit, type Observed, type Rule, SPARE } from './account.ts'
import { Evidence } from './evidence.ts'

/**
 * A run without broken promises: two committed orders, the second with two jobs, and an order that was rolled
 * back.
 */
function sound() {
  const evidence = new Evidence('none')
  const by = 'worker-0.1'
  evidence.runsOf(1, 0).push({ by, at: 10_000, end: 10_010 })
  evidence.runsOf(2, 0).push({ by, at: 20_000, end: 20_010 })
  evidence.runsOf(2, 1).push({ by, at: 20_000, end: 20_010 })
  evidence.committed.add(1)
  evidence.rolledBack.add(3)
  const orders = new Map([
    [1, 1],
    [2, 2],
  ])
  const hits: Hit[] = []
  return {
    evidence,
    orders,
    hits,
    samples: [{ at: 30_000, age: 60, waiting: 1 }] as Observed['samples'][number][],
    outbox: { rows: 0, bytes: 8_192 },
    left: [] as string[],
    exited: [] as string[],
    writerOf: () => 'application-0.1',
    isFile: { database: false, store: false },
    leaseMs: 5_000,
  }
}

const brokenIn = (seen: Observed): Rule[] => account(seen).findings.map(({ rule }) => rule)

test('a run without broken promises has no findings', () => {
  expect(account(sound())).toMatchObject({ orders: 2, jobs: 3, runs: 3, rolledBack: 1, findings: [] })
})

test.each<[Rule, (seen: ReturnType<typeof sound>) => unknown]>([
  ['lost', ({ orders }) => orders.set(4, 1)],
  ['lost', ({ evidence }) => delete evidence.runsOf(2, 1)[0]!.end],
  ['phantom', ({ evidence }) => evidence.runsOf(3, 0).push({ by: 'worker-0.1', at: 1, end: 2 })],
  ['second-run', ({ evidence }) => evidence.runsOf(1, 0).push({ by: 'worker-1.1', at: 12_000, end: 12_001 })],
  ['rollback-kept', ({ evidence }) => evidence.rolledBack.add(1)],
  ['commit-gone', ({ evidence }) => evidence.committed.add(4)],
  ['too-old', ({ samples }) => samples.push({ at: 40_000, age: SPARE + 10, waiting: 1 })],
  ['rows-left', ({ outbox }) => Object.assign(outbox, { rows: 1 })],
  ['not-small', ({ outbox }) => Object.assign(outbox, { bytes: 2 ** 30 })],
  ['store-left', ({ left }) => left.push('job is failed')],
  ['exited', ({ exited }) => exited.push('worker-0.1: exit code 1')],
])('%s is found', (rule, spoil) => {
  const seen = sound()
  spoil(seen)
  expect(brokenIn(seen)).toEqual([rule])
})

test('a job may run again only if its worker was killed or stopped, or if the store was down', () => {
  const again = (hit: Hit) => {
    const seen = sound()
    seen.evidence.runsOf(1, 0).push({ by: 'worker-1.1', at: 16_000, end: 16_001 })
    seen.hits.push(hit)
    return brokenIn(seen)
  }
  const killed = { what: 'killed', by: 'worker-0.1' } as const
  expect(again({ ...killed, from: 10_005, to: 10_005 })).toEqual([])
  expect(again({ ...killed, from: 12_000, to: 12_000 })).toEqual(['second-run'])
  expect(again({ ...killed, by: 'worker-2.1', from: 10_005, to: 10_005 })).toEqual(['second-run'])
  expect(again({ what: 'frozen', by: 'worker-0.1', from: 10_005, to: 15_900 })).toEqual([])
  expect(again({ what: 'frozen', by: 'worker-0.1', from: 10_005, to: 10_900 })).toEqual(['second-run'])
  expect(again({ what: 'killed', by: 'store', from: 10_005, to: 14_000 })).toEqual([])
  expect(again({ what: 'killed', by: 'database', from: 10_005, to: 14_000 })).toEqual(['second-run'])
})

test('a row may wait as long as the outage and the bound of the manual together, and no longer', () => {
  const old = (age: number, hits: Hit[], writer?: string, waiting = 1) => {
    const seen = sound()
    seen.evidence.relays.set('worker-0.1', [35_000])
    seen.samples.push({ at: 40_000, age, waiting, ...(writer && { n: 7 }) })
    seen.hits.push(...hits)
    return brokenIn({ ...seen, writerOf: () => writer ?? 'nobody' })
  }
  const database: Hit = { what: 'killed', by: 'database', from: 36_000, to: 39_800 }
  expect(old(4_000, [database])).toEqual([])
  expect(old(5_100, [database])).toEqual(['too-old'])
  expect(old(5_100, [database], undefined, 1_000)).toEqual([])
  const store: Hit = { what: 'frozen', by: 'store', from: 32_000, to: 38_000 }
  expect(old(8_500, [store])).toEqual([])
  expect(old(9_100, [store])).toEqual(['too-old'])
  // Rows wait only because the worker with the relay died.
  const worker: Hit = { what: 'killed', by: 'worker-0.1', from: 36_000, to: 36_000 }
  expect(old(4_900, [worker])).toEqual([])
  expect(old(4_900, [{ ...worker, by: 'worker-1.1' }])).toEqual(['too-old'])
  // A transaction was open in a process that was stopped.
  const frozen: Hit = { what: 'frozen', by: 'application-0.1', from: 33_000, to: 39_900 }
  expect(old(6_000, [frozen], 'application-0.1')).toEqual([])
  expect(old(6_000, [frozen], 'application-1.1')).toEqual(['too-old'])
})
