/** `jobs:work --processes`: one of its processes is killed, exits, hangs or blocks. */
import { expect, test } from 'vitest'
import { readTrace, times } from './trace.ts'
import { countsOf, storeOf, tracedApp, until } from './traced-app.ts'

/** @param url the URL of a store; undefined for the embedded store */
export function supervisingDeaths(url: () => string | undefined): void {
  /** A test of behaviour that does not depend on the store, which runs only on the embedded store. */
  const itself = (name: string, act: () => Promise<void>) =>
    void (url() === undefined && test.concurrent(name, act))

  test('after kill -9 of a process under load, its jobs start in other processes at once, a new process replaces the old one, and every job ends', async () => {
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
    // Only jobs that the process had begun run again, and jobs that ended in its last batches, which may not
    // have been settled.
    const again = [...times(starts)].filter(([, count]) => count === 2).map(([n]) => n)
    const its = new Set(starts.filter(({ pid }) => pid === victim).map(({ n }) => n))
    expect(again.length).toBeGreaterThan(0)
    expect(again.length).toBeLessThanOrEqual(80)
    expect(again.every((n) => its.has(n))).toBe(true)
  })

  test('after kill -9 of a process, its jobs do not wait for the end of their leases', async () => {
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
    // The restart takes milliseconds. A lease is 15 seconds.
    expect(performance.now() - killedAt).toBeLessThan(8_000)
    const again = (await readTrace(app)).starts.slice(6)
    expect(again.map(({ n }) => n).sort()).toEqual(its.sort())
    await supervisor.says(its.length === 1 ? '1 job went back' : `${its.length} jobs went back`)
    const { lost } = JSON.parse((await app.run('jobs:workers', '--json')).stdout)
    expect(lost).toMatchObject([{ pid: victim, taken: [{ by: 'supervisor', count: its.length }] }])
    const shown = (await app.run('jobs:workers')).stdout
    expect(shown).toMatch(/^DIED +HOST +PID +LAST SEEN +HELD +TAKEN BACK BY$/m)
    expect(shown).toMatch(new RegExp(` ${victim} .* ago +\\d jobs?: .* supervisor$`, 'm'))

    supervisor.child.kill('SIGTERM')
    await supervisor.says('Stopping')
    supervisor.child.kill('SIGTERM')
    expect(await supervisor.result).toMatchObject({ code: 0 })
    expect(await countsOf(app, 'default')).toMatchObject({ waiting: 6, active: 0 })
  })

  test.concurrent('a job that blocks its process times out, other jobs are not affected, and a new process replaces the old one', async () => {
    await using traced = await tracedApp(url())
    const { app, work, fill, mood } = traced
    await fill(1, 60_000)
    const supervisor = work('--processes=1')
    await until(async () => (await readTrace(app)).starts.length === 1)
    // The stack has only the name of the class. The blocking job is found because no other job of the class
    // runs.
    const id = await mood('blocks behind an await', { timeout: '100ms' })
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
    // The lease thread has given the jobs back, or the supervisor did so after the end of the process.
    expect(await countsOf(app, 'default')).toMatchObject({ waiting: 1, active: 0 })
  })

  itself(
    'a handler that blocks its process at its last attempt fails alone: it is reported, and the next process calls failed(), once',
    async () => {
      await using traced = await tracedApp(url())
      const { app, work, mood } = traced
      await app.write({
        'lark.config.js': `
        const failed = ({ id, last }) => console.error('hook ' + id + ' ' + last)
        export default { jobs: { queues: ['other'], prefix: process.env.PREFIX || 'lark', hooks: { failed } } }`,
      })
      // All jobs have the same timeout, which is over while one of them blocks the event loop.
      await mood('naps, naps, naps, blocks', { timeout: '100ms', tries: 1 })
      const supervisor = work('--processes=1')
      const told = async () => (await app.read('trace.txt')).match(/^told .*$/gm) ?? []
      await until(async () => (await told()).length > 0 && (await readTrace(app)).ends.length === 3)
      supervisor.child.kill('SIGTERM')
      const { code, stdout, stderr } = await supervisor.result
      expect(code).toBe(0)
      const { starts } = await readTrace(app)
      expect(starts).toHaveLength(7)
      expect(await told()).toEqual([expect.stringMatching(/^told \d+ 1000 JOB_TIMED_OUT$/)])
      expect(await told()).not.toContain(`told ${starts[0]!.pid} 1000 JOB_TIMED_OUT`)
      const { jobs } = JSON.parse((await app.run('jobs:failed', '--json')).stdout)
      expect(jobs).toMatchObject([{ failures: 1, crashes: 0, errors: [{ code: 'JOB_TIMED_OUT' }] }])
      expect(stdout.match(/^✗ .*$/gm)).toEqual([
        expect.stringMatching(new RegExp(`^✗ .* ${jobs[0].id} .* and blocked its process$`)),
      ])
      expect(stderr.match(/^hook .*$/gm)).toEqual([`hook ${jobs[0].id} true`])
      const empty = await work('--processes=1', '--stop-when-empty').result
      expect(empty).toMatchObject({ code: 0 })
      expect(await told()).toHaveLength(1)
    },
  )

  itself(
    'a hook that blocks its process is not called in the next process, because it would block this one too',
    async () => {
      await using traced = await tracedApp(url())
      const { app, work, mood } = traced
      const supervisor = work('--processes=1')
      const id = await mood('blocks its hook', { timeout: '100ms', tries: 1 })
      await supervisor.says('was killed by SIGKILL: it held no job; another starts now')
      const empty = await work('--processes=1', '--stop-when-empty').result
      expect(empty).toMatchObject({ code: 0 })
      expect((await app.read('trace.txt')).match(/^told .*$/gm)).toHaveLength(1)
      expect(JSON.parse((await app.run('jobs:show', id, '--json')).stdout)).toMatchObject({ state: 'failed' })
      await using store = await storeOf(app)
      expect(await store.recover('other')).not.toHaveProperty('nextEffect')
      supervisor.child.kill('SIGTERM')
      expect(await supervisor.result).toMatchObject({ code: 0 })
    },
  )
}

