/**
 * Awaits thousands of results while workers are killed, and while the store restarts or fails over. Each wait
 * must settle with the right outcome, at most a second after the end of the job. Time in which the store does
 * not answer or is too slow does not count, because on a busy machine the store and this process wait for the
 * CPU.
 *
 * `LARK_RESULTS=5000` sets the number of results.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { expect, vi } from 'vitest'
import type { Jobs } from '../../src/api/jobs.ts'
import { createJobs, Job, type JobHandle, JobsError } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { signal } from '../working/bench.ts'
import { App } from './app.ts'

const COUNT = Number(process.env.LARK_RESULTS ?? 200)
/** Milliseconds that a job takes. */
const TAKES = 100
/** Milliseconds between two kills of a worker. */
const PAUSE = 500
/** Milliseconds after the end of a job within which its result must be known. */
const LATEST = 1_000
const WORKERS = 3
/** The number of slots of a worker. With this number of slots, the whole test takes some seconds. */
const SLOTS = Math.max(5, Math.ceil(COUNT / 200))

class SquareJob extends Job {
  override key = 'square'
  handle(_payload: { n: number; fails?: boolean }): { square: number } {
    throw new Error('only the workers run it')
  }
}

export const files = {
  'lark.config.js': 'export default { jobs: { prefix: process.env.PREFIX || undefined } }',
  'jobs/SquareJob.js': `
    import { setTimeout as sleep } from 'node:timers/promises'
    import { Job } from '@s18i/lark-jobs'
    export class SquareJob extends Job {
      key = 'square'
      async handle({ n, fails }) {
        await sleep(${TAKES})
        if (fails) this.fail('no square of ' + n)
        return { square: n * n }
      }
    }`,
  'work.js': `
    import { Jobs } from '@s18i/lark-jobs'
    await Jobs.work({ concurrency: ${SLOTS}, lease: 1_000 })`,
}

/** Milliseconds after which a call to the store counts as unanswered. */
const SLOW = 200
/** Milliseconds that a test may take, also on a busy machine. */
export const PATIENCE = 300_000 + 200 * COUNT

/** The kinds of the jobs, in turn. */
const kinds = ['completes', 'completes', 'completes', 'fails', 'is cancelled', 'is removed'] as const
const kindOf = (n: number) => kinds[n % kinds.length]!

/** The times in which the store is away, by the wall clock. */
export class Outages {
  readonly #times: { from: number; to: number }[] = []

  /** @param alive resolves when the store answers again */
  async during(away: () => Promise<void>, alive: () => Promise<unknown>): Promise<void> {
    const time = { from: Date.now(), to: Number.POSITIVE_INFINITY }
    this.#times.push(time)
    await away()
    await alive()
    time.to = Date.now()
  }

  /**
   * Pings the store at short intervals, and notes when the answer takes long or when this process gets no
   * CPU.
   */
  async watch(ask: () => Promise<unknown>, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      const from = Date.now()
      await ask().catch(() => {})
      await sleep(20)
      const to = Date.now()
      if (to - from > SLOW) this.#times.push({ from, to })
    }
  }

  /** Returns how much of the time between two instants was not within an outage. */
  without(from: number, to: number): number {
    let [left, at] = [0, from]
    for (const time of this.#times.toSorted((a, b) => a.from - b.from)) {
      left += Math.max(0, Math.min(to, time.from) - at)
      at = Math.max(at, Math.min(to, time.to))
    }
    return left + to - at
  }
}

export interface Place {
  /** The connection for `createJobs`. */
  connection: string
  prefix?: string
}

/**
 * @param harm called once, to disturb the store while jobs run. `ping` resolves when the store answers
 */
export async function awaitUnderAbuse(
  { connection, prefix }: Place,
  harm: (outages: Outages, ping: () => Promise<unknown>) => Promise<void> = async () => {},
): Promise<void> {
  await using app = await App.make(files, { LARK_JOBS_URL: connection, PREFIX: prefix ?? '' })
  const durability = connection.startsWith('redis+sentinel') ? ('replicated' as const) : ('normal' as const)
  await using web = createJobs({ connection, durability, ...(prefix !== undefined && { prefix }) })
  const outages = new Outages()
  const { late, watched } = await observe(web, outages)
  const handles = await dispatchAll(web)
  const all = handles.map(async (handle, n) =>
    expect(await told(handle, n), `${n} ${kindOf(n)}`).toBe(right(n)),
  )
  const results = Promise.allSettled(all)
  await watched
  const over = new AbortController()
  const killing = killWorkers(app, over.signal)
  const { store } = await insideOf(web).open()
  const watching = outages.watch(() => store.counts('default'), over.signal)
  const ping = async () => {
    while ((await store.counts('default').catch(() => undefined)) === undefined) await sleep(20)
  }
  const harming = harm(outages, ping)
  await changeSome(handles)
  await harming
  const settled = await results
  over.abort()
  await Promise.all([killing, watching])
  expect(settled.filter(({ status }) => status === 'rejected')).toEqual([])
  expect(late(), 'too late').toEqual([])
}

