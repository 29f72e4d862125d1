/**
 * Schedules in several processes: workers are killed, their clocks differ by hours, the store is stopped, and
 * two deploys take turns. Each tick must become one job, with the definition that is valid at this time.
 *
 * `LARK_TICKS=60` sets how many seconds the tests run.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { createJobs, type Jobs } from '../../src/index.ts'
import { type Tick, tickOf } from '../../src/model/tick.ts'
import { App, type Running } from './app.ts'
import type { Place } from './awaiting.ts'

const SECONDS = Number(process.env.LARK_TICKS ?? 8)
const SCHEDULES = 5
/** Milliseconds between two kills of a worker. */
const PAUSE = 700
const files = {
  'lark.config.js': `export default {
    jobs: { prefix: process.env.PREFIX || undefined, keep: { completed: { count: 100_000 } }, schedules: { enabled: true } }
  }`,
  'jobs/TickJob.js': `
    import { every, Job } from '@s18i/lark-jobs'
    export class TickJob extends Job {
      key = 'tick'
      schedule = Array.from({ length: ${SCHEDULES} }, (_, n) => (
        { name: String(n), when: every('1s'), payload: { version: process.env.VERSION ?? 'one' } }
      ))
      handle({ version }) {}
    }`,
  'jobs/AwayJob.js': `
    import { every, Job } from '@s18i/lark-jobs'
    export class AwayJob extends Job {
      key = 'away'
      schedule = ['skip', 'once', 'all'].map((missed) => (
        { name: missed, when: every('1s', { missed, grace: '500ms' }) }
      ))
      handle() {}
    }`,
  'jobs/LoadJob.js': `
    import { Job } from '@s18i/lark-jobs'
    export class LoadJob extends Job {
      key = 'load'
      keep = { completed: false }
      handle({ n }) {}
    }`,
  // A worker whose own clock is wrong by `CLOCK` milliseconds.
  'clock.js': `
    const off = Number(process.env.CLOCK ?? 0)
    const { now } = Date
    globalThis.Date = class extends Date {
      constructor(...args) { super(...(args.length === 0 ? [now() + off] : args)) }
      static now() { return now() + off }
    }`,
  'work.js': `
    import { Jobs } from '@s18i/lark-jobs'
    process.once('SIGTERM', () => Jobs.close())
    await Jobs.work({ concurrency: 20, lease: 1_000 })`,
}

interface Ran extends Tick {
  version: string
}

/**
 * Returns the jobs of all ticks, in the order of their instants. @param isOver whether to wait until all jobs
 * have ended
 */
async function ticksOf(jobs: Jobs, key = 'tick', isOver = true): Promise<Ran[]> {
  const all: Ran[] = []
  let cursor: string | undefined
  do {
    const page = await jobs.list({ key }, { limit: 1_000, ...(cursor !== undefined && { cursor }) })
    cursor = page.cursor
    for (const { id, payload, state } of page.jobs) {
      if (isOver) expect(`${id} ${state}`).toBe(`${id} completed`)
      all.push({ ...tickOf(id)!, version: (payload as { version?: string })?.version ?? '' })
    }
  } while (cursor !== undefined)
  return all.sort((one, other) => one.at - other.at)
}

function bySchedule(ran: readonly Ran[]): Map<string, Ran[]> {
  const schedules = new Map<string, Ran[]>()
  for (const each of ran) schedules.set(each.schedule, [...(schedules.get(each.schedule) ?? []), each])
  return schedules
}

/**
 * Expects that each schedule has ticked in each second from the first to the last, and that no tick has two
 * jobs.
 */
function expectNoGap(ran: readonly Ran[]): void {
  const schedules = bySchedule(ran)
  expect(schedules.size).toBe(SCHEDULES)
  for (const [schedule, ticks] of schedules) {
    const instants = ticks.map(({ at }) => at)
    const all = Array.from({ length: ticks.length }, (_, n) => instants[0]! + 1_000 * n)
    expect({ [schedule]: instants }).toEqual({ [schedule]: all })
    expect(ticks.length).toBeGreaterThanOrEqual(Math.min(3, SECONDS - 2))
  }
}

async function place({ connection, prefix }: Place): Promise<{ app: App; jobs: Jobs }> {
  const env = { LARK_JOBS_URL: connection, ...(prefix !== undefined && { PREFIX: prefix }) }
  const app = await App.make(files, env)
  const jobs = createJobs({ connection, ...(prefix !== undefined && { prefix }) })
  return { app, jobs }
}

function worker(app: App, env: Record<string, string> = {}): Running {
  return app.start(['--import', './clock.js', 'work.js'], '.', env)
}

/** Resolves when all jobs of ticks have ended. */
async function ended(jobs: Jobs, key = 'tick'): Promise<void> {
  // A list reads one state after the other, and may miss a job that changes its state meanwhile. So the list
  // must be empty twice.
  for (let empty = 0; empty < 2; ) {
    const { jobs: left } = await jobs.list({ key, state: ['waiting', 'active', 'delayed'] }, { limit: 1 })
    empty = left.length === 0 ? empty + 1 : 0
    await sleep(50)
  }
}

/**
 * Schedules tick while workers are killed all the time.
 *
 * @param clocks by how many milliseconds the clock of each worker is wrong
 * @param harm disturbs the store while the schedules tick
 */
