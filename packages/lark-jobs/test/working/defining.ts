import { expect, test, vi } from 'vitest'
import { type DefinedJob, defineJob, Job, type JobConstructor, unique } from '../../src/index.ts'
import { Bench, type Connect, Record } from './bench.ts'

let made = 0
/** Makes a key that no other test uses. */
const newKey = () => `defined-${++made}`
const classOf = (job: unknown) => job as new () => Job

/** Jobs may be functions, and applications may dispatch by key. */
export function defining(connect: Connect): void {
  test('the function of a defined job gets the payload and the job, and takes the options of a class', async () => {
    await using bench = await Bench.make(connect)
    const told: string[] = []
    const importFile = defineJob<{ file: string }, { rows: number }>({
      key: newKey(),
      queueName: 'emails',
      tries: 2,
      backoff: 0,
      retryIf: (error) => (error as Error).message !== 'for good',
      failed: (error, { file }) => told.push(`${error} ${file}`),
    })
    const [good, bad, lost] = await bench.jobs.dispatch([
      importFile.with({ file: 'a' }),
      importFile.with({ file: 'bad' }),
      importFile.with({ file: 'lost' }),
    ])
    const worker = await bench.work(
      [
        classOf(
          importFile.handle(async ({ file }, job) => {
            job.info(`${file} ${job.attempt}`)
            if (file === 'bad') throw new Error('for good')
            if (file === 'lost') throw new Error('for now')
            return { rows: 7 }
          }),
        ),
      ],
      { stopWhenEmpty: true },
    )
    expect(await worker.done).toMatchObject({ completed: 1, failed: 2, retried: 1 })
    const found = await good.find()
    expect(found).toMatchObject({
      state: 'completed',
      queue: 'emails',
      result: { rows: 7 },
      key: importFile.name,
    })
    expect(found?.log.map(({ text }) => text)).toEqual(['a 1'])
    expect((await bad.find())?.failures).toBe(1)
    expect((await lost.find())?.failures).toBe(2)
    expect(told.sort()).toEqual(['Error: for good bad', 'Error: for now lost'])
  })

  test('a worker refuses a defined job without a handler', async () => {
    await using bench = await Bench.make(connect)
    const idle = defineJob({ key: newKey() })
    await expect(bench.work([classOf(idle)])).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: `${idle.name} has no handler`,
    })
    await expect(idle.dispatchNow()).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: `${idle.name} has no handler in this process`,
    })
    idle.handle(() => 5)
    expect(await idle.dispatchNow()).toBe(5)
  })

  test('a definition that loads again keeps its handler in development, and has none in production', async () => {
    const key = newKey()
    defineJob({ key }).handle(() => 1)
    const again = defineJob({ key })
    await expect(again.dispatchNow()).rejects.toMatchObject({ code: 'JOB_INVALID' })
    vi.stubEnv('NODE_ENV', 'development')
    try {
      defineJob({ key }).handle(() => 2)
      const loaded = defineJob({ key, tries: 1 })
      expect(await loaded.dispatchNow()).toBe(2)
      await using bench = await Bench.make(connect)
      await bench.jobs.dispatch([loaded.with()])
      const worker = await bench.work([classOf(loaded)], { stopWhenEmpty: true })
      expect(await worker.done).toMatchObject({ completed: 1 })
      loaded.handle(() => 3)
      expect(await loaded.dispatchNow()).toBe(3)
    } finally {
      vi.unstubAllEnvs()
    }
  })

  test('dispatchByKey finds defined jobs, aliases and named classes, and accepts options for one job', async () => {
    await using bench = await Bench.make(connect)
    class NamedJob extends Job {
      override readonly key = 'named'
      override queueName = 'low'
      handle(payload: { n: number }) {
        return payload.n
      }
    }
    const jobs = bench.client({ jobs: [NamedJob] } as never)
    const key = newKey()
    const job = defineJob<{ n: number }, number>({ key, aliases: [`${key}-old`], queueName: 'emails' })
    const handles = [
      await jobs.dispatchByKey(key, { n: 1 }),
      await jobs.dispatchByKey(`${key}-old`, { n: 2 }, { queueName: 'default', priority: 9 }),
      await jobs.dispatchByKey('named', { n: 3 }, { id: 'third', tries: 1 }),
    ]
    expect(handles.map(({ queue }) => queue)).toEqual(['emails', 'default', 'low'])
    expect(handles[2]!.id).toBe('third')
    const worker = await bench.work([NamedJob, classOf(job.handle(({ n }) => n))], { stopWhenEmpty: true })
    await worker.done
    const found = await Promise.all(handles.map((handle) => handle.find()))
    expect(found.map((each) => [each?.result, each?.priority])).toEqual([
      [1, 0],
      [2, 9],
      [3, 0],
    ])
    await expect(jobs.dispatchByKey(key, {}, { prioritty: 9 } as never)).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: 'Jobs.dispatchByKey(): prioritty is not an option',
      hint: 'Did you mean priority?',
    })
  })

  test('dispatchByKey leaves out options that are undefined, and refuses reuse without an id', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const key = newKey()
    defineJob<number>({ key, delay: '1h', queueName: 'emails', unique: unique(() => 'all') })
    const none = { delay: undefined, queueName: undefined, tries: undefined, tags: undefined, id: undefined }
    const first = await jobs.dispatchByKey(key, 1, none)
    expect([first.queued, first.queue, (await first.status())?.state]).toEqual([true, 'emails', 'delayed'])
    expect((await jobs.dispatchByKey(key, 2, { unique: undefined })).rejection?.by).toBe(first.id)
    expect((await jobs.dispatchByKey(key, 3, { reuse: undefined })).queued).toBe(false)
    await expect(jobs.dispatchByKey(key, 4, { reuse: 'ended' })).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: "Jobs.dispatchByKey(): reuse is 'ended', and there is no id",
      hint: "reuse says whether an id of yours may be used again: { id: 'invoice-7', reuse: 'ended' }",
    })
  })

  test('the error for an unknown key names the most similar known key', async () => {
    await using bench = await Bench.make(connect)
    const key = `${newKey()}-letter`
    defineJob({ key })
    await expect(bench.jobs.dispatchByKey(`${key}s`)).rejects.toMatchObject({
      code: 'UNKNOWN_JOB',
      message: `Jobs.dispatchByKey(): there is no job with the key '${key}s'`,
      hint: `Did you mean ${key}? Import the file that defines it, or name its class in the option jobs.`,
    })
  })

  test('a wrapper that dispatches jobs by name needs a few lines', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const all = new Map<string, DefinedJob<never, unknown>>()
    const job = (name: string, options: object, handler: (payload: never) => unknown) =>
      all.set(
        name,
        defineJob<never>({ key: name, ...options }).handle((payload) => handler(payload)),
      )
    const key = newKey()
    job(key, { tries: 1 }, ({ n }: { n: number }) => 2 * n)
    const handle = await jobs.dispatchByKey(key, { n: 4 }, { delay: 0 })
    const report = new Record()
    const classes = [...all.values()] as unknown as JobConstructor[]
    await (await jobs.work({ jobs: classes, stopWhenEmpty: true, report })).done
    expect((await handle.find())?.result).toBe(8)
  })
}
