import { expect, test } from 'vitest'
import { status } from '../../src/operate/measures/status.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Harness } from '../conformance/harness.ts'
import { completed, failed, job, jobs, retried } from '../conformance/jobs.ts'

const SECOND = 1_000

const make = () =>
  Harness.make(async () => ({
    handle: (options) => new SqliteStore(':memory:', options),
    remove: async () => {},
  }))

const zero = { completed: 0, failed: 0, retried: 0 }

test('status counts the last minute and the last hour, over all partitions', async () => {
  await using harness = await make()
  const { store, clock } = harness
  const caller = harness.caller('ada', 'emails')
  const other = harness.caller('ada', 'emails/1')
  const queues = new Map([['emails', 2]])
  const look = async () => (await status({ store, queues })).queues[0]!

  expect(await look()).toMatchObject({ queue: 'emails', lastMinute: zero, lastHour: zero })
  for (let n = 0; n < 30; n++) await caller.run(job(), completed)
  for (let n = 0; n < 10; n++) await other.run(job(), completed)
  await other.run(job(), failed)
  await caller.run(job(), retried(1))
  const all = { completed: 40, failed: 1, retried: 1 }
  expect(await look()).toMatchObject({ lastMinute: all, lastHour: all, retrying: 1, suspended: 0 })

  // The store counts by minutes of the clock. The counts of the previous minute are multiplied by the part of
  // this minute that lies within the last 60 seconds.
  clock.advance(75 * SECOND)
  await caller.run(job(), completed)
  expect(await look()).toMatchObject({
    lastMinute: { completed: 31, failed: 1 },
    lastHour: { completed: 41, failed: 1 },
  })
  clock.advance(40 * SECOND)
  expect(await look()).toMatchObject({ lastMinute: { completed: 4, failed: 0 }, lastHour: { completed: 41 } })
  clock.advance(65 * SECOND)
  expect(await look()).toMatchObject({ lastMinute: zero, lastHour: { completed: 41, failed: 1 } })
  clock.advance(60 * 60 * SECOND)
  expect(await look()).toMatchObject({ lastMinute: zero, lastHour: zero })
})

test('there is one row for each queue: first the configured queues in their order, then other queues', async () => {
  await using harness = await make()
  const { store } = harness
  await harness.caller('ada', 'old/2').enqueue(...jobs(2, { key: 'strange' }))
  await harness.caller('ada', 'emails/3').enqueue(job(), job({ delay: 60_000 }))
  await harness.caller('ada', 'emails').enqueue(job())
  const queues = new Map([
    ['low', 1],
    ['emails', 2],
  ])
  const found = await status({ store, queues })
  expect(
    found.queues.map(({ queue, partitions }) => [queue, partitions.map((each) => each.partition)]),
  ).toEqual([
    ['low', ['low']],
    ['emails', ['emails', 'emails/1', 'emails/3']],
    ['old', ['old/2']],
  ])
  expect(found.queues.map(({ counts }) => [counts.waiting, counts.delayed])).toEqual([
    [0, 0],
    [2, 1],
    [2, 0],
  ])
  expect(found.queues.map(({ unknownKeys }) => unknownKeys)).toEqual([[], ['send-email'], ['strange']])
})

test('a paused group is listed once, with the name that the application gave it and the end of the pause', async () => {
  await using harness = await make()
  const { store } = harness
  const queues = new Map([['emails', 2]])
  const now = await store.now()
  for (const partition of ['emails', 'emails/1']) await store.pause(partition, '~#1')
  await store.pause('emails/1', 'acme', 5_000)
  const [{ pausedGroups } = {}] = (await status({ store, queues })).queues
  expect(pausedGroups).toEqual([{ group: 'acme', until: now + 5_000 }, { group: '#1' }])
})

test('a queue is paused if one of its partitions is', async () => {
  await using harness = await make()
  const { store } = harness
  const queues = new Map([
    ['emails', 2],
    ['low', 1],
  ])
  await store.configure('emails/1', { paused: true })
  const paused = async () => (await status({ store, queues })).queues.map((each) => each.paused)
  expect(await paused()).toEqual([true, false])
  await store.configure('emails/1', { paused: false })
  expect(await paused()).toEqual([false, false])
})
