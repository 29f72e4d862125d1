import { MemoryConsole } from '@s18i/lark'
import { beforeAll, expect, test, vi } from 'vitest'
import { ConsoleReport, JsonReport, sumUp } from '../../src/commands/workers/work-report.ts'
import type { EndedRun, Outcome, RunningJob } from '../../src/index.ts'
import { FOREVER } from '../../src/model/journal.ts'

beforeAll(() => {
  vi.useFakeTimers({ now: new Date(2026, 10, 27, 14, 3, 7), toFake: ['Date'] })
  return () => void vi.useRealTimers()
})

/** Makes the end of a run of `SyncJob` with this outcome. */
function endingOf(outcome: Outcome, more: Partial<EndedRun>): EndedRun {
  const claimed = { id: 'Vbu1Wui6I4h7z', key: 'sync', payload: '', priority: 0, queuedAt: 0, token: '' }
  const counters = { runs: 1, failures: 0, crashes: 0, releases: 0 }
  return {
    job: { ...claimed, ...counters },
    name: 'SyncJob',
    queue: 'default',
    outcome,
    took: 2,
    tries: 3,
    ...more,
  }
}

/** Returns the line that the report prints for people. */
function lineOf(outcome: Outcome, more: Partial<EndedRun> = {}): string {
  const console = new MemoryConsole()
  const report = new ConsoleReport(console)
  report.ended(endingOf(outcome, more))
  report.end()
  return console.stdout.trim().replace(/ {2,}/g, '  ')
}

test('the line distinguishes a job that released itself from a job that the worker gave back', () => {
  const facts = '14:03:07 SyncJob  Vbu1Wui6I4h7z  default  2 ms'
  expect(lineOf({ kind: 'released', in: 300_000 }, { isAsked: true })).toBe(`↻ ${facts}  released for 5 min`)
  expect(lineOf({ kind: 'released', in: 0 }, { isAsked: true })).toBe(`↻ ${facts}  released`)
  expect(lineOf({ kind: 'released', in: 0, because: 'not yet' }, { isAsked: true })).toBe(
    `↻ ${facts}  released: not yet`,
  )
  expect(lineOf({ kind: 'released', in: 0 }, { isAsked: false })).toBe(`i ${facts}  given back`)
})

test('the line of a suspended job says until when, and for which signals it waits', () => {
  const facts = '14:03:07 SyncJob  Vbu1Wui6I4h7z  default  2 ms'
  const line = (ms: number, ...waits: string[]) => lineOf({ kind: 'suspended', in: ms, waits, heard: 0 })
  expect(line(3 * 86_400_000)).toBe(`↻ ${facts}  suspended for 3 d`)
  expect(line(7 * 86_400_000, 'approved', 'rejected')).toBe(
    `↻ ${facts}  suspended until approved or rejected comes, at most 7 d`,
  )
  expect(line(FOREVER, 'approved')).toBe(`↻ ${facts}  suspended until approved comes`)
  const wait = { kind: 'suspended', in: FOREVER, waits: ['$child:a'], heard: 0, awaits: ['report'] } as const
  expect(lineOf(wait)).toBe(`↻ ${facts}  suspended until report comes`)
  const undoing = { ...wait, in: 0, waits: [], undoing: 'x' }
  expect(lineOf(undoing)).toBe(`↻ ${facts}  its steps are undone`)
  expect(lineOf({ ...undoing, in: 5_000 })).toBe(`↻ ${facts}  a step could not be undone, again in 5 s`)
  const console = new MemoryConsole()
  const report = new JsonReport(console)
  report.ended(endingOf({ kind: 'suspended', in: FOREVER, waits: ['approved'], heard: 3 }, {}))
  report.ended(endingOf({ kind: 'suspended', in: 5_000, waits: [], heard: 3 }, {}))
  report.ended(endingOf(wait, {}))
  const [forever, brief, parent] = console.stdout
    .trim()
    .split('\n')
    .map((each) => JSON.parse(each))
  expect(forever).toMatchObject({ event: 'job', outcome: 'suspended', signals: ['approved'] })
  expect(forever).not.toHaveProperty('in')
  expect(brief).toMatchObject({ outcome: 'suspended', in: 5_000, signals: [] })
  expect(brief).not.toHaveProperty('heard')
  expect(parent).toMatchObject({ signals: ['report'] })
})

