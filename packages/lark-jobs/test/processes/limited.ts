/**
 * A queue with a limit and several worker processes, one of which is killed or stopped. The tests compare
 * three things: how many jobs the store counts as active, which runs the handlers have noted, and when each
 * job was claimed by the store's clock.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createJobs } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App, type Running } from './app.ts'

/** The length of leases in milliseconds. */
const LEASE = 1_500
const PLACES = 4
const WORKERS = 4

const files = {
  'trace.txt': '',
  'lark.config.js': `
    export default { jobs: {
      queues: { default: { concurrency: ${PLACES} }, rated: { rate: { limit: 20 } } },
      prefix: process.env.PREFIX,
    } }`,
  'jobs/PlaceJob.js': `
    import { appendFileSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    import { Job } from '@s18i/lark-jobs'
    const write = (what, n) => appendFileSync(process.env.TRACE, \`\${what} \${process.pid} \${n} \${Date.now()}\\n\`)
    export class PlaceJob extends Job {
      async handle({ n, ms }) {
        write('start', n)
        await sleep(ms)
        write('end', n)
      }
    }`,
  'jobs/RatedJob.js': `
    import { appendFileSync } from 'node:fs'
    import { Job, Jobs } from '@s18i/lark-jobs'
    export class RatedJob extends Job {
      queueName = 'rated'
      async handle({ n }) {
        const { claimedAt } = await Jobs.find(this.id)
        appendFileSync(process.env.TRACE, \`claim \${process.pid} \${n} \${claimedAt}\\n\`)
      }
    }`,
  'fill.js': `
    import { PlaceJob } from './jobs/PlaceJob.js'
    import { RatedJob } from './jobs/RatedJob.js'
    const [name, count, ms = 0] = process.argv.slice(2)
    const job = name === 'place' ? new PlaceJob() : new RatedJob()
    await job.dispatchMany(Array.from({ length: Number(count) }, (_, n) => ({ n, ms: Number(ms) })))`,
  'work.js': `
    import { Jobs } from '@s18i/lark-jobs'
    const worker = await Jobs.work({ concurrency: 10, lease: ${LEASE} })
    process.once('SIGTERM', () => worker.stop())
    console.log('working')
    console.log(JSON.stringify(await worker.done))
    await Jobs.close()`,
}

interface Line {
  what: string
  pid: number
  n: number
  at: number
}

/** One run of a handler. The run has no end if its process died. */
interface Run {
  pid: number
  n: number
  from: number
  to: number
}

class Fleet implements AsyncDisposable {
  readonly workers: Running[] = []
  readonly #app: App
  readonly #jobs: ReturnType<typeof createJobs>
  readonly store: Store

  private constructor(app: App, jobs: ReturnType<typeof createJobs>, store: Store) {
    this.#app = app
    this.#jobs = jobs
    this.store = store
  }

  /** Starts the workers of an application whose jobs are queued. */
  static async start(url: string | undefined, ...fill: string[]): Promise<Fleet> {
    const prefix = newPrefix()
    const app = await App.make(files, { LARK_JOBS_URL: url, PREFIX: prefix })
    if (url !== undefined) app.atEnd(() => removeKeys(url, prefix))
    const jobs = createJobs({ connection: url ?? `sqlite:${app.folder}/.lark/jobs.db`, prefix })
    const fleet = new Fleet(app, jobs, (await insideOf(jobs).open()).store)
    try {
      expect(await app.start(['fill.js', ...fill]).result).toMatchObject({ code: 0, stderr: '' })
      await fleet.#begin()
      return fleet
    } catch (error) {
      await fleet[Symbol.asyncDispose]()
      throw error
    }
  }

  async #begin(): Promise<void> {
    const traced = { TRACE: `${this.#app.folder}/trace.txt` }
    for (let i = 0; i < WORKERS; i++) this.workers.push(this.#app.start(['work.js'], '.', traced))
    await Promise.all(this.workers.map((worker) => worker.says('working')))
  }

