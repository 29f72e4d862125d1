/** `jobs:list` and `jobs:workers`: the listed jobs and workers, the columns, and the width of the output. */
import { mkdtempSync, rmSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryConsole, run } from '@s18i/lark'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { JobsListCommand } from '../../src/commands/look/jobs-list.ts'
import { JobsStatusCommand } from '../../src/commands/look/jobs-status.ts'
import { JobsWorkersCommand } from '../../src/commands/workers/jobs-workers.ts'
import { createJobs, Job, type Jobs } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { Record, signal } from '../working/bench.ts'

const folder = mkdtempSync(join(tmpdir(), 'lark-list-'))
const commands = [JobsListCommand, JobsStatusCommand, JobsWorkersCommand]
let files = 0
let jobs: Jobs
let begun = signal()
let go = signal()

class ImportJob extends Job {
  override readonly key = 'import'
  async handle(_payload: { file: string }) {
    this.progress(4, 10, 'reading\u001b[2J a.csv')
    begun.resolve()
    await go.promise
  }
}
class FailJob extends Job {
  override readonly key = 'fail'
  override queueName = 'emails'
  override tries = 1
  handle(_payload: { n: number }) {
    throw new Error('503 from the mail server')
  }
}

beforeEach(() => {
  const connection = `sqlite:${join(folder, `${++files}.db`)}`
  vi.stubEnv('LARK_JOBS_URL', connection)
  jobs = createJobs({ connection, queues: ['default', 'emails'], release: '2.14.0' })
  ;[begun, go] = [signal(), signal()]
})
afterEach(async () => {
  go.resolve()
  await jobs.close()
  vi.unstubAllEnvs()
})
afterAll(() => rmSync(folder, { recursive: true }))

async function lark(words: string[], columns?: number) {
  const output = new MemoryConsole(columns === undefined ? {} : { isTTY: true, columns })
  const code = await run(words, { commands, console: output })
  expect(output.stdout + output.stderr).not.toContain('\u001b')
  return { code, ...{ stdout: output.stdout, stderr: output.stderr }, json: () => JSON.parse(output.stdout) }
}

test('running jobs are listed with their start, host, pid and progress', async () => {
  const [{ id }] = await jobs.dispatch([new ImportJob().with({ file: 'a.csv' })] as const)
  const report = new Record()
  await jobs.dispatch([new FailJob().with({ n: 1 })])
  await using worker = await jobs.work({ jobs: [ImportJob, FailJob], report })
  await Promise.all([begun.promise, report.ends(1)])
  const active = ['jobs:list', '--state=active']
  // The job must end before the worker is stopped, because the worker would wait 25 s for the job.
  using _ = { [Symbol.dispose]: () => go.resolve() }
  // The worker sends the progress with its next call.
  await vi.waitFor(async () => expect((await lark(active)).stdout).toContain('40%'), 30_000)
  const { stdout } = await lark(active)
  expect(stdout).toMatch(/^ID +JOB +QUEUE +RUNS FOR +HOST +PID +PROGRESS\n/)
  expect(stdout).toMatch(
    new RegExp(`^${id} +import +default +[\\d.]+ m?s +${hostname()} +${process.pid} +40%`, 'm'),
  )
  expect(stdout).toContain('40% (4 of 10) reading\\x1b[2J a.csv')
  const json = (await lark([...active, '--json'])).json()
  expect(json).toMatchObject({
    jobs: [{ id, holder: worker.id }],
    workers: [{ id: worker.id, pid: process.pid }],
  })
  const all = await lark(['jobs:list'])
  expect(all.stdout).toMatch(/^ID +JOB +QUEUE +STATE +SINCE +REMARK\n/)
  expect(all.stdout).toMatch(/^\S+ +fail +emails +failed +\S+ m?s ago +503 from the mail server$/m)
  for (const columns of [40, 80])
    for (const words of [['jobs:list'], active, ['jobs:workers']])
      for (const line of (await lark(words, columns)).stdout.split('\n'))
        expect(line.length).toBeLessThanOrEqual(columns)
  expect((await lark(['jobs:workers'])).stdout).toMatch(
    /^WORKER .+ SEEN +VERSION +QUEUES\n\S+ .* of \d+ +running .* ago +\S+ \(2\.14\.0\) +default, emails/,
  )
})

