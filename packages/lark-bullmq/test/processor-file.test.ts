/** Jobs of processors in files run in separate processes, on each store. */
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { newPrefix, removeKeys } from '../../lark-jobs/test/redis/place.ts'
import { FlowProducer, type Job, Queue, type SandboxedJob, Worker } from '../src/index.ts'
import { processorFile } from '../src/worker/processor-file.ts'

const fileOf = (name: string) => new URL(`processors/${name}`, import.meta.url)
const place = {
  SQLite: () => ({ connection: `sqlite:${join(folder, 'jobs.db')}` }),
  Redis: () => ({ connection: inject('redisUrl'), prefix }),
}
const prefix = newPrefix()
/** Milliseconds. A busy machine needs long to start a process. */
const patiently = 50_000
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lark-bullmq-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
  await removeKeys(inject('redisUrl'), prefix)
})

describe.each(['SQLite', 'Redis'] as const)('on %s', (store) => {
  test('a processor in a file adds a child and waits for it, also if another worker goes on', async () => {
    const opts = place[store]()
    await using queue = new Queue('parents', opts)
    const file = fileURLToPath(fileOf('work.mjs'))
    const first = new Worker('parents', file, opts)
    await first.waitUntilReady()
    const job = await queue.add('parent', { below: 'children', opts })
    await expect.poll(() => job.getState(), { timeout: patiently }).toBe('waiting-children')
    await first.close()
    await using _children = new Worker('children', async () => 7, opts)
    await expect.poll(() => job.getState(), { timeout: patiently }).toBe('waiting')
    await using _second = new Worker('parents', file, opts)
    expect(await job.waitUntilFinished(undefined, patiently)).toEqual([7])
    expect(await queue.getJob(job.id!)).toMatchObject({ attemptsMade: 1, attemptsStarted: 2 })
  }, 60_000)

  test('a processor in a file works like one in the process, and its crash is a crash of the job', async () => {
    const opts = place[store]()
    await using queue = new Queue('files', opts)
    await using worker = new Worker('files', fileURLToPath(fileOf('work.mjs')), { ...opts, concurrency: 2 })
    const told: unknown[] = []
    worker.on('active', ({ name }) => told.push(`active ${name}`))
    worker.on('progress', ({ name }, progress) => told.push([name, progress]))
    worker.on('completed', ({ name }, value) => told.push(`completed ${name} ${typeof value}`))
    worker.on('failed', (job, { message }) => told.push(`failed ${job!.name} ${message}`))
    const ended = async (name: string, data: object = {}, options = {}) => {
      const { id } = await queue.add(name, data, options)
      const shown = (job: Job | undefined) => job!.finishedOn !== undefined
      await expect.poll(async () => shown(await queue.getJob(id!)), { timeout: patiently }).toBe(true)
      return (await queue.getJob(id!)) as Job
    }
    const sum = await ended('sum', { a: 1, b: 2 })
    expect(sum.returnvalue).toEqual({ sum: 3, pid: expect.any(Number), queue: 'files', token: 'string' })
    expect(sum.returnvalue.pid).not.toBe(process.pid)
    expect(sum).toMatchObject({ data: { a: 1, b: 2, seen: true }, progress: { half: true } })
    expect((await queue.getJobLogs(sum.id!)).logs).toEqual(['adds 1'])
    expect(told.splice(0)).toEqual(['active sum', ['sum', { half: true }], 'completed sum object'])

    expect((await ended('no')).returnvalue).toBe(false)
    const thrown = await ended('throw', {}, { attempts: 2 })
    expect(thrown).toMatchObject({ attemptsMade: 2, failedReason: 'attempt 1' })
    expect(thrown.stacktrace![0]).toContain('work.mjs')
    expect(await ended('final', {}, { attempts: 5 })).toMatchObject({
      attemptsMade: 1,
      failedReason: 'never again',
    })
    const died = await ended('exit', {}, { attempts: 2 })
    expect(died).toMatchObject({ attemptsMade: 2, failedReason: expect.stringContaining('exit code 3') })
    // The job was delayed, which uses up no attempt. The first line belongs to its second run.
    expect((await ended('later')).returnvalue).toBe('later 2 0 1')
    expect((await ended('limited')).returnvalue).toBe('limited 2 0 1')
    expect(told.filter((each) => String(each).startsWith('failed'))).toEqual([
      ...['failed throw attempt 0', 'failed throw attempt 1', 'failed final never again'],
      ...[expect.stringContaining('failed exit'), expect.stringContaining('failed exit')],
    ])
    const long = await queue.add('long', {})
    await expect.poll(() => told.includes('active long'), { timeout: patiently }).toBe(true)
    await worker.close(true)
    expect(await (await queue.getJob(long.id!))!.getState()).toBe('waiting')
  })

  test('a signal, a strategy for retries and the values of children reach a processor in a file', async () => {
    const opts = place[store]()
    await using queue = new Queue('kin', opts)
    const asked: unknown[] = []
    const backoffStrategy = (made: number, type?: string, error?: Error, job?: Job) => {
      asked.push([made, type, error?.message, job?.name])
      return made < 3 ? 0 : -1
    }
    await using worker = new Worker('kin', fileOf('work.mjs'), {
      ...opts,
      concurrency: 2,
      settings: { backoffStrategy },
    })
    const failed = async ({ id }: { id?: string | undefined }) => {
      const look = async () => (await (await queue.getJob(id!))!.getState()) === 'failed'
      await expect.poll(look, { timeout: patiently }).toBe(true)
      return (await queue.getJob(id!)) as Job
    }
    const odd = await queue.add('throw', {}, { attempts: 9, backoff: { type: 'own' } })
    expect(await failed(odd)).toMatchObject({ attemptsMade: 3, failedReason: 'attempt 2' })
    const asks = [0, 1, 2].map((n) => [n + 1, 'own', `attempt ${n}`, 'throw'])
    expect(asked).toEqual(asks)

    for (const [name, reason, says] of [
      ['patient', 'enough', 'enough'],
      ['patient', undefined, 'This operation was aborted'],
      // The job blocks its process, which is killed.
      ['deaf', 'enough', 'enough'],
    ] as const) {
      const begun = once(worker, 'progress')
      const held = await queue.add(name, {})
      await begun
      expect(worker.cancelJob(held.id!, reason)).toBe(true)
      expect((await failed(held)).failedReason).toBe(says)
    }

    await using producer = new FlowProducer(opts)
    const child = (n: number) => ({ name: 'sum', queueName: 'kin', data: { a: n, b: 1 } })
    const { job } = await producer.add({
      name: 'total',
      queueName: 'kin',
      data: {},
      children: [child(1), child(2)],
    })
    const total = () => queue.getJob(job.id!).then((found) => found?.returnvalue)
    await expect.poll(total, { timeout: patiently }).toEqual({ total: 5, processed: 2 })
  })

  test('a file of CommonJS may be a processor, and useWorkerThreads also starts a process', async () => {
    const opts = place[store]()
    await using queue = new Queue('old', opts)
    await using _worker = new Worker('old', fileOf('old.cjs'), { ...opts, useWorkerThreads: true })
    const job: SandboxedJob<{ n: number }> = await queue.add('one', { n: 1 })
    expect(await job.waitUntilFinished(undefined, patiently)).toBe(2)
  })

  test('the processes have the flags of workerForkOptions', async () => {
    const opts = place[store]()
    await using queue = new Queue('flags', opts)
    const execArgv = ['--max-old-space-size=300']
    const threads = { resourceLimits: { maxOldGenerationSizeMb: 300 } }
    const forking = {
      workerForkOptions: { execArgv },
      useWorkerThreads: false,
      workerThreadsOptions: threads,
    }
    await using _worker = new Worker('flags', fileOf('work.mjs'), { ...opts, ...forking })
    const job = await queue.add('flags', {})
    expect(await job.waitUntilFinished(undefined, patiently)).toEqual(execArgv)
  })
})

