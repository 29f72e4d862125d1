import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App, type Running } from './app.ts'
import { readTrace, times, traceFiles } from './trace.ts'

const files = {
  ...traceFiles,
  'jobs/MoodJob.js': `
    import { appendFileSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    import { Job } from '@s18i/lark-jobs'
    const trace = (what, n) => appendFileSync(process.env.TRACE, what + ' ' + process.pid + ' ' + n + '\\n')
    /** Does what its payload says. */
    export class MoodJob extends Job {
      key = 'mood'
      queueName = 'other'
      backoff = 0
      async handle({ n, mood }) {
        trace('start', n)
        if (mood === 'exits') process.exit(3)
        if (mood === 'blocks' && this.attempt === 1) for (;;);
        if (mood === 'hangs' && this.attempt === 1) await new Promise(() => {})
        trace('end', n)
        return mood === 'talks' ? 'x'.repeat(50_000) : true
      }
    }`,
  'mood.js': `
    import { MoodJob } from './jobs/MoodJob.js'
    const job = new MoodJob()
    const [mood, timeout, count] = process.argv.slice(2)
    if (timeout) job.timeout = timeout
    await job.dispatchMany(Array.from({ length: Number(count) }, () => ({ n: 1_000, mood })))
    console.log(job.id)`,
}

type Mood = 'exits' | 'hangs' | 'blocks' | 'talks' | 'fine'

export interface Traced {
  app: App
  /** Starts `lark jobs:work` with these flags. */
  work(...flags: string[]): Running
  /** Dispatches so many jobs that sleep for `ms` each. */
  fill(count: number, ms: number): Promise<void>
  /** Dispatches a job that does what the word says; what hangs or blocks does so at its first attempt. @returns its id */
  mood(word: Mood, options?: { timeout?: string; count?: number }): Promise<string>
}

/** An application whose jobs leave a trace. @param url of its store; undefined: the embedded */
export async function tracedApp(url: string | undefined): Promise<Traced & AsyncDisposable> {
  const prefix = newPrefix()
  const app = await App.make(files, { LARK_JOBS_URL: url, PREFIX: prefix })
  if (url !== undefined) app.atEnd(() => removeKeys(url, prefix))
  await app.write({ 'trace.txt': '' })
  const bin = join(app.folder, 'node_modules/@s18i/lark/dist/bin.js')
  return {
    app,
    work: (...flags) =>
      app.start([bin, 'jobs:work', ...flags], '.', { TRACE: join(app.folder, 'trace.txt') }),
    async fill(count, ms) {
      expect(await app.start(['fill.js', String(count), String(ms)]).result).toMatchObject({ code: 0 })
    },
    async mood(word, { timeout = '', count = 1 } = {}) {
      return (await app.start(['mood.js', word, timeout, String(count)]).result).stdout.trim()
    },
    [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
  }
}

/** Looks again until it is so. */
export async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await pause(10)
}