/** Tests of the supervisor and its processes that do not depend on the store, on the embedded store. */
export function supervisingItself(): void {
  test('the supervisor calls the hook `crashed` for the jobs of a process that was killed', async () => {
    await using traced = await tracedApp(undefined)
    const { app, work, fill } = traced
    await app.write({
      'lark.config.js': `
        const crashed = ({ name, queue, attempt, crashes, last, cause, payload }) =>
          console.error('crashed', process.pid, JSON.stringify({ name, queue, attempt, crashes, last, cause, n: payload.n }))
        const prefix = process.env.PREFIX || 'lark'
        export default { jobs: { queues: ['default', 'other'], prefix, hooks: { crashed } } }`,
    })
    await fill(1, 60_000)
    const supervisor = work('--processes=1', '--concurrency=1')
    await until(async () => (await readTrace(app)).starts.length === 1)
    const { pid } = (await readTrace(app)).starts[0]!
    process.kill(pid, 'SIGKILL')
    await supervisor.says('crashed')
    await until(async () => (await readTrace(app)).starts.length === 2)
    supervisor.child.kill('SIGTERM')
    await supervisor.says('Stopping')
    supervisor.child.kill('SIGTERM')
    const { stderr } = await supervisor.result
    const [, from, event] = /^crashed (\d+) (.*)$/m.exec(stderr)!
    expect(Number(from)).toBe(supervisor.child.pid)
    const heard = { name: 'trace', queue: 'default', attempt: 1, crashes: 1, last: false }
    expect(JSON.parse(event!)).toEqual({
      ...heard,
      cause: 'its process was killed by SIGKILL',
      n: expect.any(Number),
    })
    expect(stderr.match(/^crashed/gm)).toHaveLength(1)
  })

  test.concurrent('a job that ends its process fails in the end, and the supervisor goes on', async () => {
    await using traced = await tracedApp(undefined)
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
    expect(stderr).toMatch(/another starts now\n.*another starts in 100 ms\n.*another starts now\n/s)
    const { jobs } = JSON.parse((await app.run('jobs:failed', '--json')).stdout)
    const message = expect.stringMatching(
      /^its process ended with exit code 3: MoodJob \w{13} called process\.exit\(\) /,
    )
    const error = { code: 'WORKER_DIED', message }
    const errors = [1, 2, 3].map((run) => ({ run, ...error }))
    expect(jobs).toMatchObject([{ key: 'mood', crashes: 3, errors }])
    const shown = 'WORKER_DIED: its process ended with exit code 3'
    expect((await app.run('jobs:failed')).stdout).toContain(shown)
    const { id } = jobs[0]
    expect((await app.run('jobs:show', id)).stdout).toContain(`Run 3: JobsError ${shown}`)
    const { stderr: remarks } = await app.run('jobs:status')
    expect(remarks).toMatch(/^! 3 workers died within an hour, the last one .* ago: 3 of them held job /m)
    expect(remarks).toContain(`job ${id}, see lark jobs:why ${id}\n`)
    const { findings } = JSON.parse((await app.run('jobs:doctor', '--json')).stdout)
    const deadly = findings.find(({ code }: { code: string }) => code === 'deadly-jobs')
    expect(deadly).toMatchObject({ level: 'warning', text: expect.stringContaining(`${id} (3 workers)`) })
    expect(deadly.remedy).toMatch(new RegExp(`: lark jobs:why ${id}$`))
    const why = (await app.run('jobs:why', id)).stdout.replaceAll(/\s+/g, ' ')
    expect(why).toContain('Its worker died 3 times while it ran')
    expect(why).toContain(`→ lark jobs:show ${id}`)
  })

  test.concurrent('a job that hangs times out, other jobs are not affected, and a new process replaces the old one', async () => {
    await using traced = await tracedApp(undefined)
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
    expect(stdout).toMatch(/^↻ \d\d:\d\d:\d\d MoodJob .* attempt 1 of 3, .*timeout of 0.1 s$/m)
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
}
