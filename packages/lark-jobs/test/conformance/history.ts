/**
 * The history: how many jobs ended in each minute, hour and day. The sums must be right, whichever process
 * adds up the minutes and however often.
 */
import { expect, test } from 'vitest'
import { type Bucket, DAYS, HOURS, MINUTES, type Store } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, failed, job, jobs, retried, settlement } from './jobs.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Does the maintenance of a worker in a partition. */
async function maintain(store: Store): Promise<void> {
  const { findings } = await store.survey('ada', [{ partition: 'emails', prunes: true }])
  if (findings[0]?.isOld) await store.prune('emails')
}

function bucket(at: number, length: number, counts: Partial<Bucket>): Bucket {
  return { at: at - (at % length), completed: 0, failed: 0, retried: 0, ...counts }
}

const none = { minutes: [], hours: [], days: [] }

export function history(make: Make): void {
  test('the history is empty if no job has ended, or if there never was a job', async () => {
    await using harness = await make()
    const { store } = harness
    await harness.caller('ada', 'emails').enqueue(...jobs(2))
    expect(await store.history(['emails', 'nobody'])).toEqual([none, none])
    expect(await store.history([])).toEqual([])
  })

  test('ended jobs are counted by minute, hour and day, separately for each partition', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const [ada, bob] = [harness.caller('ada', 'emails'), harness.caller('bob', 'reports')]
    const start = clock.now
    await ada.run(job(), completed)
    await ada.run(job(), retried(0))
    await bob.run(job(), failed)
    const counts = { completed: 1, retried: 1 }
    const told = { minutes: [bucket(start, MINUTE, counts)], hours: [bucket(start, HOUR, counts)] }
    const [emails, reports, nobody] = await store.history(['emails', 'reports', 'nobody'])
    expect(emails).toEqual({ ...told, days: [bucket(start, DAY, counts)] })
    expect(reports).toMatchObject({ hours: [bucket(start, HOUR, { failed: 1 })] })
    expect(nobody).toEqual(none)
  })

  test('the sum of an hour stays when its minutes are removed, and the sum of a day when its hours are removed', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller('ada', 'emails')
    clock.advance(DAY - (clock.now % DAY))
    const start = clock.now
    await ada.enqueue(...jobs(3))
    const held = await ada.claim(3)
    const outcomes = held.map((each, i) => settlement(each, i === 0 ? failed : completed))
    await ada.exchange(outcomes, { limit: 0, leaseMs: LEASE })
    clock.advance(MINUTES * MINUTE - 1)
    await ada.run(job(), completed)
    clock.advance(1)
    await maintain(store)
    // The minutes of the first hour are too old to be shown, and after three hours no store still keeps them.
    clock.advance(4 * HOUR)
    await maintain(store)
    await ada.run(job(), completed)
    const first = bucket(start, HOUR, { completed: 3, failed: 1 })
    expect(await store.history(['emails'])).toEqual([
      {
        minutes: [bucket(clock.now, MINUTE, { completed: 1 })],
        hours: [first, bucket(clock.now, HOUR, { completed: 1 })],
        days: [bucket(start, DAY, { completed: 4, failed: 1 })],
      },
    ])
    clock.advance((HOURS - 5) * HOUR)
    await maintain(store)
    expect((await store.history(['emails']))[0]!.hours).toHaveLength(1)
    await ada.run(job(), completed)
    clock.advance(HOUR)
    await maintain(store)
    await ada.run(job(), failed)
    const [later] = await store.history(['emails'])
    expect(later!.days).toEqual([
      bucket(start, DAY, { completed: 4, failed: 1 }),
      bucket(clock.now - HOUR, DAY, { completed: 1, failed: 1 }),
    ])
    clock.advance(start + DAYS * DAY - clock.now)
    await maintain(store)
    expect((await store.history(['emails']))[0]!.days).toHaveLength(1)
  })

  test('each end counts once, although minutes are added up repeatedly, late, by two processes, or before another end', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller('ada', 'emails')
    clock.advance(HOUR - (clock.now % HOUR))
    const start = clock.now
    for (let hour = 0; hour < 2; hour += 1) {
      await ada.run(job(), completed)
      clock.advance(HOUR)
    }
    // No worker lived for two hours.
    await Promise.all([store.prune('emails'), store.prune('emails')])
    await store.prune('emails')
    // The clock is set back. A store may count the end in the hour that was already added up, or ignore that
    // the clock was set back.
    clock.advance(-1)
    await ada.run(job(), completed)
    clock.advance(1)
    await ada.run(job(), completed)
    await maintain(store)
    const [found] = await store.history(['emails'])
    expect(found!.hours[0]).toEqual(bucket(start, HOUR, { completed: 1 }))
    const total = (all: Bucket[]) => all.reduce((sum, { completed }) => sum + completed, 0)
    expect([total(found!.hours), total(found!.days)]).toEqual([4, 4])
  })
}