/**
 * Dispatches all jobs. The jobs that will be cancelled or removed are delayed, so that no worker runs them
 * before.
 */
async function dispatchAll(web: Jobs): Promise<JobHandle<SquareJob>[]> {
  const drafts = Array.from({ length: COUNT }, (_, n) => {
    const draft = new SquareJob().with({ n, ...(kindOf(n) === 'fails' && { fails: true }) })
    return kindOf(n).startsWith('is ') ? draft.delayed('1h') : draft
  })
  return web.dispatch(drafts)
}

/** Cancels and removes the jobs of these kinds over some seconds, also while the store does not answer. */
async function changeSome(handles: readonly JobHandle<SquareJob>[]): Promise<void> {
  for (const [n, handle] of handles.entries()) {
    const change = { 'is cancelled': 'cancel', 'is removed': 'remove' }[kindOf(n) as string] as
      | 'cancel'
      | 'remove'
      | undefined
    if (change === undefined) continue
    // A call that got no answer may have been carried out.
    while ((await handle[change]().catch(() => 'again')) === 'again') await sleep(50)
    await sleep(5_000 / COUNT)
  }
}

/** Returns the outcome of a wait in words. */
async function told(handle: JobHandle<SquareJob>, n: number): Promise<string> {
  try {
    return JSON.stringify(await handle.result())
  } catch (error) {
    if (!JobsError.is(error)) throw error
    const cause = error.cause as (Error & { code?: string }) | undefined
    // The job was running in three workers that were killed.
    if (cause?.code === 'WORKER_DIED') return right(n)
    return [error.code, error.reason, cause?.message].filter(Boolean).join(' ')
  }
}

function right(n: number): string {
  const ends = {
    completes: JSON.stringify({ square: n * n }),
    fails: `JOB_FAILED no square of ${n}`,
    'is cancelled': 'JOB_CANCELLED user',
    'is removed': 'JOB_REMOVED removed',
  }
  return ends[kindOf(n)]
}

/** Kills one worker after the other, and starts a new one for each. */
export async function killWorkers(app: App, over: AbortSignal): Promise<void> {
  const workers = Array.from({ length: WORKERS }, () => app.start(['work.js']))
  for (let n = 0; !over.aborted; n = (n + 1) % WORKERS) {
    // Kill a worker only after it has begun, because otherwise no job would ever run on a busy machine. A
    // worker that starts while the server is down ends by itself.
    await workers[n]!.says('Serving').catch(() => {})
    await sleep(PAUSE, undefined, { signal: over }).catch(() => {})
    workers[n]!.child.kill('SIGKILL')
    await workers[n]!.result
    if (!over.aborted) workers[n] = app.start(['work.js'])
  }
  for (const { child } of workers) child.kill('SIGKILL')
  await Promise.all(workers.map(({ result }) => result))
}

/**
 * @returns a function that lists the ends that were known too late, and a promise that resolves when all jobs
 * are watched
 */
async function observe(web: Jobs, outages: Outages) {
  const { store } = await insideOf(web).open()
  const first = signal()
  const asked = new Set<string>()
  const found: { id: string; endedAt: number; at: number }[] = []
  const watch = store.watch.bind(store)
  vi.spyOn(store, 'watch').mockImplementation(async (...args) => {
    const fates = await watch(...args)
    for (const id of args[2]) asked.add(id)
    if (asked.size === COUNT) first.resolve()
    for (const fate of fates)
      if (fate.kind === 'ended')
        found.push({ id: fate.job.id, endedAt: fate.job.finishedAt!, at: Date.now() })
    return fates
  })
  const late = () => {
    expect(found.length).toBeGreaterThanOrEqual(COUNT * 0.9)
    const times = found.map(({ id, endedAt, at }) => ({ id, ms: outages.without(endedAt, at) }))
    if (process.env.LARK_RESULTS !== undefined) tellTimes(times.map(({ ms }) => ms))
    return times.filter(({ ms }) => ms > LATEST).map(({ id, ms }) => `${id} after ${ms} ms`)
  }
  return { late, watched: first.promise }
}

function tellTimes(times: number[]): void {
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(share * (times.length - 1))]
  console.log(`${times.length} ends were known after ${at(0.5)} ms (p50), ${at(0.99)} (p99), ${at(1)} (last)`)
}
