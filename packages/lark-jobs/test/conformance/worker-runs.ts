/** The counts of the runs of all workers. The counts of a worker stay when the worker ends. */
import { expect, test } from 'vitest'
import type { AnnouncedWorker } from '../../src/model/record.ts'
import { RunCounts } from '../../src/model/run/run-counts.ts'
import type { WorkerRuns } from '../../src/model/run/worker-runs.ts'
import {
  baseIn,
  CLASS_HOURS,
  classesIn,
  classesWithin,
  DAY,
  DAYS,
  ENDED_WORKERS,
  type FleetRuns,
  firstSeen,
  folded,
  HOUR,
  HOURS,
  MINUTE,
  MINUTES,
  MOST_ENDED,
  NO_RELEASE,
  outdated,
  runsOf,
  runsWithin,
} from '../../src/store/contract/store.ts'
import type { Make } from './harness.ts'
import { job, jobs } from './jobs.ts'

const TTL = 15_000

function completed(count: number): string {
  const counts = new RunCounts()
  counts.ended('completed', count)
  counts.observe('wait', count)
  return counts.pack()
}

function worker(id: string, runs?: WorkerRuns): AnnouncedWorker {
  const record = { id, host: 'h', pid: 1, queues: ['emails'], strict: false, concurrency: 1, running: 0 }
  return { ...record, keys: [], startedAt: 1, state: 'running', ...(runs && { runs }) }
}

/** @param counts how many jobs of some queues and keys completed */
function ran(counts: Record<string, number>): WorkerRuns {
  const all = Object.fromEntries(Object.entries(counts).map(([pair, count]) => [pair, completed(count)]))
  return { all, lately: {}, arrived: {} }
}

function sum({ past, workers }: FleetRuns): Record<string, number> {
  const all = Object.entries(folded(past, workers))
  return Object.fromEntries(all.map(([pair, text]) => [pair, RunCounts.read(text).ends('completed')]))
}

