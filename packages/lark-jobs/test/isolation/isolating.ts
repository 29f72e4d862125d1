/**
 * Classes whose `handle` runs in a process of its own (`isolated()`). All tests of a store share a worker,
 * because each process takes a third of a second to start.
 */
import { existsSync, realpathSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { context as inContext, propagation } from '@opentelemetry/api'
import Libsql from 'libsql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Jobs } from '../../src/api/jobs.ts'
import { batch, isolated, Job, withContext } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { otel } from '../../src/otel.ts'
import { OutboxTable } from '../../src/outbox/table.ts'
import { startGate } from '../../src/worker/maintenance/start-gate.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { Sdk } from '../telemetry/sdk.ts'
import { Bench, type Connect, Record } from '../working/bench.ts'
import { isAlive } from './alive.ts'
import * as classes from './isolated-jobs.ts'
import { TracedJob } from './traced-job.ts'

const {
  EchoJob,
  ThrowJob,
  ReleaseJob,
  OddJob,
  HoldJob,
  PatientJob,
  EndJob,
  BusyJob,
  FileJob,
  OnceJob,
  CrashJob,
  GreedyJob,
  StepJob,
  UndoneJob,
  BookJob,
  LimitedJob,
  FlowJob,
  WorkJob,
} = classes

const all = [
  ...[EchoJob, ThrowJob, ReleaseJob, OddJob, HoldJob, PatientJob, EndJob, OnceJob, CrashJob],
  ...[GreedyJob, StepJob, UndoneJob, BookJob, LimitedJob, FlowJob, BusyJob, FileJob, WorkJob],
  TracedJob,
] as never

/** The start of a process takes long on a busy machine. */
const patiently = { timeout: 50_000 }

const killed = 'Its process was killed, 100 ms after its signal was aborted'

/** A class that is not isolated. */
class PlainJob extends Job {
  handle() {
    return process.pid
  }
}

/**
 * @param outage makes the store unreachable, and reachable again. With this parameter, only the tests that
 *   involve the store run. All other tests run on the other store
 */
export function isolating(connect: Connect, outage?: { begins(): void; ends(): void }): void {
  let bench: Bench
  let jobs: Jobs
  const report = new Record()
  let worker: Worker
  const options = process.env.NODE_OPTIONS
  const seen: string[] = []

  beforeAll(async () => {
    // The option gives the isolated processes a small heap.
    process.env.NODE_OPTIONS = `${options ?? ''} --max-old-space-size=64`
    bench = await Bench.make(connect)
    jobs = bench.client({
      queues: ['default', 'spare'],
      isolation: { processes: 4 },
      telemetry: otel(),
      middleware: [
        (_job, next) => withContext({ shift: 'night' }, next),
        async function sees(job, next) {
          const value = await next()
          seen.push(`${job.name} ${JSON.stringify(value)}`)
          return value
        },
      ],
    })
    worker = await bench.work(
      [...(all as []), PlainJob],
      { report, queues: ['default'], concurrency: 8, lease: 1_000 },
      jobs,
    )
  })
  afterAll(async () => {
    if (options === undefined) delete process.env.NODE_OPTIONS
    else process.env.NODE_OPTIONS = options
    await bench[Symbol.asyncDispose]()
  })

  /** A test of behaviour that does not depend on the store. */
  const itself = (name: string, act: () => Promise<void>) => void (outage === undefined && test(name, act))

  /** Returns how many jobs have reported that they have begun. */
  const begun = () => report.lines.filter((line) => line === 'info: begins').length

  /** Dispatches a job, and waits for its end. */
  async function ended(draft: unknown, state = 'failed') {
    const [handle] = await jobs.dispatch([draft as never])
    const { id } = handle!
    await expect.poll(() => jobs.find(id).then((found) => found?.state), patiently).toBe(state)
    return (await jobs.find(id))!
  }

  test('handle() runs in another process, and has the payload, the id, the attempt, the context, the log and the progress', async () => {
    const draft = new EchoJob().with({ text: 'hello' })
    const found = await withContext({ request: 'r1' }, () => ended(draft, 'completed'))
    expect(found.result).toEqual({
      ...{ pid: expect.any(Number), id: found.id, attempt: 1, payload: { text: 'hello' } },
      context: { request: 'r1', shift: 'night' },
    })
    expect((found.result as { pid: number }).pid).not.toBe(process.pid)
    expect(found.progress).toEqual({ done: 1, total: 2, note: 'half' })
    expect(found.log).toMatchObject([{ level: 'info', text: 'echoes hello' }])
    expect(seen.at(-1)).toContain('EchoJob {"pid"')
    const plain = await ended(new PlainJob().with(), 'completed')
    expect(plain.result).toBe(process.pid)
  })

  test('spans that the isolated process makes are children of the span of the run, with the same context and baggage', async () => {
    await using sdk = new Sdk()
    const sent = propagation.createBaggage({ tenant: { value: 'acme' } })
    const { result } = (await inContext.with(propagation.setBaggage(inContext.active(), sent), () =>
      withContext({ user: 'ada' }, () => ended(new TracedJob().with(), 'completed')),
    )) as { result: { pid: number; trace: string; spans: unknown } }
    const runs = sdk.spans('process default').map((span) => span.spanContext())
    const { spanId } = runs.find(({ traceId }) => traceId === result.trace)!
    expect(result).toMatchObject({ tenant: 'acme', context: { user: 'ada', shift: 'night' } })
    expect(result.pid).not.toBe(process.pid)
    expect(result.spans).toEqual([
      ['inside', spanId],
      ['step mail', spanId],
    ])
  })

  itself(
    'an error arrives with its name, code, stack, cause and fields; text and refusals as they are',
    async () => {
      const found = await ended(new ThrowJob().with({ how: 'error' }))
      expect(found.errors).toMatchObject([
        { name: 'Teapot', code: 'E_TEAPOT', message: 'short and stout', cause: { name: 'RangeError' } },
      ])
      expect(found.errors[0]!.stack).toContain('isolated-jobs.ts')
      for (const error of classes.told.get(found.id)!) expect(error).toMatchObject({ status: 418 })
      const text = await ended(new ThrowJob().with({ how: 'text' }))
      expect(classes.told.get(text.id)).toEqual(['just a text', 'just a text'])
      expect(text.errors).toHaveLength(3)
      const final = await ended(new ThrowJob().with({ how: 'final' }))
      expect(final.errors).toMatchObject([{ name: 'NonRetryableError', cause: { message: 'by whom?' } }])
      const failed = await ended(new ThrowJob().with({ how: 'fail' }))
      expect(failed.errors).toMatchObject([{ name: 'Teapot', message: 'failed itself' }])
      const refused = await ended(new ThrowJob().with({ how: 'false' }))
      expect(refused.errors[0]).toMatchObject({ code: 'HANDLE_RETURNED_FALSE' })
    },
  )

  itself('a job releases itself, and a result that is no JSON is not kept', async () => {
    const released = await ended(new ReleaseJob().with(), 'completed')
    expect(released).toMatchObject({ releases: 1, failures: 0 })
    const odd = await ended(new OddJob().with(), 'completed')
    expect(odd.log?.at(-1)?.text).toMatch(/^The result was not kept: OddJob: result.big is a BigInt/)
  })

  itself('at its timeout, a job that ignores its signal is killed, and its log is kept', async () => {
    const ends = (['wait', 'never', 'loop'] as const).map((how) => ended(new HoldJob().with({ how })))
    for (const found of await Promise.all(ends)) {
      expect(found.errors).toMatchObject([{ code: 'JOB_TIMED_OUT' }])
      expect(found.log?.map(({ text }) => text)).toEqual(['begins', killed])
    }
  })

  test('a cancelled job gets the reason, and if it goes on, its process is killed with all processes that it has started', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lark-'))
    const file = join(folder, 'pids')
    const before = begun()
    const deaf = Object.assign(new HoldJob(), { timeout: '1h' })
    const drafts = [new PatientJob().with(), deaf.with({ how: 'loop' }), deaf.with({ how: 'child', file })]
    const handles = await jobs.dispatch(drafts as never[])
    await expect.poll(begun, patiently).toBe(before + 3)
    await Promise.all(handles.map((handle) => handle.cancel()))
    for (const [i, { id }] of handles.entries()) {
      await expect.poll(() => jobs.find(id).then((found) => found?.state), patiently).toBe('cancelled')
      const found = await jobs.find(id)
      expect(found?.log?.map(({ text }) => text)).toEqual([
        'begins',
        i === 0 ? 'was told: JOB_CANCELLED' : killed,
      ])
    }
    const pids = (await readFile(file, 'utf8')).split(' ').map(Number)
    await rm(folder, { recursive: true })
    await expect.poll(() => pids.filter(isAlive), patiently).toEqual([])
  })

  // Node takes seconds to print the stack of a full heap: once is enough.
  const crashes = [
    ['exit', 'ended with exit code 3', 'the last words'],
    ['abort', 'was killed by SIGABRT', 'the last words'],
    ['segv', 'was killed by SIGSEGV', 'the last words'],
    ['uncaught', 'ended with exit code 1', 'nobody catches this'],
    ['full', 'was killed by SIGABRT', 'heap out of memory'],
  ] as const
  test.each(outage === undefined ? crashes : crashes.slice(0, 1))(
    'a crash of an isolated job affects no other job (%s)',
    async (how, text, words) => {
      const found = await ended(new EndJob().with({ how }))
      expect(found).toMatchObject({ crashes: 0, failures: 1 })
      const message = `EndJob: its process ${text} before handle() had ended`
      expect(found.errors).toMatchObject([{ code: 'PROCESS_DIED', message, cause: { name: 'stderr' } }])
      expect(found.errors[0]!.cause!.message).toContain(words)
    },
  )

  test('an isolated process starts no worker, even if the file of the class is a program that starts a worker', async () => {
    const found = await ended(new WorkJob().with())
    expect(found.errors).toMatchObject([
      { code: 'WORKER_INVALID', message: 'A process for isolated jobs cannot start a worker' },
    ])
  })

  itself('with maxCrashes = 1, a job whose process ended is not tried again', async () => {
    const found = await ended(new OnceJob().with())
    expect(found.errors).toMatchObject([{ code: 'PROCESS_DIED' }])
  })

  itself(
    'maxCrashes counts the ends of its process, and neither other failures nor what was before a new step',
    async () => {
      const [plain, stepping] = await Promise.all([
        ended(new CrashJob().with({ how: ['exit', 'throw', 'exit'] })),
        // The second attempt is counted as the first after a step.
        ended(new CrashJob().with({ how: ['exit', 'step'] })),
      ])
      const died = { code: 'PROCESS_DIED' }
      expect(plain).toMatchObject({ failures: 3, crashes: 0 })
      expect(plain.errors).toMatchObject([died, { message: 'no crash' }, died])
      expect(stepping).toMatchObject({ runs: 3, failures: 2 })
      expect(stepping.errors).toMatchObject([died, died, died])
    },
  )

  test('a job whose workers were killed nine times runs together with other jobs, and these deaths do not count towards maxCrashes', async () => {
    const { store } = await insideOf(jobs).open()
    const drafts = [
      new HoldJob().with({ how: 'never' }),
      new CrashJob().with({ how: ['exit', 'throw', 'exit'] }),
    ]
    const before = begun()
    // The worker does not serve this queue.
    const handles = await jobs.dispatch(drafts.map((draft) => draft.onQueue('spare')) as never[])
    for (let n = 1; n <= 9; n++) {
      const caller = { caller: `dead-${n}`, number: 1 }
      const { jobs: taken } = await store.exchange('spare', caller, [], { limit: 2, leaseMs: 60_000 })
      const leases = taken.map(({ id, token }) => ({ id, token, alone: false }))
      await store.extend('spare', caller.caller, leases, 60_000)
      await store.recover('spare', { holder: caller.caller })
    }
    await jobs.move({ queue: 'spare' }, 'default')
    await expect.poll(begun, patiently).toBe(before + 1)
    expect([startGate.isClosed, startGate.hasSuspect]).toEqual([false, false])
    const [held, crashing] = handles.map(({ id }) => id) as [string, string]
    await expect.poll(() => jobs.find(crashing).then((found) => found?.state), patiently).toBe('failed')
    expect(await jobs.find(crashing)).toMatchObject({ failures: 3, crashes: 9 })
    await expect.poll(() => jobs.find(held).then((found) => found?.state), patiently).toBe('failed')
    expect((await jobs.find(held))!.errors.at(-1)).toMatchObject({ code: 'JOB_TIMED_OUT' })
  })

  itself('a job with more memory than it may have is killed', async () => {
    const found = await ended(new GreedyJob().with())
    expect(found.errors).toMatchObject([
      {
        code: 'MEMORY_EXCEEDED',
        message: expect.stringMatching(
          /^GreedyJob had \d{3,5} MB of memory, and may have 150 MB: its process/,
        ),
      },
    ])
  })

  test('a job continues after its recorded steps when its process has ended, and after a suspension', async () => {
    const [handle] = await jobs.dispatch([new StepJob().with({ dies: true }) as never])
    await handle!.send(classes.approved as never, { by: 'ada' } as never)
    await expect.poll(() => handle!.status().then((it) => it?.state), patiently).toBe('completed')
    const found = (await jobs.find(handle!.id))!
    expect(found.result).toEqual({ first: expect.any(Number), by: 'ada', child: { text: 'from a step' } })
    expect(found).toMatchObject({ crashes: 0 })
  })

  itself('steps are undone in the process too', async () => {
    const found = await ended(new UndoneJob().with())
    expect(found.errors.at(-1)).toMatchObject({ message: 'no stock' })
    expect(found.log?.map(({ text }) => text)).toContain('gives back: card')
  })

  itself(
    'a step commits with its record in a database that the process opens, once, though the process dies',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'lark-'))
      const file = join(folder, 'app.db')
      const db = new Libsql(file)
      for (const sql of [...new OutboxTable('sqlite').create(), 'CREATE TABLE orders (attempt INTEGER)'])
        db.exec(sql)
      const found = await ended(new BookJob().with({ file }), 'completed')
      expect(found).toMatchObject({ runs: 2, result: { pid: expect.any(Number), attempt: 1 } })
      expect(db.prepare('SELECT attempt FROM orders').pluck().all()).toEqual([1])
      db.close()
      await rm(folder, { recursive: true })
    },
  )

  test('limiters and locks work for isolated jobs, and members of a flow know their flow', async () => {
    const drafts = [1, 2, 3].map((at) => new LimitedJob().with({ at }) as never)
    const handles = await jobs.dispatch(drafts)
    const times = await Promise.all(handles.map((handle) => handle.result({ timeout: '50s' })))
    const spans = (times as unknown as [number, number][]).sort(([one], [other]) => one - other)
    for (const [i, [began]] of spans.entries())
      if (i > 0) expect(began).toBeGreaterThanOrEqual(spans[i - 1]![1])
    const flow = await jobs.dispatch(batch([1, 2].map(() => new FlowJob().with() as never)))
    await flow.result({ timeout: '50s' })
    const { jobs: members } = await jobs.list({ state: 'completed', key: 'FlowJob' } as never)
    expect(members).toHaveLength(2)
  })

  itself(
    'a kill leaves what is around the handler in order: progress, middleware, undo, failed(), its strict group',
    async () => {
      const handles = await jobs.dispatch(
        [true, false].map((holds) => new BusyJob().with({ holds }) as never),
      )
      const [held, next] = handles.map(({ id }) => id) as [string, string]
      await expect.poll(() => jobs.find(next).then((it) => it?.state), patiently).toBe('completed')
      const found = (await jobs.find(held))!
      expect(found).toMatchObject({ state: 'failed', progress: { done: 1, total: 3 } })
      expect(found.errors).toMatchObject([{ code: 'JOB_TIMED_OUT' }, { code: 'JOB_TIMED_OUT' }])
      const deaf = ['holds', killed]
      expect(found.log?.map(({ text }) => text)).toEqual(['charges', ...deaf, ...deaf, 'gives back'])
      // After that, a run undoes the steps, and the next job of the group runs.
      const left = 'left attempt 1'
      expect(classes.happened.splice(0)).toEqual([left, 'left attempt 2', left, 'JOB_TIMED_OUT', left])
    },
  )

  test('a quiet worker keeps its processes, and its running job cannot be removed', async () => {
    const { pid: before } = (await ended(new EchoJob().with(), 'completed')).result as { pid: number }
    const file = join(await mkdtemp(join(tmpdir(), 'lark-')), 'go')
    const begunBefore = begun()
    const [handle] = await jobs.dispatch([new FileJob().with({ file }) as never])
    await expect.poll(begun, patiently).toBe(begunBefore + 1)
    const quieted = worker.quiet()
    await expect(jobs.purge(handle!.id)).rejects.toMatchObject({ code: 'JOB_NOT_REMOVABLE' })
    await writeFile(file, '')
    await quieted
    expect(await jobs.find(handle!.id)).toMatchObject({ state: 'completed', result: before })
    expect(isAlive(before)).toBe(true)
    await worker.resume()
    const { pid: after } = (await ended(new EchoJob().with(), 'completed')).result as { pid: number }
    expect(after).toBe(before)
    await rm(dirname(file), { recursive: true })
  })

  if (outage !== undefined)
    test('an isolated job that ends while the store cannot be reached runs once', async () => {
      const file = join(await mkdtemp(join(tmpdir(), 'lark-')), 'go')
      const before = begun()
      const [handle] = await jobs.dispatch([new FileJob().with({ file }) as never])
      await expect.poll(begun, patiently).toBe(before + 1)
      outage.begins()
      await writeFile(file, '')
      await expect.poll(() => existsSync(file), patiently).toBe(false)
      outage.ends()
      await expect.poll(() => jobs.find(handle!.id).then((it) => it?.state), patiently).toBe('completed')
      expect(await jobs.find(handle!.id)).toMatchObject({ runs: 1, failures: 0 })
      await rm(dirname(file), { recursive: true })
    })

  itself(
    'a class that no file exports, and one whose jobs are made in code, are refused when a worker starts',
    async () => {
      class LocalJob extends EchoJob {
        override isolate = isolated()
      }
      await expect(bench.work([LocalJob as never])).rejects.toMatchObject({
        code: 'JOB_INVALID',
        message: 'LocalJob is isolated, and the worker does not know the file to load in another process',
      })
      class ProgramJob extends EchoJob {
        override isolate = isolated({ file: realpathSync(process.argv[1]!) })
      }
      await expect(bench.work([ProgramJob as never])).rejects.toMatchObject({
        code: 'JOB_INVALID',
        message: 'ProgramJob is isolated, and its file is the program, which its process would run again',
      })
      await expect(bench.work([EchoJob as never], { make: (Class) => new Class() })).rejects.toMatchObject({
        code: 'JOB_INVALID',
        message: 'EchoJob is isolated, and make() is set in code, which its own process does not have',
      })
    },
  )

  itself('a process has many jobs, and the worker has nothing to complain about', async () => {
    const pids = new Set<number>()
    for (let i = 0; i < 6; i++) {
      const found = await ended(new EchoJob().with(), 'completed')
      pids.add((found.result as { pid: number }).pid)
    }
    expect(pids.size).toBeLessThan(5)
    expect(report.warnings.filter((text) => /could not start|lease on|stuck/.test(text))).toEqual([])
  })

  test('a worker that stops gives back running jobs, and ends all of its processes', async () => {
    const before = begun()
    const deaf = Object.assign(new HoldJob(), { timeout: '1h' })
    const folder = await mkdtemp(join(tmpdir(), 'lark-'))
    const file = join(folder, 'pids')
    const [handle] = await jobs.dispatch([deaf.with({ how: 'child', file }) as never])
    await expect.poll(begun, patiently).toBe(before + 1)
    await worker.stop(0)
    expect(await jobs.find(handle!.id)).toMatchObject({
      state: 'waiting',
      failures: 0,
      crashes: 0,
      releases: 1,
    })
    const pids = (await readFile(file, 'utf8')).split(' ').map(Number)
    await rm(folder, { recursive: true })
    await expect.poll(() => pids.filter(isAlive), patiently).toEqual([])
  })
}