export async function tickUnderAbuse(
  where: Place,
  clocks: readonly number[],
  harm: () => Promise<void> = async () => {},
): Promise<void> {
  const { app, jobs } = await place(where)
  await using _ = app
  await using __ = jobs
  const start = (n: number) => worker(app, { CLOCK: String(clocks[n]) })
  const workers = clocks.map((_, n) => start(n))
  const over = Date.now() + SECONDS * 1_000
  const harming = harm()
  for (let n = 0; Date.now() < over; n = (n + 1) % workers.length) {
    // Kill a worker only after it has begun. A worker that starts while the store is down ends by itself.
    await workers[n]!.says('Serving').catch(() => {})
    await sleep(PAUSE)
    workers[n]!.child.kill('SIGKILL')
    await workers[n]!.result
    workers[n] = start(n)
  }
  await harming
  await Promise.all(workers.map((each) => each.says('Serving').catch(() => {})))
  await pauseAll(jobs)
  await ended(jobs)
  expectNoGap(await ticksOf(jobs))
  for (const { child } of workers) child.kill('SIGKILL')
}

async function pauseAll(jobs: Jobs): Promise<void> {
  for (const { id } of await jobs.schedules.list()) await jobs.schedules.pause(id)
}

/** Two deploys take turns while other jobs run. */
export async function deployInTurns(where: Place): Promise<void> {
  const { app, jobs } = await place(where)
  await using _ = app
  await using __ = jobs
  const living: Running[] = []
  const start = async (version: string) => {
    const running = worker(app, { VERSION: version })
    await running.says('Serving')
    living.push(running)
    return running
  }
  const stop = async (running: Running) => {
    running.child.kill('SIGTERM')
    await running.result
  }
  let isOver = false
  const loading = (async () => {
    for (let n = 0; !isOver; n += 1) {
      await jobs.dispatchByKey('load', { n }).catch(() => {})
      await sleep(5)
    }
  })()
  /** Resolves when each schedule has ticked at this instant or later. @returns the ticks since then */
  const ticksSince = async (since: number) => {
    for (;;) {
      const ran = (await ticksOf(jobs, 'tick', false)).filter(({ at }) => at >= since)
      if (bySchedule(ran).size === SCHEDULES) return ran
      await sleep(50)
    }
  }
  /** @returns the versions of the ticks of two seconds, of which the first begins in one second */
  const now = async () => {
    const from = Date.now() + 1_000
    await ticksSince(from + 2_000)
    return [...new Set((await ticksSince(from)).map(({ version }) => version))]
  }
  /** Waits until each schedule has the version of a deploy. @returns the versions after that */
  const turnTo = async (version: string) => {
    const since = Date.now()
    for (;;) {
      const turned = (await ticksSince(since)).filter((tick) => tick.version === version)
      if (bySchedule(turned).size === SCHEDULES) return await now()
      await sleep(50)
    }
  }
  const [one, two] = [await start('one'), await start('one')]
  expect(await now()).toEqual(['one'])
  const three = await start('two')
  expect(await turnTo('two')).toEqual(['two'])
  await stop(one)
  // A process of the old deploy that starts again changes nothing.
  const four = await start('one')
  expect(await now()).toEqual(['two'])
  await stop(two)
  await stop(three)
  await stop(four)
  const five = await start('one')
  expect(await turnTo('one')).toEqual(['one'])
  await start('two')
  expect(await turnTo('two')).toEqual(['two'])
  isOver = true
  await loading
  await pauseAll(jobs)
  await ended(jobs)
  const ran = await ticksOf(jobs)
  for (const ticks of bySchedule(ran).values()) {
    // The versions of the ticks change only when another deploy has its turn.
    const turns = ticks.map(({ version }) => version).filter((each, n, all) => each !== all[n - 1])
    expect(turns).toEqual(['one', 'two', 'one', 'two'])
  }
  for (const { child } of [five, ...living]) child.kill('SIGKILL')
}

/** The store is away during some ticks. @param away resolves when the store is back */
export async function missTicks(where: Place, away: () => Promise<void>): Promise<void> {
  const { app, jobs } = await place(where)
  await using _ = app
  await using __ = jobs
  const running = worker(app)
  await running.says('Serving')
  const ids = ['away/skip', 'away/once', 'away/all']
  /** Resolves when each schedule has had two ticks since this instant. */
  const ticking = async (since: number) => {
    for (;;) {
      const found = bySchedule((await ticksOf(jobs, 'away', false)).filter(({ at }) => at >= since))
      if (ids.every((id) => (found.get(id)?.length ?? 0) >= 2)) return
      await sleep(50)
    }
  }
  await ticking(0)
  await away()
  await ticking(Date.now())
  await pauseAll(jobs)
  await ended(jobs, 'away')
  const ran = bySchedule(await ticksOf(jobs, 'away'))
  for (const id of ids) {
    const instants = ran.get(id)!.map(({ at }) => at)
    const { skipped } = (await jobs.schedules.get(id))!
    const gaps = instants.slice(1).map((at, n) => (at - instants[n]!) / 1_000 - 1)
    const gone = gaps.reduce((sum, gap) => sum + gap, 0)
    // A busy machine may also skip a tick before the first job, or after the last job.
    const within = skipped.filter(({ from, to }) => from > instants[0]! && to < instants.at(-1)!)
    // Each tick without a job is recorded as skipped.
    expect({ [id]: gone }).toEqual({ [id]: within.reduce((sum, { count }) => sum + count, 0) })
    if (id === 'away/all') expect(gone).toBe(0)
    else expect(gone).toBeGreaterThanOrEqual(2)
  }
  running.child.kill('SIGKILL')
}
