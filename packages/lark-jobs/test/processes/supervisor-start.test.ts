/** The start of a supervisor, processes that cannot start, and a store that cannot be reached. */
import { expect, test } from 'vitest'
import { Server } from '../redis/server.ts'
import { readTrace } from './trace.ts'
import { countsOf, isAlive, tracedApp, until } from './traced-app.ts'

const otherTrace = `
  import { Job } from '@s18i/lark-jobs'
  export class OtherTraceJob extends Job { key = 'trace'; handle() {} }`

test.concurrent('if a file ends its process, the process is restarted after pauses that double, and jobs run when the file is corrected', async () => {
  await using traced = await tracedApp(undefined)
  const { app, work, fill } = traced
  await fill(1, 0)
  await app.write({ 'jobs/Bad.js': 'process.exit(7)' })
  const supervisor = work('--processes=1')
  await supervisor.says('another starts in 400 ms')
  await app.remove('jobs/Bad.js')
  await until(async () => (await readTrace(app)).ends.length === 1)
  supervisor.child.kill('SIGTERM')
  const { code, stderr } = await supervisor.result
  expect(code).toBe(0)
  const pauses = [...stderr.matchAll(/ended with exit code 7: it held no job; another starts (.*)$/gm)]
  expect(pauses.slice(0, 4).map(([, pause]) => pause)).toEqual(['now', 'in 100 ms', 'in 200 ms', 'in 400 ms'])
})

test.concurrent('an error in the application is printed once, and ends the supervisor', async () => {
  await using traced = await tracedApp(undefined)
  const { app, work } = traced
  await app.write({ 'jobs/Other.js': otherTrace })
  const { code, stdout, stderr } = await work('--processes=3').result
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr.split('\n').slice(1)).toEqual([
    expect.stringMatching(/^✗ Two job classes under the key 'trace'/),
    expect.stringMatching(/^ {2}Give one of them another key/),
    '',
  ])
  const json = await work('--processes=2', '--json').result
  expect(json.code).toBe(1)
  expect(JSON.parse(json.stdout.trim().split('\n').at(-1)!)).toMatchObject({
    error: { code: 'JOB_KEY_TAKEN' },
  })
})

test.concurrent('if a changed file has an error, the running processes go on', async () => {
  await using traced = await tracedApp(undefined)
  const { app, work, fill, mood } = traced
  await fill(1, 0)
  const supervisor = work('--processes=1')
  await until(async () => (await readTrace(app)).ends.length === 1)
  await app.write({ 'jobs/Other.js': otherTrace })
  process.kill((await readTrace(app)).ends[0]!.pid, 'SIGKILL')
  await supervisor.says("could not start (Two job classes under the key 'trace'")
  await app.remove('jobs/Other.js')
  await mood('fine')
  await until(async () => (await readTrace(app)).ends.some(({ n }) => n === 1_000))
  supervisor.child.kill('SIGTERM')
  expect(await supervisor.result).toMatchObject({ code: 0 })
})

test.concurrent('warnings and usage errors are printed once', async () => {
  await using traced = await tracedApp(undefined)
  const { app, work } = traced
  await app.write({ 'jobs/Broken.js': `throw new Error('no database')` })
  const { code, stderr } = await work('--processes=3', '--stop-when-empty').result
  expect(code).toBe(0)
  expect(stderr.match(/failed to load/g)).toHaveLength(1)
  expect(await work('--processes=2', '--queue=emials').result).toMatchObject({ code: 1, stdout: '' })
  expect(await work('--processes=0').result).toMatchObject({ code: 2, stdout: '' })
})

test.concurrent('SIGTERM ends a supervisor whose processes are still starting', async () => {
  await using traced = await tracedApp(undefined)
  const { app, work } = traced
  await app.write({
    'jobs/Slow.js': `console.log('loading'); await new Promise(() => setInterval(() => {}, 1_000))`,
  })
  const supervisor = work('--processes=2')
  await supervisor.says('loading\nloading')
  supervisor.child.kill('SIGTERM')
  const { code, stderr } = await supervisor.result
  expect(code).toBe(0)
  expect(stderr).not.toContain('Worker process')
})

test.concurrent('no process outlives a killed supervisor, not even a process whose job sleeps or blocks', {
  timeout: 120_000,
}, async () => {
  await using traced = await tracedApp(undefined)
  const { app, work, fill, mood } = traced
  await fill(1, 300_000)
  const supervisor = work('--processes=2', '--concurrency=1')
  await until(async () => (await readTrace(app)).starts.length === 1)
  await mood('blocks')
  await until(async () => (await readTrace(app)).starts.length === 2)
  const pids = (await readTrace(app)).starts.map(({ pid }) => pid)
  supervisor.child.kill('SIGKILL')
  await until(() => !pids.some(isAlive))
  // The process whose job sleeps gives the job back at the deadline.
  expect(await countsOf(app, 'default')).toMatchObject({ waiting: 1, active: 0 })
})

test.concurrent('a process that does not stop is killed in the end, and its jobs are given back', {
  timeout: 120_000,
}, async () => {
  await using traced = await tracedApp(undefined)
  const { app, work, mood } = traced
  await mood('blocks')
  const supervisor = work('--processes=1')
  await until(async () => (await readTrace(app)).starts.length === 1)
  supervisor.child.kill('SIGTERM')
  await supervisor.says('Stopping')
  supervisor.child.kill('SIGTERM')
  const { code, stderr } = await supervisor.result
  expect(code).toBe(1)
  expect(stderr).toMatch(
    /^! Worker process 1 \(pid \d+\) did not stop in time and was killed: 1 job went back$/m,
  )
  expect(await countsOf(app, 'other')).toMatchObject({ waiting: 1, active: 0 })
})

test.concurrent('if the store cannot be reached when a process dies, its jobs are given back when the store is available again', async () => {
  await using server = await Server.start('redis-server', ['--appendonly', 'yes', '--appendfsync', 'always'])
  await using traced = await tracedApp(server.url)
  const { app, work, fill } = traced
  await fill(2, 60_000)
  const supervisor = work('--processes=2', '--concurrency=1')
  await until(async () => (await readTrace(app)).starts.length === 2)
  server.signal('SIGKILL')
  await supervisor.says('The worker goes on trying')
  const [{ pid, n }] = (await readTrace(app)).starts as [{ pid: number; n: number }]
  process.kill(pid, 'SIGKILL')
  await supervisor.says('its jobs go back when the store answers')
  await server.start()
  await supervisor.says('1 job went back after all')
  await until(async () => (await readTrace(app)).starts.length === 3)
  expect((await readTrace(app)).starts[2]!.n).toBe(n)
  supervisor.child.kill('SIGTERM')
  await supervisor.says('Stopping')
  supervisor.child.kill('SIGTERM')
  expect(await supervisor.result).toMatchObject({ code: 0 })
})
