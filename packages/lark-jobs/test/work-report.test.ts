import { MemoryConsole } from '@s18i/lark'
import { expect, test } from 'vitest'
import { ConsoleReport, JsonReport } from '../src/commands/work-report.ts'
import type { Ending, Outcome } from '../src/index.ts'

/** A run of `SyncJob` that ended so. */
function endingOf(outcome: Outcome, more: Partial<Ending>): Ending {
  const lease = { id: 'Vbu1Wui6I4h7z', key: 'sync', payload: '', priority: 0, queuedAt: 0, token: '' }
  const counters = { runs: 1, failures: 0, crashes: 0, releases: 0 }
  return {
    lease: { ...lease, ...counters },
    name: 'SyncJob',
    queue: 'default',
    outcome,
    took: 2,
    tries: 3,
    ...more,
  }
}

/** Its line for people. */
function lineOf(outcome: Outcome, more: Partial<Ending> = {}): string {
  const console = new MemoryConsole()
  const report = new ConsoleReport(console)
  report.ended(endingOf(outcome, more))
  report.end()
  return console.stdout.trim().replace(/ {2,}/g, '  ')
}

test('a job that put itself back is told from one that was given back', () => {
  const facts = 'SyncJob  Vbu1Wui6I4h7z  default  2 ms'
  expect(lineOf({ kind: 'released', in: 300_000 }, { isAsked: true })).toBe(`↻ ${facts}  released for 5 min`)
  expect(lineOf({ kind: 'released', in: 0 }, { isAsked: true })).toBe(`↻ ${facts}  released`)
  expect(lineOf({ kind: 'released', in: 0 }, { isAsked: false })).toBe(`i ${facts}  given back`)
})

test('for machines they are two outcomes, each with when it is due again', () => {
  const told = (outcome: Outcome, more: Partial<Ending> = {}) => {
    const console = new MemoryConsole()
    new JsonReport(console).ended(endingOf(outcome, more))
    return JSON.parse(console.stdout)
  }
  const asked = told({ kind: 'released', in: 300_000 }, { isAsked: true })
  expect(asked).toMatchObject({ event: 'job', outcome: 'released', in: 300_000 })
  expect(told({ kind: 'released', in: 0 }, { isAsked: false })).toMatchObject({
    outcome: 'given-back',
    in: 0,
  })
  // Of a class that is not known here, whether it was asked for is not said.
  expect(told({ kind: 'released', in: 1_000 })).toMatchObject({ outcome: 'given-back', in: 1_000 })
  expect(told({ kind: 'cancelled', reason: 'user' })).toMatchObject({ outcome: 'cancelled', reason: 'user' })
})

test('where time counts, nobody counts attempts', () => {
  const error = { run: 1, name: 'Error', message: 'no' }
  expect(lineOf({ kind: 'failed', error, retryIn: 1_000 })).toMatch(/attempt 1 of 3, again in 1 s: no$/)
  expect(lineOf({ kind: 'failed', error, retryIn: 1_000 }, { isTimed: true })).toMatch(
    /attempt 1, again in 1 s: no$/,
  )
})
