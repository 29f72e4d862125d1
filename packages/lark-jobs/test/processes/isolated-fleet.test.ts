/**
 * `jobs:work --processes` with isolated classes: the supervisor, its workers, and their isolated processes.
 */
import { execFileSync } from 'node:child_process'
import { expect, inject, test } from 'vitest'
import { isAlive } from '../isolation/alive.ts'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App, type Running } from './app.ts'
import { countsOf, until } from './traced-app.ts'

const files = {
  'lark.config.js': `export default { jobs: { queues: ['default', 'other'], prefix: process.env.PREFIX || 'lark' } }`,
  // An isolated process reads from the trace how often a job has run.
  'jobs/HeldJob.js': `
    import { spawn } from 'node:child_process'
    import { appendFileSync, readFileSync } from 'node:fs'
    import { isolated, Job } from '@s18i/lark-jobs'
    export class HeldJob extends Job {
      isolate = isolated()
      handle({ n, holds }) {
        const before = readFileSync('trace.txt', 'utf8').split('\\n').filter((line) => line.endsWith(' ' + n)).length
        const sub = before < holds ? spawn('sleep', ['1000'], { stdio: 'ignore' }).pid : 0
        appendFileSync('trace.txt', [process.ppid, process.pid, sub, n].join(' ') + '\\n')
        if (sub) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      }
    }`,
  'fill.js': `
    import { HeldJob } from './jobs/HeldJob.js'
    const [count, holds] = process.argv.slice(2).map(Number)
    await new HeldJob().dispatchMany(Array.from({ length: count }, (_, n) => ({ n, holds })))`,
  'trace.txt': '',
}

/** @param holds how many runs of each job never end by themselves */
async function heldApp(count: number, holds: number): Promise<App> {
  const prefix = newPrefix()
  const url = inject('redisUrl')
  const app = await App.make(files, { LARK_JOBS_URL: url, PREFIX: prefix })
  app.atEnd(() => removeKeys(url, prefix))
  expect(await app.start(['fill.js', String(count), String(holds)]).result).toMatchObject({ code: 0 })
  return app
}

interface HeldRun {
  /** The ids of the worker, of the isolated process, and of the process that the job has started. */
  pids: [worker: number, isolated: number, sub: number]
  n: number
}

async function runsOf(app: App): Promise<HeldRun[]> {
  const lines = (await app.read('trace.txt')).split('\n').filter(Boolean)
  return lines.map((line) => {
    const [worker, isolated, sub, n] = line.split(' ').map(Number) as [number, number, number, number]
    return { pids: [worker, isolated, sub], n }
  })
}

/** Returns the ids of all descendants of a process. */
function under(pid: number): number[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/).map(Number))
  const found = [pid]
  for (const at of found)
    for (const [child, parent] of rows) if (parent === at && child !== undefined) found.push(child)
  return found.slice(1)
}

const alive = (pids: readonly number[]) => pids.filter(isAlive)

async function stopped(supervisor: Running): Promise<number | null> {
  supervisor.child.kill('SIGTERM')
  await supervisor.says('Stopping')
  supervisor.child.kill('SIGTERM')
  return (await supervisor.result).code
}

test.concurrent('after kill -9 of a worker process, its isolated processes end and its jobs run again, and a stop ends all other processes', async () => {
  await using app = await heldApp(4, 1)
  const supervisor = app.lark('jobs:work', '--processes=2', '--concurrency=2')
  await until(async () => (await runsOf(app)).length === 4)
  const first = await runsOf(app)
  const [victim] = first[0]!.pids
  const its = first.filter(({ pids: [worker] }) => worker === victim)
  const others = first.filter((run) => !its.includes(run))
  expect([its.length, others.length]).toEqual([2, 2])
  const family = under(victim)
  expect(family).toEqual(expect.arrayContaining(its.flatMap(({ pids }) => pids.slice(1))))
  const killedAt = performance.now()
  process.kill(victim, 'SIGKILL')
  await until(() => alive(family).length === 0)
  expect(performance.now() - killedAt).toBeLessThan(2_000)
  await until(async () => (await runsOf(app)).length === 6)
  const again = (await runsOf(app)).slice(4)
  expect(again.map(({ n }) => n).sort()).toEqual(its.map(({ n }) => n).sort())
  await supervisor.says('was killed by SIGKILL: 2 jobs went back; another starts now')
  await until(async () => (await countsOf(app, 'default')).completed === 2)
  // No other process has ended or begun.
  const held = others.flatMap(({ pids }) => pids)
  expect(alive(held)).toEqual(held)

  const all = under(supervisor.child.pid!)
  expect(all).toEqual(expect.arrayContaining(held))
  expect(await stopped(supervisor)).toBe(0)
  await until(() => alive(all).length === 0)
  expect(await runsOf(app)).toHaveLength(6)
  expect(await countsOf(app, 'default')).toMatchObject({ waiting: 2, active: 0, completed: 2, failed: 0 })
})

test.concurrent('after kill -9 of the supervisor, its workers give back the isolated jobs, and no process is left', {
  timeout: 120_000,
}, async () => {
  await using app = await heldApp(2, 9)
  const supervisor = app.lark('jobs:work', '--processes=2', '--concurrency=1')
  await until(async () => (await runsOf(app)).length === 2)
  const all = under(supervisor.child.pid!)
  expect(all).toEqual(expect.arrayContaining((await runsOf(app)).flatMap(({ pids }) => pids)))
  const killedAt = performance.now()
  supervisor.child.kill('SIGKILL')
  await until(() => alive(all).length === 0)
  // A stop takes up to 25 seconds, but blocked isolated processes do not delay it.
  expect(performance.now() - killedAt).toBeLessThan(29_000)
  expect(await countsOf(app, 'default')).toMatchObject({ waiting: 2, active: 0, failed: 0 })
  expect(await runsOf(app)).toHaveLength(2)
})
