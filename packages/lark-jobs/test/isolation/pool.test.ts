/** When the processes of a pool start and when they end. The processes only answer with their ids. */
import { type ChildProcess, spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { isolated, Job } from '../../src/index.ts'
import type { IsolationOptions } from '../../src/isolation/pool.ts'
import { IsolationPool } from '../../src/isolation/pool.ts'
import { classOf, type JobConstructor } from '../../src/options/job-class.ts'
import { Execution, type RunEnvironment } from '../../src/run/execution.ts'
import type { Permits } from '../../src/run/middleware/permits.ts'

class HeldJob extends Job {
  override isolate = isolated({ file: import.meta.url, grace: 0 })
  override timeout = '1m'
  handle() {}
}
class OddJob extends HeldJob {}

/** A job whose payload is true is held until its signal is aborted. */
const code = `process.on('message', ({ lark }) => {
  const say = (report) => process.send({ lark: report })
  const ended = { kind: 'returned', text: String(process.pid) }
  if (lark.kind === 'begin') say({ kind: 'ready', unknown: {} })
  if (lark.kind === 'run') say({ kind: 'began' })
  if (lark.kind === 'run' && lark.job.payload === 'false') say(ended)
  if (lark.kind === 'abort') say(ended)
  if (lark.kind === 'end') process.exit()
})`

/** A pool, with all processes that it has started. */
class Pool extends IsolationPool {
  readonly warnings: string[]
  readonly children: ChildProcess[]
  /** The processes that are or were ready for a job. */
  readonly ready = new Set<ChildProcess>()

  constructor(options: Partial<IsolationOptions>, text = code) {
    const [warnings, children]: [string[], ChildProcess[]] = [[], []]
    super({
      ...{ processes: 1, idle: 60_000, setting: { classes: [], makes: false, boots: false, traced: false } },
      warn: (warning) => void warnings.push(warning),
      start: () => {
        const stdio = ['ignore', 'ignore', 'pipe', 'ipc', 'pipe'] as const
        const options = { stdio: [...stdio], serialization: 'advanced' as const, detached: true }
        const child = spawn(process.execPath, ['-e', text], options)
        children.push(child)
        child.once('message', () => this.ready.add(child))
        return child
      },
      ...options,
    })
    this.warnings = warnings
    this.children = children
  }

  get alive(): number {
    return this.children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).length
  }

  /** Runs a job. */
  take(holds = false, Class: typeof HeldJob = HeldJob): { execution: Execution; pid: Promise<unknown> } {
    const jobClass = classOf(Class as JobConstructor)
    const job = {
      ...{ id: 'a', key: jobClass.key, payload: String(holds), priority: 0, queuedAt: 0, token: '' },
      ...{ runs: 1, failures: 0, crashes: 0, releases: 0 },
    }
    const environment: RunEnvironment = {
      ...{
        clock: { now: () => 0 },
        middleware: [],
        make: undefined,
        permits: {} as Permits,
        isolation: this,
      },
      ...{ wrote() {}, reported() {}, goesOn() {} },
    }
    const place = { partition: 'default', queue: 'default' }
    const execution = new Execution(job, place, jobClass, environment, performance.now())
    return { execution, pid: this.handle(execution, jobClass) }
  }
}

test('a process runs one job after the other, and ends after a maximum number of jobs', async () => {
  await using pool = new Pool({ maxJobs: 2 })
  await pool.start()
  const pids = []
  for (let i = 0; i < 3; i++) pids.push(await pool.take().pid)
  expect(pids[0]).toBe(pids[1])
  expect(pids[2]).not.toBe(pids[1])
  await expect.poll(() => pool.alive).toBe(1)
})

test('a process that has reached its maximum age ends when its job has ended', async () => {
  await using pool = new Pool({ maxAge: 1 })
  await pool.start()
  expect(await pool.take().pid).not.toBe(await pool.take().pid)
})

test('up to the limit, there is one process more than running jobs, and processes that are not needed end', async () => {
  await using pool = new Pool({ processes: 3, idle: 100 })
  await pool.start()
  expect(pool.children).toHaveLength(1)
  const runs = [pool.take(true), pool.take(true), pool.take(true), pool.take(true)]
  expect(pool.children).toHaveLength(3)
  // The timeout of a job does not run while the job waits for a process.
  expect(runs.map(({ execution }) => execution.deadline)).toEqual(Array(4).fill(Number.POSITIVE_INFINITY))
  await expect.poll(() => runs[2]!.execution.deadline).toBeLessThan(Number.POSITIVE_INFINITY)
  expect(runs[3]!.execution.deadline).toBe(Number.POSITIVE_INFINITY)
  // A job that waits for a process ends at once.
  const reason = new Error('cancelled')
  runs[3]!.execution.run.abort(reason)
  await expect(runs[3]!.pid).rejects.toBe(reason)
  for (const { execution } of runs.slice(0, 3)) execution.run.abort(reason)
  await Promise.allSettled(runs.map(({ pid }) => pid))
  await expect.poll(() => pool.alive).toBe(1)
})