/** Whether a process of this id is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export const countsOf = async (app: App, queue: 'default' | 'other') => {
  const { queues } = JSON.parse((await app.run('jobs:status', '--json')).stdout)
  return queues.find((each: { queue: string }) => each.queue === queue).counts
}

/** `jobs:work --processes`, whatever happens to its processes. @param url undefined: the embedded store */
export function supervising(url: () => string | undefined): void {
  test('kill -9 of a process under load: what it held starts elsewhere at once, another takes its place, every job ends', async () => {
    await using traced = await tracedApp(url())
    const { app, work, fill } = traced
    await fill(3_000, 20)
    const supervisor = work('--processes=2', '--concurrency=20', '--stop-when-empty')
    const endedBy = async (pid: number | undefined) =>
      (await readTrace(app)).ends.filter((end) => end.pid === pid).length
    await until(async () => (await readTrace(app)).ends.length > 0)
    const victim = (await readTrace(app)).ends[0]!.pid
    await until(async () => (await endedBy(victim)) >= 100)
    process.kill(victim, 'SIGKILL')
    const { code, stdout, stderr } = await supervisor.result
    expect(stderr).toMatch(
      new RegExp(
        `^! Worker process [12] \\(pid ${victim}\\) was killed by SIGKILL: \\d+ jobs went back; another starts now$`,
        'm',
      ),
    )
    expect(code).toBe(0)
    expect(stdout).toMatch(/\n[\d,]+ completed in [^\n]*\n$/)

    const { starts, ends } = await readTrace(app)
    expect(times(ends).size).toBe(3_000)
    expect([...times(starts).values()].every((count) => count <= 2)).toBe(true)
    // What it had begun and not ended, and what ended in its last batches, whose settling nobody can be sure of.
    const again = [...times(starts)].filter(([, count]) => count === 2).map(([n]) => n)
    const its = new Set(starts.filter(({ pid }) => pid === victim).map(({ n }) => n))
    expect(again.length).toBeGreaterThan(0)
    expect(again.length).toBeLessThanOrEqual(80)
    expect(again.every((n) => its.has(n))).toBe(true)
  })

  test('kill -9 of a process: its jobs do not wait for their leases to end', async () => {
    await using traced = await tracedApp(url())
    const { app, work, fill } = traced
    await fill(6, 60_000)
    const supervisor = work('--processes=2', '--concurrency=10')
    await until(async () => (await readTrace(app)).starts.length === 6)
    const { starts } = await readTrace(app)
    const victim = starts[0]!.pid
    const its = starts.filter(({ pid }) => pid === victim).map(({ n }) => n)
    const killedAt = performance.now()
    process.kill(victim, 'SIGKILL')
    await until(async () => (await readTrace(app)).starts.length === 6 + its.length)
    // It is a matter of milliseconds; a lease is 15 seconds long.
    expect(performance.now() - killedAt).toBeLessThan(8_000)
    const again = (await readTrace(app)).starts.slice(6)
    expect(again.map(({ n }) => n).sort()).toEqual(its.sort())
    await supervisor.says(its.length === 1 ? '1 job went back' : `${its.length} jobs went back`)

    supervisor.child.kill('SIGTERM')
    await supervisor.says('Stopping')
    supervisor.child.kill('SIGTERM')
    expect(await supervisor.result).toMatchObject({ code: 0 })
    expect(await countsOf(app, 'default')).toMatchObject({ waiting: 6, active: 0 })
  })

  test.concurrent('a job that ends its process is failed in the end; the supervisor goes on', async () => {
    await using traced = await tracedApp(url())
    const { app, work, mood } = traced
    await mood('exits')
    await mood('fine')
    const supervisor = work('--processes=1', '--concurrency=1')
    await supervisor.says('1 job failed with WORKER_DIED')
    await until(async () => (await readTrace(app)).ends.length === 1)
    supervisor.child.kill('SIGTERM')
    const { code, stderr } = await supervisor.result
    expect(code).toBe(0)
    expect(stderr.match(/^! Worker process 1 \(pid \d+\) ended with exit code 3: 1 job /gm)).toHaveLength(3)
    expect(stderr).toMatch(/another starts now\n.*another starts in 100 ms\n.*another starts in 200 ms\n/)
    const { jobs } = JSON.parse((await app.run('jobs:failed', '--json')).stdout)
    expect(jobs).toMatchObject([{ key: 'mood', crashes: 3, errors: [{ code: 'WORKER_DIED' }] }])
  })

  test.concurrent('a handler that hangs: a timeout for its job, nothing for those beside it, and another process', async () => {
    await using traced = await tracedApp(url())
    const { app, work, fill, mood } = traced
    await fill(1, 7_000)
    const supervisor = work('--processes=1')
    await until(async () => (await readTrace(app)).starts.length === 1)
    const id = await mood('hangs', { timeout: '100ms' })
    await until(async () => (await readTrace(app)).ends.length === 2)
    supervisor.child.kill('SIGTERM')
    const { code, stdout, stderr } = await supervisor.result
    expect(code).toBe(0)
    expect(stderr).toMatch(/^! MoodJob \w{13} is stuck: .* its process is replaced$/m)
    expect(stderr).toMatch(/^i Worker process 1 \(pid \d+\) has stopped; another starts now$/m)
    expect(stdout).toMatch(/^↻ MoodJob .* attempt 1 of 3, .*timeout of 0.1 s$/m)
    expect(stdout).toMatch(/\n2 completed, 1 retried in /)
    const { starts } = await readTrace(app)
    expect(starts.map(({ n }) => n)).toEqual([0, 1_000, 1_000])
    expect(starts[2]!.pid).not.toBe(starts[0]!.pid)
    const { state, failures, crashes, releases } = JSON.parse(
      (await app.run('jobs:show', id, '--json')).stdout,
    )
    expect({ state, failures, crashes, releases }).toEqual({
      state: 'completed',
      failures: 1,
      crashes: 0,
      releases: 0,
    })
  })

  test.concurrent('a handler that blocks its process: a timeout for its job, nothing for those beside it, and another process', async () => {
    await using traced = await tracedApp(url())
    const { app, work, fill, mood } = traced
    await fill(1, 60_000)
    const supervisor = work('--processes=1')
    await until(async () => (await readTrace(app)).starts.length === 1)
    const id = await mood('blocks', { timeout: '100ms' })
    await until(async () => (await readTrace(app)).ends.some(({ n }) => n === 1_000))
    await until(async () => (await readTrace(app)).starts.filter(({ n }) => n === 0).length === 2)
    supervisor.child.kill('SIGTERM')
    await supervisor.says('Stopping')
    supervisor.child.kill('SIGTERM')
    const { code, stderr } = await supervisor.result
    expect(code).toBe(0)
    expect(stderr).toMatch(
      /^! Worker process 1 \(pid \d+\) was killed by SIGKILL: it held no job; another starts now$/m,
    )
    const shown = JSON.parse((await app.run('jobs:show', id, '--json')).stdout)
    expect(shown).toMatchObject({
      state: 'completed',
      failures: 1,
      crashes: 0,
      errors: [{ code: 'JOB_TIMED_OUT' }],
    })
    // Given back by the thread, and by the end.
    expect(await countsOf(app, 'default')).toMatchObject({ waiting: 1, active: 0 })
  })

  test.concurrent('SIGTERM and SIGINT to all of them, as a terminal and a process manager do: one stop, in order', async () => {
    await using traced = await tracedApp(url())
    const { app, work, fill } = traced
    await fill(60, 1_500)
    const supervisor = work('--processes=2', '--concurrency=3')
    const pids = async () => [...new Set((await readTrace(app)).starts.map(({ pid }) => pid))]
    await until(async () => (await pids()).length === 2)
    for (const pid of await pids()) process.kill(pid, 'SIGINT')
    for (const pid of [supervisor.child.pid!, ...(await pids())]) process.kill(pid, 'SIGTERM')
    const { code, stdout, stderr } = await supervisor.result
    expect(code).toBe(0)
    expect(stderr).toContain('Stopping: finishes what runs')
    expect(stderr).not.toContain('Worker process')
    const { starts, ends } = await readTrace(app)
    expect(ends).toHaveLength(starts.length)
    expect(stdout).toContain(`${starts.length} completed`)
    expect(await countsOf(app, 'default')).toMatchObject({
      waiting: 60 - starts.length,
      active: 0,
      completed: starts.length,
    })
  })

  test.concurrent('SIGTERM to one process: it finishes what runs, and is replaced', async () => {
    await using traced = await tracedApp(url())
    const { app, work, fill } = traced
    await fill(3, 1_000)
    const supervisor = work('--processes=1', '--concurrency=1')
    await until(async () => (await readTrace(app)).starts.length === 1)
    const { pid } = (await readTrace(app)).starts[0]!
    process.kill(pid, 'SIGTERM')
    await supervisor.says(`Worker process 1 (pid ${pid}) has stopped; another starts now`)
    await until(async () => (await readTrace(app)).ends.length === 3)
    supervisor.child.kill('SIGTERM')
    expect(await supervisor.result).toMatchObject({ code: 0 })
    const { starts } = await readTrace(app)
    expect(starts).toHaveLength(3)
    expect(starts.filter((start) => start.pid === pid)).toHaveLength(1)
  })

  test.concurrent('kill -9 of the supervisor: its processes finish what runs, take no more, and are gone', async () => {
    await using traced = await tracedApp(url())
    const { app, work, fill } = traced
    await fill(60, 1_500)
    const supervisor = work('--processes=2', '--concurrency=3')
    const pids = async () => [...new Set((await readTrace(app)).starts.map(({ pid }) => pid))]
    await until(async () => (await pids()).length === 2)
    supervisor.child.kill('SIGKILL')
    const { signal, stderr } = await supervisor.result
    expect(signal).toBe('SIGKILL')
    expect(stderr).toContain('The supervisor is gone: finishes what runs, and ends')
    const all = await pids()
    await until(() => !all.some(isAlive))
    const { starts, ends } = await readTrace(app)
    expect(ends).toHaveLength(starts.length)
    expect(await countsOf(app, 'default')).toMatchObject({ waiting: 60 - starts.length, active: 0 })
  })

  test.concurrent('--stop-when-empty and --max-jobs: when all processes are done, so is the supervisor, with one sum', async () => {
    await using traced = await tracedApp(url())
    const { app, work, fill, mood } = traced
    await fill(500, 1)
    await mood('fine')
    const empty = await work('--processes=3', '--stop-when-empty').result
    expect(empty.code).toBe(0)
    expect(empty.stderr).toMatch(/^i Serving \S+: default, other in fair turns, 3 processes × 10 at a time\n/)
    // The test server has something to be warned of.
    expect(empty.stderr.match(/append-only/g) ?? []).toHaveLength(url() === undefined ? 0 : 1)
    expect(empty.stdout).toMatch(
      /\nQUEUE +COMPLETED.*\n(default +500 .*\nother +1 |other +1 .*\ndefault +500 ).*\n\n501 completed in [^\n]*\n$/,
    )

    await fill(20, 0)
    const some = await work('--processes=2', '--max-jobs=5').result
    expect(some).toMatchObject({ code: 0 })
    expect(some.stdout).toMatch(/\n10 completed in [^\n]*\n$/)
    expect(await countsOf(app, 'default')).toMatchObject({ waiting: 10 })
  })

  test.concurrent('for machines: whole lines of JSON from every process, each with its worker', async () => {
    await using traced = await tracedApp(url())
    const { work, fill, mood } = traced
    await fill(2_000, 3)
    // Their lines are longer than what a pipe hands over at once.
    await mood('talks', { count: 200 })
    const { code, stdout, stderr } = await work('--processes=2', '--json', '--stop-when-empty').result
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const jobs = events.filter(({ event }) => event === 'job')
    expect(jobs).toHaveLength(2_200)
    expect(new Set(jobs.map(({ worker }) => worker)).size).toBe(2)
    expect(events.at(-1)).toMatchObject({ event: 'summary', completed: 2_200, failed: 0 })
  })
}
