/**
 * The messages and calls of a process that ends while its workers hold jobs, with lease threads that only
 * record them.
 */
import { afterEach, expect, test } from 'vitest'
import type { Execution } from '../../src/run/execution.ts'
import { DeathWatch } from '../../src/worker/death.ts'
import type { ProcessEnd } from '../../src/worker/process-end.ts'

const watches: DeathWatch[] = []
afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.stop()
})

interface Setting {
  ran?: boolean
  holds?: boolean
  isSupervised?: boolean
  /** Whether the worker was told to take no more jobs, or to stop. */
  isQuiet?: boolean
  isAway?: boolean
  /** The ids of jobs whose outcomes the store has not received. */
  unstored?: string[]
  warn?: (text: string) => void
}

/** Watches these workers, and simulates the end of the process. @returns the events in their order */
function die(...workers: Setting[]): string[] {
  const events: string[] = []
  const before = process.listeners('exit')
  for (const [
    i,
    {
      ran = false,
      unstored = [],
      holds = ran || unstored.length > 0,
      isSupervised = false,
      isQuiet = false,
      isAway = false,
      warn,
    },
  ] of workers.entries()) {
    const job = { abandoned: false, name: 'Job', job: { id: `job${i}` } } as Execution
    const thread = {
      holdsJobs: holds,
      processEnds({ cause, fromWithin, outcomes }: ProcessEnd) {
        const told = outcomes.flatMap(([, settlements]) => settlements.map(({ id }) => ` ${id}`))
        const when = fromWithin === false ? ' when told' : ''
        events.push(`${i} ends: ${cause?.split(':')[0]}${when}${told.join('')}`)
      },
      hasTold: !isAway,
      awaitEnd(until: number) {
        events.push(`${i} waits until ${until}`)
        return !isAway
      },
      giveUp: () => void events.push(`${i} gives up`),
    }
    const tells = (cause: string, ran: boolean) =>
      void events.push(`${i} tells ${ran ? 'ran: ' : ''}${cause}`)
    const onEnding = isSupervised ? tells : undefined
    const outcome = { kind: 'completed' } as const
    const settlements = unstored.map((id) => ({ id, token: 't', outcome, held: () => 'no plain data' }))
    const report = { warn: warn ?? ((text: string) => void events.push(`${i} says ${text}`)) }
    const running = new Set(ran ? [job] : [])
    const watch = new DeathWatch({
      ...{ running, report, thread, unstored: () => [['emails', settlements]], onEnding },
    })
    void watch.start()
    if (isQuiet) void watch.quiet()
    watches.push(watch)
  }
  const [tell] = process.listeners('exit').filter((listener) => !before.includes(listener))
  tell!.call(process, 3)
  return events
}

const kinds = (events: string[]) => events.map((event) => event.split(' ').slice(0, 2).join(' '))

test('all workers send their messages to the thread before any worker waits, and all wait until the same time', () => {
  const events = die({ ran: true }, { ran: true })
  expect(kinds(events)).toEqual(['0 ends:', '0 says', '1 ends:', '1 says', '0 waits', '1 waits'])
  expect(new Set(events.slice(-2).map((event) => event.slice(2))).size).toBe(1)
})

test('if the store cannot be reached, all workers give up before any worker waits again, and all wait until the same time', () => {
  const events = die({ ran: true, isAway: true }, { ran: true }, { ran: true, isAway: true })
  expect(kinds(events).slice(6)).toEqual([
    ...['0 waits', '1 waits', '2 waits'],
    ...['0 gives', '2 gives', '0 waits', '2 waits'],
  ])
  expect(new Set(events.slice(-2).map((event) => event.slice(2))).size).toBe(1)
})

test('a worker whose report throws does not prevent the reports of other workers', () => {
  const warn = () => {
    throw new Error('the pipe is gone')
  }
  expect(kinds(die({ ran: true, warn }, { ran: true }))).toEqual([
    '0 ends:',
    '1 ends:',
    '1 says',
    '0 waits',
    '1 waits',
  ])
})

test('outcomes that the store has not received go to the thread, and outcomes that it could not send are named', () => {
  const events = die({ unstored: ['a', 'b'] })
  expect(events[0]).toBe('0 ends: ended with exit code 3 a b')
  expect(events[1]).toMatch(
    /^0 says This process ends with exit code 3: .*; it tells the store how 2 jobs ended$/,
  )
  expect(kinds(events.slice(2))).toEqual(['0 waits'])
  for (const watch of watches.splice(0)) void watch.stop()
  const away = die({ ran: true, unstored: ['a'], isAway: true })
  expect(away[1]).toMatch(/; it ran Job job0, and it tells the store how 1 job ended$/)
  expect(away.at(-1)).toBe(
    '0 says The store did not answer: how 1 job ended is not stored, and it may run again: a',
  )
})

test('a process that was told to stop does not count as ended by its jobs, whatever ends it', () => {
  expect(die({ ran: true, isQuiet: true })[0]).toBe('0 ends: ended with exit code 3 when told')
  for (const watch of watches.splice(0)) void watch.stop()
  expect(die({ ran: true })[0]).toBe('0 ends: ended with exit code 3')
})

test('a worker that only holds jobs that have not begun hands them back without a message', () => {
  expect(kinds(die({ holds: true }))).toEqual(['0 ends:', '0 waits'])
})

test('the jobs of a supervised worker are left to the supervisor, which gets the cause; a process without jobs ends at once', () => {
  const [ends, tells] = die({ ran: true, isSupervised: true })
  expect(ends).toBe('0 ends: undefined')
  expect(tells).toBe('0 tells ran: ended with exit code 3: nothing kept it alive')
  for (const watch of watches.splice(0)) void watch.stop()
  // The end of this process interrupts no job.
  const late = die({ unstored: ['a'], isSupervised: true })
  expect(late.slice(0, 2)).toEqual([
    '0 ends: undefined a',
    '0 tells ended with exit code 3: nothing kept it alive',
  ])
  for (const watch of watches.splice(0)) void watch.stop()
  expect(die({}, {})).toEqual([])
})