test('if a process dies before it begins a job, the job runs in another process and does not fail', async () => {
  await using pool = new Pool({ processes: 2 })
  await pool.start()
  for (let i = 0; i < 12; i++) {
    // The pool hands the next job to the process of the previous job, which is dead or dies meanwhile.
    const victim = (await pool.take().pid) as number
    process.kill(victim, i % 3 === 2 ? 'SIGSTOP' : 'SIGKILL')
    if (i % 3 === 1) await new Promise(setImmediate)
    const { execution, pid } = pool.take()
    if (i % 3 === 2) process.kill(victim, 'SIGKILL')
    expect(await pid).toEqual(expect.any(Number))
    expect(execution.run.decision).toBeUndefined()
  }
})

test('after a kill, the next job of the class gets a process of its own, and other classes keep their processes', async () => {
  await using pool = new Pool({ processes: 9 })
  await pool.start()
  const own = await pool.take().pid
  const shares = async () => (await pool.take().pid) === own
  for (let i = 0; i < 3; i++) {
    // The first job of a class waits for a process, and so does the first job after a kill. Other jobs do not
    // wait.
    const villain = pool.take(true, OddJob)
    expect(await shares()).toBe(true)
    await expect.poll(() => villain.execution.deadline).toBeLessThan(Number.POSITIVE_INFINITY)
    // A process that dies while it starts would put back the jobs that wait for it.
    await expect.poll(() => pool.ready.size).toBe(pool.children.length)
    for (const child of pool.children) if (child.pid !== own) child.kill('SIGKILL')
    await expect(villain.pid).rejects.toMatchObject({ code: 'PROCESS_DIED' })
    expect(await shares()).toBe(true)
  }
  const last = pool.take(false, OddJob)
  expect(await shares()).toBe(true)
  expect(await last.pid).not.toBe(own)
  // The job of this class has ended by itself, so the class may share processes again.
  const count = pool.children.length
  expect(await pool.take(false, OddJob).pid).toEqual(expect.any(Number))
  expect(pool.children).toHaveLength(count)
})

test('if no more processes may start, classes share the processes, and runs take turns', async () => {
  await using pool = new Pool({ processes: 1 })
  await pool.start()
  const own = await pool.take().pid
  expect(await pool.take(false, OddJob).pid).toBe(own)
  const victim = pool.take(true, OddJob)
  const ends: string[] = []
  const all = ['a', 'odd', 'b', 'c'].map((name) =>
    pool.take(false, name === 'odd' ? OddJob : HeldJob).pid.then(() => ends.push(name)),
  )
  await expect.poll(() => victim.execution.deadline).toBeLessThan(Number.POSITIVE_INFINITY)
  process.kill(own as number, 'SIGKILL')
  await expect(victim.pid).rejects.toMatchObject({ code: 'PROCESS_DIED' })
  await Promise.all(all)
  expect(ends).toEqual(['a', 'odd', 'b', 'c'])
})

test('a process that does not begin its job is replaced, and the timeout of the job does not run meanwhile', async () => {
  await using pool = new Pool({ processes: 1, answer: 50 })
  await pool.start()
  const first = await pool.take().pid
  pool.children[0]!.kill('SIGSTOP')
  const { execution, pid } = pool.take()
  expect(execution.deadline).toBe(Number.POSITIVE_INFINITY)
  expect(await pid).not.toBe(first)
  expect(execution.deadline).toBeLessThan(performance.now() + execution.timeout)
})

test('a job that no process begins is put back', async () => {
  await using pool = new Pool(
    {},
    `process.on('message', ({ lark }) => {
      if (lark.kind === 'begin') process.send({ lark: { kind: 'ready', unknown: {} } })
      if (lark.kind === 'run') process.kill(process.pid, 'SIGKILL')
    })`,
  )
  await pool.start()
  const { execution, pid } = pool.take()
  await expect(pid).rejects.toMatchObject({ code: 'PROCESS_DIED' })
  expect(execution.run.decision).toMatchObject({
    kind: 'stranded',
    because: 'its processes ended before it had begun',
  })
  expect(pool.children.length).toBeGreaterThanOrEqual(3)
})

test('a class that its process cannot load does not delay the jobs of other classes', async () => {
  const text = code.replace('unknown: {}', "unknown: { OddJob: 'no such file' }")
  await using pool = new Pool({}, text)
  await pool.start()
  const [held, odd, last] = [pool.take(true), pool.take(false, OddJob), pool.take()]
  await expect.poll(() => held.execution.deadline).toBeLessThan(Number.POSITIVE_INFINITY)
  held.execution.run.abort(new Error('cancelled'))
  await Promise.allSettled([held.pid])
  await expect(odd.pid).rejects.toMatchObject({ message: 'OddJob: no such file' })
  expect(await last.pid).toEqual(expect.any(Number))
  expect(pool.warnings).toEqual(['A process could not load OddJob: no such file'])
})

test('if no process starts, the job is put back, and a warning says so', async () => {
  await using pool = new Pool(
    {},
    "process.stderr.write('no memory'); process.exitCode = 7; process.disconnect()",
  )
  await pool.start()
  const { execution, pid } = pool.take()
  await expect(pid).rejects.toMatchObject({ code: 'PROCESS_DIED' })
  const because = 'its process ended with exit code 7: no memory'
  expect(execution.run.decision).toMatchObject({ kind: 'stranded', because })
  expect(pool.warnings).toContain(`A process for isolated jobs could not start: ${because}`)
})