export function workerRuns(make: Make): void {
  test('the counts of runs contain those of living workers and of workers that have ended', async () => {
    await using harness = await make()
    const { store, clock } = harness
    expect(await store.workerRuns()).toEqual({ at: clock.now, workers: [], past: {}, pastReleases: {} })
    const runs = {
      ...ran({ 'emails ü "1"': 3 }),
      lately: { emails: completed(1) },
      arrived: { emails: '5:1' },
    }
    await store.announce(worker('ada', runs), TTL)
    await store.announce(worker('bob'), TTL)
    expect(await store.workers()).toEqual([worker('ada'), worker('bob')])
    expect((await store.workerRuns()).workers).toEqual([{ id: 'ada', ...runs }])
    clock.advance(10)
    await store.retire('ada')
    await store.retire('bob')
    expect(await store.workers()).toEqual([])
    expect((await store.workerRuns()).workers).toEqual([{ id: 'ada', ...runs, endedAt: clock.now }])
  })

  test('the runs of a worker that was away for too long and comes back do not count twice', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await store.announce(worker('ada', ran({ 'a x': 3 })), TTL)
    clock.advance(TTL)
    expect(await store.workers()).toEqual([])
    expect(sum(await store.workerRuns())).toEqual({ 'a x': 3 })
    await store.announce(worker('ada', ran({ 'a x': 5 })), TTL)
    expect(await store.workers()).toHaveLength(1)
    expect(sum(await store.workerRuns())).toEqual({ 'a x': 5 })
  })

  test('of many ended workers, and of workers that ended long ago, only the sum of their counts is kept', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await store.announce(worker('living', ran({ 'a x': 1 })), 10 * ENDED_WORKERS.age)
    const count = ENDED_WORKERS.count + 3
    for (let i = 0; i < count; i++) {
      await store.announce(worker(`w${i}`, ran({ 'a x': 2, [`b ${i}`]: 1 })), TTL)
      await store.retire(`w${i}`)
      clock.advance(1)
    }
    const all = sum(await store.workerRuns())
    expect(all).toMatchObject({ 'a x': 2 * count + 1, 'b 0': 1, [`b ${count - 1}`]: 1 })
    const after = await store.workerRuns()
    expect(after.workers).toHaveLength(ENDED_WORKERS.count + 1)
    expect(Object.keys(after.past).sort()).toEqual(['a x', 'b 0', 'b 1', 'b 2'])
    expect(sum(after)).toEqual(all)
    clock.advance(ENDED_WORKERS.age)
    expect(sum(await store.workerRuns())).toEqual(all)
    expect((await store.workerRuns()).workers.map(({ id }) => id)).toEqual(['living'])
    expect(sum(await store.workerRuns())).toEqual(all)
  })

  test('the number of stored counts is bounded although nobody reads them', async () => {
    await using harness = await make()
    const { store, clock } = harness
    for (let i = 0; i < MOST_ENDED + 20; i++) {
      await store.announce(worker(`w${i}`, ran({ 'a x': 1 })), TTL)
      await store.retire(`w${i}`)
      clock.advance(1)
    }
    expect((await store.workerRuns()).workers).toHaveLength(MOST_ENDED)
  })

  test('the sum of counts has a bounded number of names', async () => {
    const many = Object.fromEntries(Array.from({ length: 255 }, (_, i) => [`q k${i}`, completed(1)]))
    const past = folded({}, [{ all: many, lately: {}, arrived: {} }])
    expect(Object.keys(past)).toHaveLength(251)
    expect(RunCounts.read(past['(others) (others)']).ends('completed')).toBe(5)
  })

  test('the counts are stored once a minute, and show the runs of each minute, hour and day', async () => {
    await using harness = await make()
    const { store, clock } = harness
    clock.advance(DAY - (clock.now % DAY) + 3_000)
    const start = clock.now - 3_000
    const ended = async (length: number, count: number) => {
      const kept = await store.runHistory(length, count)
      const within = runsWithin(kept, await store.workerRuns(), length, count)
      return within.map(({ at, queues }) => [
        (at - start) / length,
        Object.fromEntries([...queues].map(([queue, counts]) => [queue, counts.ends('completed')])),
      ])
    }
    const announced = (counts: Record<string, number>, version = '1.0.0') => ({
      worker: { ...worker('ada', ran(counts)), version, release: `of ${version}` },
      ttl: 400 * DAY,
    })
    expect(await store.runHistory(MINUTE, MINUTES)).toEqual([])
    await store.announce(worker('ada'), TTL)
    expect(await store.runHistory(MINUTE, MINUTES)).toEqual([
      { at: start, queues: {}, versions: [], releases: [] },
    ])
    clock.advance(30_000)
    await store.survey('ada', [], announced({ 'emails x': 3, 'emails y': 1, 'files x': 2 }))
    expect(await store.runHistory(MINUTE, MINUTES)).toHaveLength(1)
    expect(await ended(MINUTE, MINUTES)).toEqual([[0, { emails: 4, files: 2 }]])
    clock.advance(MINUTE)
    await store.survey('ada', [], announced({ 'emails x': 3, 'emails y': 1, 'files x': 2 }))
    expect(await store.runHistory(MINUTE, MINUTES)).toMatchObject([
      { at: start, queues: {} },
      { at: start + MINUTE, queues: { files: completed(2) }, versions: ['1.0.0'] },
    ])
    clock.advance(HOUR)
    await store.survey('ada', [], announced({ 'emails x': 10, 'emails y': 1, 'files x': 2 }, '1.1.0'))
    expect(await ended(HOUR, HOURS)).toEqual([
      [0, { emails: 4, files: 2 }],
      [1, { emails: 7 }],
    ])
    const seen = await store.runHistory(HOUR, HOURS)
    expect(firstSeen(seen, 'versions')).toEqual([
      { name: '1.0.0', at: start + MINUTE },
      { name: '1.1.0', at: start + HOUR + MINUTE },
    ])
    expect(firstSeen(seen, 'releases').map(({ name }) => name)).toEqual(['of 1.0.0', 'of 1.1.0'])
    clock.advance(2 * DAY)
    await store.survey('ada', [], announced({ 'emails x': 11, 'emails y': 1, 'files x': 2 }))
    expect(await ended(DAY, DAYS)).toEqual([
      [0, { emails: 11, files: 2 }],
      [2, { emails: 1 }],
    ])
    expect(await ended(MINUTE, MINUTES)).toEqual([[2 * 1_440 + 60, { emails: 1 }]])
    clock.advance((DAYS + 1) * DAY)
    await store.survey('ada', [], announced({ 'emails x': 11, 'emails y': 1, 'files x': 2 }))
    // One instant before the 90 days is kept, because the first day is compared with it.
    expect((await store.runHistory(DAY, DAYS)).map(({ at }) => at >= clock.now - DAYS * DAY)).toEqual([
      false,
      true,
    ])
  })

  test('a day that began without workers has all runs since its first stored sum', async () => {
    await using harness = await make()
    const { store, clock } = harness
    clock.advance(DAY - (clock.now % DAY) + 5 * HOUR)
    await store.announce(worker('ada'), TTL)
    for (let minute = 0; minute < 3; minute += 1) {
      clock.advance(MINUTE)
      await store.survey('ada', [], { worker: worker('ada', ran({ 'emails x': 4 })), ttl: TTL })
    }
    const [day] = runsWithin(await store.runHistory(DAY, DAYS), await store.workerRuns(), DAY, DAYS)
    expect(day?.queues.get('emails')?.ends('completed')).toBe(4)
  })

  test('the runs of each class are stored once an hour, by release', async () => {
    await using harness = await make()
    const { store, clock } = harness
    clock.advance(DAY - (clock.now % DAY) + 3_000)
    const start = clock.now - 3_000
    const announce = (id: string, counts: Record<string, number>, release?: string) =>
      store.survey(id, [], {
        worker: { ...worker(id, ran(counts)), ...(release !== undefined && { release }) },
        ttl: 400 * DAY,
      })
    /** By hour or day, counted from the start: the completed runs of each release and class. */
    const ended = async (length: number, count: number) => {
      const kept = await store.classHistory(length, count)
      const within = classesWithin(kept, await store.workerRuns(), length)
      return within.map(({ at, releases }) => [
        (at - start) / length,
        Object.fromEntries(
          [...releases].map(([release, keys]) => [
            release,
            Object.fromEntries([...keys].map(([key, counts]) => [key, counts.ends('completed')])),
          ]),
        ),
      ])
    }
    expect(await store.classHistory(HOUR, CLASS_HOURS)).toEqual({ base: undefined, within: [] })
    await announce('ada', {}, 'r1')
    await announce('bob', {})
    await announce('ada', { 'emails mail': 3, 'files mail': 1, 'files copy': 2, 'files ': 9 }, 'r1')
    await announce('bob', { 'emails mail': 5 })
    const first = { r1: { mail: 4, copy: 2 }, [NO_RELEASE]: { mail: 5 } }
    expect(await ended(HOUR, CLASS_HOURS)).toEqual([[0, first]])
    clock.advance(HOUR)
    await announce('ada', { 'emails mail': 3, 'files mail': 1, 'files copy': 2 }, 'r1')
    expect(await ended(HOUR, CLASS_HOURS)).toEqual([[0, first]])
    // The worker of the first release ends, is forgotten, and its runs are counted once.
    await store.retire('ada')
    await announce('eve', { 'emails mail': 7 }, 'r2')
    clock.advance(ENDED_WORKERS.age)
    await store.workerRuns()
    const { workers, pastReleases } = await store.workerRuns()
    expect(workers.map(({ id }) => id).sort()).toEqual(['bob', 'eve'])
    expect(Object.keys(pastReleases)).toEqual(['r1'])
    await announce('eve', { 'emails mail': 7 }, 'r2')
    await announce('bob', { 'emails mail': 6 })
    expect(await ended(HOUR, CLASS_HOURS)).toEqual([
      [0, first],
      [1, { r2: { mail: 7 } }],
      [25, { [NO_RELEASE]: { mail: 1 } }],
    ])
    expect(await ended(DAY, DAYS)).toEqual([
      [0, { r1: { mail: 4, copy: 2 }, r2: { mail: 7 }, [NO_RELEASE]: { mail: 5 } }],
      [1, { [NO_RELEASE]: { mail: 1 } }],
    ])
    // No worker lives for three days: the runs belong to the hour in which they were last counted.
    clock.advance(3 * DAY)
    await announce('bob', { 'emails mail': 6 })
    await announce('bob', { 'emails mail': 10 })
    expect((await ended(HOUR, CLASS_HOURS)).slice(2)).toEqual([
      [25, { [NO_RELEASE]: { mail: 1 } }],
      [97, { [NO_RELEASE]: { mail: 4 } }],
    ])
    clock.advance((CLASS_HOURS + 1) * HOUR)
    await announce('bob', { 'emails mail': 10 })
    expect(await ended(HOUR, CLASS_HOURS)).toEqual([])
    expect(await ended(DAY, DAYS)).toHaveLength(3)
    clock.advance((DAYS + 1) * DAY)
    await announce('bob', { 'emails mail': 11 })
    expect((await store.classHistory(DAY, 2 * DAYS)).within).toEqual([])
  })

  test('a release that is deployed again is not counted twice', async () => {
    await using harness = await make()
    const { store, clock } = harness
    clock.advance(DAY - (clock.now % DAY))
    const announce = (id: string, count: number, release: string) =>
      store.announce({ ...worker(id, ran({ 'a x': count })), release }, TTL)
    const perHour: number[] = []
    await announce('w', 0, 'old')
    for (let hour = 0; hour < 40; hour++) {
      const release = hour === 0 || hour === 39 ? 'old' : 'new'
      await announce(`w${hour}`, 2, release)
      await store.retire(`w${hour}`)
      clock.advance(HOUR)
      await announce('w', 0, release)
      perHour.push(hour)
    }
    const kept = await store.classHistory(HOUR, CLASS_HOURS)
    const within = classesWithin(kept, await store.workerRuns(), HOUR)
    const told = within.map(({ releases }) =>
      [...releases].map(([release, keys]) => [release, keys.get('x')?.ends('completed')]),
    )
    expect(told).toEqual(perHour.map((hour) => [[hour === 0 || hour === 39 ? 'old' : 'new', 2]]))
  })

  test('stored texts of classes that Lark did not write are ignored', () => {
    for (const text of [null, 'x', '[]', '{}', '7', '{"hour":"1"}'])
      expect(baseIn(text), String(text)).toBeUndefined()
    const damaged = '{"hour":7,"total":{"a":1,"b":"x"},"releases":{"r":null,"s":{"a":"=1"}}}'
    expect([...baseIn(damaged)!.releases.keys()]).toEqual(['r', 's'])
    expect(
      classesIn([
        ['h5', null],
        ['h6', '7'],
        ['h7', 'x'],
        ['h8', '{"r":{"a":"=1"}}'],
      ]),
    ).toMatchObject([{ at: 8 }])
  })

  test('of many stored sums, only a few are kept', () => {
    const now = 200 * DAY + 30_000
    const all = Array.from({ length: 100 * 1_440 }, (_, i) => 200 * DAY - i * MINUTE)
    const gone = new Set(outdated(all, now))
    const kept = all.filter((at) => !gone.has(at))
    expect(kept.length).toBeLessThanOrEqual(MINUTES + HOURS + DAYS + 3)
    for (const [length, count] of [
      [MINUTE, MINUTES],
      [HOUR, HOURS],
      [DAY, DAYS],
    ] as const) {
      const ends = kept.filter((at) => at % length === 0 && at > now - count * length)
      expect(ends.length).toBeGreaterThanOrEqual(count)
    }
    expect(outdated(kept, now)).toEqual([])
  })

  test('a stored text that is not a sum of counts is ignored', () => {
    for (const text of [null, 'x', '[]', '{}', '{"queues":[],"versions":1}', '{"queues":7,"versions":[]}'])
      expect(runsOf(5, text), String(text)).toBeUndefined()
    const damaged = '{"queues":{"a":1,"b":"40:2"},"versions":["1",2],"releases":7}'
    expect(runsOf(5, damaged)).toEqual({ at: 5, queues: { b: '40:2' }, versions: ['1'], releases: [] })
    expect(runsOf(Number.NaN, damaged)).toBeUndefined()
  })

  test('standings returns since when jobs wait, and how many jobs were queued within the last minute', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const look = async () => {
      const [found] = await store.standings(['emails'], 0)
      return [found!.oldest, found!.arrived]
    }
    expect(await look()).toEqual([undefined, 0])
    const web = harness.caller('web')
    const start = clock.now
    await web.enqueue(job({ delay: 100_000 }), job({ delay: 30_000, priority: 3 }))
    expect(await look()).toEqual([undefined, 0])
    clock.advance(30_000)
    expect(await look()).toEqual([start + 30_000, 1])
    clock.advance(1_000)
    const list = jobs(5)
    await web.enqueue(...list, job({ group: { name: 'acme' } }))
    expect(await look()).toEqual([start + 30_000, 7])
    clock.advance(59_000)
    await web.enqueue(job())
    expect(await look()).toEqual([start + 30_000, 7])
    // The first job of the list was cancelled. The entry of a cancelled job may stay in the list, and does
    // not count.
    const [late] = await harness.caller().claim(1)
    expect(late).toMatchObject({ priority: 3 })
    await store.alter('emails', [list[0]!.id], { kind: 'cancel', reason: 'user' })
    expect((await look())[0]).toBe(start + 31_000)
    clock.advance(1_000)
    expect(await look()).toEqual([start + 31_000, 1])
    expect(await store.standings(['emails'])).toMatchObject([{ arrived: 0 }])
  })
}
