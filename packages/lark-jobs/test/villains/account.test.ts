/**
 * Tests that the account finds broken promises. If it did not find them, a run without findings would prove
 * nothing.
 */
import { expect, test } from 'vitest'
import { account, type Observed, villainNames } from './account.ts'
import { Evidence } from './evidence.ts'

/** A run without broken promises: two honest jobs, and each villain once. */
function sound() {
  const evidence = new Evidence('none')
  const line = { life: 1, pid: 7 }
  for (const n of [0, 1]) {
    evidence.starts.set(n, [{ ...line, n, at: 1_001, late: 1 }])
    evidence.ends.set(n, [{ ...line, n, at: 1_002 }])
  }
  const codes = ['JOB_TIMED_OUT', 'JOB_TIMED_OUT', 'MEMORY_EXCEEDED', 'PROCESS_DIED', 'PROCESS_DIED']
  const villains = villainNames.map((name, i) => ({ id: name, name, state: 'failed', codes: [codes[i]!] }))
  const gone = new Map<number, number>()
  for (const [i, { id, codes }] of villains.entries()) {
    evidence.begins.set(id, [{ ...line, pid: i, id, at: 1_000 }])
    evidence.failed.set(id, { ...line, id, at: 1_900, code: codes[0]! })
    gone.set(i, 1_900)
  }
  const lives: Observed['lives'][number][] = [{ number: 1 }, { number: 2 }]
  const windows: Observed['windows'][number][] = []
  const accepted = new Map([
    [0, 1_000],
    [1, 1_000],
  ])
  return { evidence, villains, gone, lives, windows, accepted, isIsolated: () => false, isTimed: true }
}

test('a run without broken promises has no findings', () => {
  expect(account(sound()).findings).toEqual([])
})

test('the account finds an honest job that is lost, or that runs again although its worker lives', () => {
  const lost = sound()
  lost.evidence.ends.delete(1)
  expect(account(lost).findings).toEqual(['Honest job 1 was lost'])
  const twice = sound()
  twice.evidence.starts.get(1)!.push({ life: 2, pid: 8, n: 1, at: 1_500, late: 500 })
  expect(account(twice).findings).toEqual([expect.stringContaining('Honest job 1 ran again')])
  // The worker was killed before the end of the job had certainly reached the store.
  twice.lives[0]!.killedAt = 1_400
  expect(account(twice)).toMatchObject({ findings: [], honest: { again: 1 } })
  twice.lives[0]!.killedAt = 9_000
  expect(account(twice).findings).toHaveLength(1)
})

test('the account finds a villain that ends in a wrong way, too late or not at all, or begins again by itself', () => {
  const other = sound()
  other.villains[0]!.codes = ['PROCESS_DIED']
  other.evidence.failed.get('WaitJob')!.at = 3_300
  other.gone.set(2, 13_000)
  other.evidence.failed.delete('ExitJob')
  other.evidence.begins.get('AbortJob')!.unshift({ life: 2, pid: 9, id: 'AbortJob', at: 500 })
  expect(account(other).findings).toEqual([
    'LoopJob LoopJob is failed with PROCESS_DIED, and must have failed with JOB_TIMED_OUT',
    '1 × WaitJob had not ended 2300 ms after its beginning (1200 + 1000)',
    '1 × GreedyJob had a process 12000 ms after its beginning (10200 + 1000)',
    'ExitJob ExitJob did not begin, its failed() was not called, or its process is still there',
    'AbortJob AbortJob began again, though nobody had killed its worker',
  ])
})

test('the account finds honest jobs that begin later while villains run', () => {
  const late = sound()
  late.accepted.set(1, 2_000)
  late.evidence.starts.get(1)![0]!.late = 90
  late.windows.push(
    { name: 'without villains', from: 0, to: 1_500 },
    { name: 'with villains', from: 1_500, to: 3_000 },
  )
  expect(account(late).findings).toEqual([
    'Honest jobs start 89 ms later at p99 beside villains, and may 50 ms',
  ])
  expect(account({ ...late, isTimed: false }).findings).toEqual([])
})