test('options of processes and threads that Lark does not have are refused', () => {
  const make = (opts: object) => new Worker('flags', fileOf('work.mjs'), { autorun: false, ...opts })
  expect(() => make({ workerForkOptions: { cwd: '/' } })).toThrow('cwd of workerForkOptions')
  expect(() => make({ useWorkerThreads: true, workerThreadsOptions: {} })).toThrow('workerThreadsOptions')
})

test('a name without the extension of a module means a .js file, even if the name has a dot', async () => {
  const file = join(folder, 'email.processor.js')
  await writeFile(file, 'module.exports = () => {}')
  expect(processorFile('Worker', join(folder, 'email.processor'))).toBe(file)
  expect(processorFile('Worker', file)).toBe(file)
})

test('a URL means exactly the named file, also without an extension', async () => {
  const file = join(folder, 'plain')
  await writeFile(file, 'module.exports = () => {}')
  expect(processorFile('Worker', pathToFileURL(file))).toBe(file)
  await writeFile(`${file}.js`, '')
  expect(processorFile('Worker', pathToFileURL(file))).toBe(file)
  expect(processorFile('Worker', file)).toBe(`${file}.js`)
})

test('a folder, a URL of another scheme and a path written as a URL are refused', async () => {
  const path = join(folder, 'place.js')
  await mkdir(path)
  await writeFile(join(path, 'index.js'), '')
  const others = [join(folder, 'place'), path, `${path}/`, pathToFileURL(path), pathToFileURL(path).href]
  const urls = [new URL('https://example.com/a.js'), new URL('data:text/javascript,')]
  for (const given of [...others, ...urls, ''])
    expect(() => new Worker('none', given, place.SQLite())).toThrow(
      `Worker 'none': the processor is '${given}'; it must be a function, or a file that exists`,
    )
})