test('with --json, a released job and a job that was given back have different outcomes, each with the time at which the job is due again', () => {
  const told = (outcome: Outcome, more: Partial<EndedRun> = {}) => {
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
  // If the class of the job is unknown, the line does not say that the job released itself.
  expect(told({ kind: 'released', in: 1_000 })).toMatchObject({ outcome: 'given-back', in: 1_000 })
  expect(told({ kind: 'cancelled', reason: 'user' })).toMatchObject({ outcome: 'cancelled', reason: 'user' })
})

test('the times in the JSON summary are as short as those of jobs', () => {
  const console = new MemoryConsole()
  console.isJson = true
  const counts = {
    completed: 1,
    retried: 0,
    failed: 0,
    released: 0,
    suspended: 0,
    cancelled: 0,
    unstored: 0,
    lost: 0,
  }
  sumUp(console, { ...counts, took: 12.345678901 }, [])
  expect(JSON.parse(console.stdout)).toEqual({ event: 'summary', ...counts, took: 12.35 })
})

test('the line of a job with retryUntil does not count attempts', () => {
  const error = { run: 1, name: 'Error', message: 'no' }
  expect(lineOf({ kind: 'failed', error, retryIn: 1_000 })).toMatch(/attempt 1 of 3, again in 1 s: no$/)
  expect(lineOf({ kind: 'failed', error, retryIn: 1_000 }, { isTimed: true })).toMatch(
    /attempt 1, again in 1 s: no$/,
  )
})

test('the first failure of each kind is printed with its stack and its causes, and further failures of the kind have one line', () => {
  const console = new MemoryConsole()
  const report = new ConsoleReport(console)
  const fail = (message: string, code?: string) => {
    const cause = {
      name: 'Error',
      message: 'connect\u001b[2J',
      code: 'ECONNREFUSED',
      stack: 'E\n    at net (net.js:1:2)',
    }
    const stack = `Error: ${message}\n${'    at send (/app/src/mail.ts:3:5)\n'.repeat(20)}`
    const error = { run: 1, name: 'Error', message, stack, cause, ...(code && { code }) }
    report.ended(endingOf({ kind: 'failed', error }, {}))
    return console.stdout.trim().split('\n')
  }
  const first = fail('no mail to 17')
  expect(first[0]).toMatch(/^✗ 14:03:07 SyncJob .*: no mail to 17 \(cause: ECONNREFUSED: connect/)
  expect(first.slice(1)).toEqual([
    ...Array.from({ length: 8 }, () => '  │   at send (/app/src/mail.ts:3:5)'),
    '  │ Caused by: ECONNREFUSED: connect\\x1b[2J',
    '  │   at net (net.js:1:2)',
  ])
  expect(fail('no mail to 18')).toHaveLength(first.length + 1)
  expect(fail('no mail to 18', 'EOTHER')).toHaveLength(2 * first.length + 1)
  // If there are many different kinds of failures, not all of them are printed with a stack.
  for (let i = 0; i < 100; i++) fail('no mail', `E${i}`)
  expect(console.stdout.match(/Caused by/g)!.length).toBeLessThan(25)
  report.end()
})

/** Makes `count` jobs of different classes that have run for some time. */
function runningJobs(count: number): RunningJob[] {
  const { job } = endingOf({ kind: 'completed' }, {})
  return Array.from({ length: count }, (_, i) => ({
    job,
    name: `Sync${i}Job`,
    queue: 'default',
    took: 3_012 + i,
  }))
}

test('jobs that run long are reported, each in its own line if they are few', () => {
  const told = (count: number, options = {}) => {
    const console = new MemoryConsole(options)
    new ConsoleReport(console).running(runningJobs(count))
    expect(console.stdout).toBe('')
    return console.stderr
  }
  expect(told(2)).toBe(
    ['Sync0Job', 'Sync1Job']
      .map((name) => `i 14:03:07 ${name} Vbu1Wui6I4h7z  has run for 3 s so far\n`)
      .join(''),
  )
  expect(told(9)).toBe(
    'i 14:03:07 9 jobs have run for 3 s so far: Sync0Job, Sync1Job, Sync2Job, Sync3Job, Sync4Job, 4 more\n',
  )
  expect(told(2, { quiet: true })).toBe('')
})

test('with --json, each job that runs long is reported as an object', () => {
  const console = new MemoryConsole()
  new JsonReport(console).running(runningJobs(7))
  const events = console.stdout.trim().split('\n')
  expect(events).toHaveLength(7)
  expect(JSON.parse(events[1]!)).toEqual({
    event: 'running',
    id: 'Vbu1Wui6I4h7z',
    key: 'sync',
    name: 'Sync1Job',
    queue: 'default',
    attempt: 1,
    took: 3_013,
  })
})

test('a worker that prints many lines does not report jobs that run long', () => {
  const console = new MemoryConsole()
  const report = new ConsoleReport(console)
  for (let i = 0; i < 60; i++) report.ended(endingOf({ kind: 'completed' }, {}))
  report.running(runningJobs(2))
  report.end()
  expect(console.stderr).toBe('')
})

test('a warning ends with the command that helps', () => {
  const console = new MemoryConsole()
  new ConsoleReport(console).warn('Jobs fail', { do: 'see-failures', queue: 'default' })
  expect(console.stderr).toBe('! Jobs fail → lark jobs:failed --group --queue=default\n')
  new JsonReport(console).warn('Paused the schedule', { do: 'resume-schedule', schedule: 'a b' })
  expect(JSON.parse(console.stdout)).toMatchObject({
    event: 'warning',
    text: "Paused the schedule → lark schedule:resume 'a b'",
  })
})
