import { MemoryConsole } from '@s18i/lark'
import { expect, test } from 'vitest'
import { ConsoleReport } from '../src/commands/work-report.ts'
import type { Ending, Outcome } from '../src/index.ts'

/** The line of a run of `SyncJob` that ended so. */
function lineOf(outcome: Outcome, more: Partial<Ending> = {}): string {
  const console = new MemoryConsole()
  const report = new ConsoleReport(console)
  const lease = { id: 'Vbu1Wui6I4h7z', key: 'sync', payload: '', priority: 0, queuedAt: 0, token: '' }
  const counters = { runs: 1, failures: 0, crashes: 0, releases: 0 }
  report.ended({
    lease: { ...lease, ...counters },
    name: 'SyncJob',
    queue: 'default',
    outcome,
    took: 2,
    tries: 3,
    ...more,
  })
  report.end()
  return console.stdout.trim().replace(/ {2,}/g, '  ')
}

test('a job that put itself back is told from one that was given back', () => {
  const facts = 'SyncJob  Vbu1Wui6I4h7z  default  2 ms'
  expect(lineOf({ kind: 'released', in: 300_000 }, { isAsked: true })).toBe(`↻ ${facts}  released for 5 min`)
  expect(lineOf({ kind: 'released', in: 0 }, { isAsked: true })).toBe(`↻ ${facts}  released`)
  expect(lineOf({ kind: 'released', in: 0 }, { isAsked: false })).toBe(`i ${facts}  given back`)
})

test('where time counts, nobody counts attempts', () => {
  const error = { run: 1, name: 'Error', message: 'no' }
  expect(lineOf({ kind: 'failed', error, retryIn: 1_000 })).toMatch(/attempt 1 of 3, again in 1 s: no$/)
  expect(lineOf({ kind: 'failed', error, retryIn: 1_000 }, { isTimed: true })).toMatch(
    /attempt 1, again in 1 s: no$/,
  )
})