test('a .flow file goes to the loader of the program', async () => {
  const file = join(folder, 'typed.flow')
  await writeFile(file, 'export default async (): Promise<string> => `flow`')
  const hook = `export async function load(url, context, next) {
    if (!url.endsWith('.flow')) return next(url, context)
    const { readFileSync } = await import('node:fs')
    const source = readFileSync(new URL(url), 'utf8').replace(/: Promise<\\w+>/g, '')
    return { format: 'module', shortCircuit: true, source }
  }`
  const loader = join(folder, 'loader.mjs')
  const url = `data:text/javascript,${encodeURIComponent(hook)}`
  await writeFile(loader, `import { register } from 'node:module'\nregister(${JSON.stringify(url)})`)
  const options = process.env.NODE_OPTIONS
  process.env.NODE_OPTIONS = `${options ?? ''} --import ${pathToFileURL(loader)}`
  try {
    const opts = place.SQLite()
    await using queue = new Queue('flow', opts)
    await using _worker = new Worker('flow', file, opts)
    const job = await queue.add('one', {})
    expect(await job.waitUntilFinished(undefined, patiently)).toBe('flow')
  } finally {
    if (options === undefined) delete process.env.NODE_OPTIONS
    else process.env.NODE_OPTIONS = options
  }
})

test('the error names a missing file, and a file that exports no function', async () => {
  const opts = place.SQLite()
  expect(() => new Worker('none', join(folder, 'no-such-file'), opts)).toThrow(
    /Worker 'none': the processor is '.*no-such-file'; it must be a function, or a file that exists/,
  )
  await using queue = new Queue('none', opts)
  await using worker = new Worker('none', fileOf('none.cjs'), opts)
  const erred = once(worker, 'error')
  await queue.add('one', {})
  const [error] = await erred
  expect(error.message).toContain('none.cjs exports no processor')
})

test('a store in memory is refused, because no other process can open it', async () => {
  const opts = { connection: 'sqlite::memory:' }
  await using queue = new Queue('apart', opts)
  await using worker = new Worker('apart', fileOf('old.cjs'), { ...opts, autorun: false })
  await expect(worker.run()).rejects.toMatchObject({
    code: 'JOB_INVALID',
    message: expect.stringContaining('a processor in a file runs in another process'),
  })
  expect(await (await queue.add('one', {})).getState()).toBe('waiting')
})