test('jobs:list has filters, pages, and an order by the time of the end', async () => {
  const files = ['a', 'b', 'c', 'd', 'e']
  await jobs.dispatch(files.map((file) => new ImportJob().with({ file })))
  await jobs.dispatch([new FailJob().with({ n: 1 }).delayed('1h')])
  const states = await lark(['jobs:list', '--state=waiting,delayed', '--queue=emails'])
  expect(states.stdout).toMatch(/^\S+ +fail +emails +delayed +in (1 h|59 min \d+ s)/m)
  expect((await lark(['jobs:list', '--where=file=c', '--json'])).json().jobs).toMatchObject([
    { payload: { file: 'c' } },
  ])
  const first = await lark(['jobs:list', '--job=import', '--limit=2', '--json'])
  const { cursor } = first.json()
  const rest = await lark(['jobs:list', '--job=import', '--limit=3', `--cursor=${cursor}`, '--json'])
  expect([...first.json().jobs, ...rest.json().jobs].map(({ payload }) => payload.file)).toEqual(files)
  expect((await lark(['jobs:list', '--job=import', '--limit=2'])).stderr).toContain(`--cursor=${cursor}\n`)
})

test('a filter that no job meets is no mistake, and a wrong filter is one', async () => {
  expect(await lark(['jobs:list'])).toMatchObject({ code: 0, stdout: '', stderr: '✓ No jobs\n' })
  expect(await lark(['jobs:list', '--queue=emials'])).toMatchObject({ code: 1 })
  const wrong = await lark(['jobs:list', '--state=runing'])
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("--state is 'runing'; it must be") })
  const key = await lark(['jobs:list', '--job=imprt'])
  expect(key).toMatchObject({ code: 2, stderr: expect.stringContaining("No job has the key 'imprt'") })
  const cursor = await lark(['jobs:list', '--cursor=abc'])
  expect(cursor).toMatchObject({ code: 2, stderr: expect.stringContaining("--cursor is 'abc'") })
  expect(await lark(['jobs:list', '--limit=1001'])).toMatchObject({ code: 2 })
})

test('jobs:workers does not call a silent worker dead before its leases are over', async () => {
  const [{ id }] = await jobs.dispatch([new ImportJob().with({ file: 'a.csv' })] as const)
  await using worker = await jobs.work({ jobs: [ImportJob], report: new Record() })
  using _ = { [Symbol.dispose]: () => go.resolve() }
  await begun.promise
  const { store } = await insideOf(jobs).open()
  // The worker may announce itself again meanwhile.
  await vi.waitFor(async () => {
    await store.retire(worker.id)
    const { stdout, stderr } = await lark(['jobs:workers'])
    expect(stdout + stderr).toContain(`${worker.id} (${hostname()}, pid ${process.pid}) was last heard of`)
    expect(stdout + stderr).toContain(
      `and its leases last: perhaps a handler blocks it, see lark jobs:why ${id}`,
    )
    expect((await lark(['jobs:status'])).stderr).toContain(
      `${worker.id} (${hostname()}, pid ${process.pid}) was last heard of`,
    )
    expect(stdout + stderr).not.toContain('DIED')
    expect(stderr).not.toContain('No worker is running')
    expect((await lark(['jobs:workers', '--json'])).json()).toMatchObject({
      lost: [],
      silent: [{ id: worker.id, pid: process.pid, job: { id, queue: 'default' } }],
    })
    expect(await operate(jobs).workers.lost()).toEqual([])
    const findings = await operate(jobs).doctor()
    expect(findings.filter(({ code, level }) => code === 'lost-workers' && level !== 'ok')).toEqual([])
    const { advice } = findings.find(({ code }) => code === 'silent-workers')!
    expect(advice).toContainEqual({ do: 'see-why', job: id })
  }, 30_000)
})

test('a search for a rare job continues to the end of the list and shows its progress; a page of jobs shows no progress', async () => {
  const all = Array.from({ length: 40_000 }, (_, n) => ({ file: `${n}.csv` }))
  await jobs.dispatchMany(new ImportJob(), all as [{ file: string }])
  const seen = vi.spyOn(MemoryConsole.prototype, 'status')
  const found = await lark(['jobs:list', '--where=file=39999.csv', '--json'])
  expect(found.json()).toMatchObject({ jobs: [{ payload: { file: '39999.csv' } }], scanned: 40_000 })
  expect(found.json().cursor).toBeUndefined()
  const shown = seen.mock.calls.map(([text]) => (typeof text === 'function' ? text() : text))
  expect(shown.some((text) => text?.includes('jobs looked at'))).toBe(true)
  expect(shown.at(-1)).toBe('')
  seen.mockClear()
  await lark(['jobs:list', '--limit=2'])
  expect(seen.mock.calls.flat().filter((text) => typeof text === 'function')).toEqual([])
  seen.mockRestore()
})