  async lines(): Promise<Line[]> {
    const lines = (await this.#app.read('trace.txt')).split('\n').filter(Boolean)
    return lines.map((line) => {
      const [what, pid, n, at] = line.split(' ')
      return { what: what!, pid: Number(pid), n: Number(n), at: Number(at) }
    })
  }

  async runs(): Promise<Run[]> {
    const runs: Run[] = []
    for (const { what, pid, n, at } of await this.lines()) {
      const open = runs.find((run) => run.pid === pid && run.n === n && run.to === Number.POSITIVE_INFINITY)
      if (what === 'start') runs.push({ pid, n, from: at, to: Number.POSITIVE_INFINITY })
      else if (open !== undefined) open.to = at
    }
    return runs
  }

  /** Stops a worker (SIGSTOP) at a moment at which it runs at least two jobs. */
  async freeze(): Promise<{ victim: Running; pid: number; held: number[]; at: number }> {
    for (;;) {
      for (const victim of this.workers) {
        const pid = victim.child.pid!
        victim.child.kill('SIGSTOP')
        const at = Date.now()
        // After this pause, the last write of the process has arrived, or will never arrive.
        await pause(20)
        const held = (await this.runs()).filter((run) => run.pid === pid && run.to > at).map(({ n }) => n)
        if (held.length >= 2) return { victim, pid, held, at }
        victim.child.kill('SIGCONT')
      }
      await pause(20)
    }
  }

  /** Counts the active jobs at short intervals until no job is left. @returns all counts */
  async watch(queue: string): Promise<number[]> {
    const seen: number[] = []
    for (;;) {
      const { waiting, delayed, active } = await this.store.counts(queue)
      seen.push(active)
      if (waiting + delayed + active === 0) return seen
      await pause(2)
    }
  }

  /** @returns the number of lost leases of each living worker */
  async stop(): Promise<number[]> {
    for (const { child } of this.workers) child.kill('SIGTERM')
    const results = await Promise.all(this.workers.map(({ result }) => result))
    return results.flatMap(({ code, stdout }) =>
      code === 0 ? [JSON.parse(stdout.split('\n')[1]!).lost] : [],
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#jobs.close()
    await this.#app[Symbol.asyncDispose]()
  }
}

/** Returns the first time after `since` at which as many jobs ran as the limit allows. */
function fullAt(runs: readonly Run[], since: number): number | undefined {
  const times = runs.map(({ from }) => from).filter((at) => at >= since)
  return times.sort((one, other) => one - other).find((at) => openAt(runs, at) >= PLACES)
}

function openAt(runs: readonly Run[], at: number): number {
  return runs.filter(({ from, to }) => from <= at && to > at).length
}

const twice = (runs: readonly Run[]) => {
  const seen = new Set<number>()
  return [...new Set(runs.filter(({ n }) => seen.size === seen.add(n).size).map(({ n }) => n))]
}

/** @param url the URL of a store; undefined for the embedded store */
export function limited(url: () => string | undefined): void {
  test('after kill -9 of a worker, there are never more active jobs than the concurrency allows, and as many as it allows within a lease and a second', async () => {
    await using fleet = await Fleet.start(url(), 'place', '60', '250')
    const watching = fleet.watch('default')
    const { victim, pid, held, at } = await fleet.freeze()
    victim.child.kill('SIGKILL')

    const seen = await watching
    expect(Math.max(...seen)).toBe(PLACES)
    expect(seen.length).toBeGreaterThan(100)
    expect(await fleet.stop()).toEqual([0, 0, 0])
    const runs = await fleet.runs()
    expect(runs.filter((run) => run.to !== Number.POSITIVE_INFINITY).length).toBeGreaterThanOrEqual(60)
    expect(new Set(runs.map(({ n }) => n)).size).toBe(60)
    // Jobs whose end the store had not confirmed may have run again, too.
    const own = runs.filter((run) => run.pid === pid)
    const again = twice(runs)
    expect(again).toEqual(expect.arrayContaining(held))
    expect(own.map(({ n }) => n)).toEqual(expect.arrayContaining(again))
    const full = fullAt(
      runs.filter((run) => run.pid !== pid),
      at,
    )
    expect(full! - at).toBeGreaterThan(0)
    expect(full! - at).toBeLessThanOrEqual(LEASE + 1_000)
  })

  test('if a worker is stopped, its handlers may outlive their leases, and only active jobs count towards the concurrency', async () => {
    await using fleet = await Fleet.start(url(), 'place', '60', '250')
    const watching = fleet.watch('default')
    const { victim, pid, held, at } = await fleet.freeze()
    await pause(LEASE + 1_200)
    const woke = Date.now()
    victim.child.kill('SIGCONT')

    const seen = await watching
    expect(Math.max(...seen)).toBe(PLACES)
    const lost = await fleet.stop()
    const runs = await fleet.runs()
    const again = twice(runs)
    expect(new Set(runs.map(({ n }) => n)).size).toBe(60)
    expect(lost.sort()).toEqual([0, 0, 0, again.length])
    expect(again).toEqual(expect.arrayContaining(held))
    const own = runs.filter((run) => run.pid === pid && again.includes(run.n))
    expect(own.filter(({ to }) => to >= woke).map(({ n }) => n)).toEqual(held)
    // Other workers ran as many jobs as the limit allows, while the handlers of the stopped worker still ran
    // without a lease.
    const full = fullAt(
      runs.filter((run) => run.pid !== pid),
      at,
    )
    expect(full! - at).toBeLessThanOrEqual(LEASE + 1_000)
    expect(full!).toBeLessThan(woke)
  })

  test('with a rate, no more jobs than the limit begin within any second by the clock of the store', async () => {
    await using fleet = await Fleet.start(url(), 'rated', '90')
    await fleet.watch('rated')
    await fleet.stop()
    const lines = await fleet.lines()
    expect(new Set(lines.map(({ n }) => n)).size).toBe(90)
    expect(lines).toHaveLength(90)
    expect(new Set(lines.map(({ pid }) => pid)).size).toBeGreaterThan(1)
    const claims = lines.map(({ at }) => at).sort((one, other) => one - other)
    const spans = claims.slice(20).map((at, i) => at - claims[i]!)
    expect(Math.min(...spans)).toBeGreaterThanOrEqual(1_000)
    // The rate is also used fully: after the first jobs, twenty jobs begin in each of four seconds.
    expect(claims.at(-1)! - claims[0]!).toBeLessThan(6_000)
  })
}
