/** Tests the findings of `lark jobs:check-bullmq` in code as real applications write it. */
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { MemoryConsole, run } from '@s18i/lark'
import { syntaxOf } from '@s18i/lark/internal'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FileUsage } from '../src/check/usage.ts'
import { JobsCheckBullmqCommand } from '../src/commands/jobs-check-bullmq.ts'

/** Lists the names that a file uses as `line topic: name`, without its imports. */
function usesOf(text: string, file = 'app.ts'): string[] {
  const program = syntaxOf(text, file)
  if (program === undefined) throw new Error('the text cannot be parsed')
  const { uses } = new FileUsage(program)
  const own = uses.filter(({ topic }) => topic !== 'exports' && topic !== 'types' && topic !== 'Nest')
  return own.map(({ topic, name, line }) => `${line} ${topic}: ${name}`)
}

describe('a file', () => {
  test('the check finds options of classes, and nested options', () => {
    const uses = usesOf(`import { Queue, Worker } from 'bullmq'
const queue = new Queue('a', { connection, defaultJobOptions: { attempts: 3, backoff: { type: 'fixed', delay: 1 } } })
new Worker('a', run, {
  limiter: { max: 1, duration: 2 },
  lockDuration: 60_000,
  settings: { backoffStrategy },
})`)
    expect(uses).toEqual([
      '2 options of Queue: connection',
      '2 options of Queue: defaultJobOptions',
      '2 options of a job: attempts',
      '2 options of a job: backoff',
      '2 options of backoff: type',
      '2 options of backoff: delay',
      '4 options of Worker: limiter',
      '4 options of limiter: max',
      '4 options of limiter: duration',
      '5 options of Worker: lockDuration',
      '6 options of Worker: settings',
      '6 options of settings: backoffStrategy',
    ])
  })

  test('the check finds queues in classes, in parameters of constructors, and behind methods', () => {
    const uses = usesOf(`import type { Queue } from 'bullmq'
class Mails {
  #queue: Queue | null = null
  constructor(private readonly other: Queue<Mail>) {}
  static getInstance(): Queue | null { return null }
  async send() {
    await this.#queue!.add('mail', {}, { jobId: '1', lifo: true })
    await this.other.addBulk(all.map((data) => ({ name: 'mail', data, opts: { delay: 5 } })))
    await Mails.getInstance()?.getJobCounts()
  }
}`)
    expect(uses).toEqual([
      '7 methods of Queue: add',
      '7 options of a job: jobId',
      '7 options of a job: lifo',
      '8 methods of Queue: addBulk',
      '8 options of a job: delay',
      '9 methods of Queue: getJobCounts',
    ])
  })

  test('the check finds jobs in processors, listeners and loops, and as results of calls', () => {
    const uses = usesOf(`import { Queue, Worker, Job, type Processor } from 'bullmq'
const worker = new Worker('a', async (job, token) => { await job.moveToDelayed(1, token) })
  .on('failed', (failed) => failed?.log('x'))
const queue = new Queue('a')
async function look(id: string) {
  const found = await queue.getJob(id)
  await found?.promote()
  for (const old of await queue.getJobs(['failed'])) await old.retry()
  const many = await queue.getCompleted()
  many.forEach((each) => each.remove())
  const one = await Job.fromId(queue, id)
  await one.discard()
}
const typed = async (task: Job<Data>) => task.updateProgress(1)`)
    expect(uses.map((use) => use.replace(/^\d+ /, ''))).toEqual([
      'methods of Job: moveToDelayed',
      'events of Worker: failed',
      'methods of Job: log',
      'methods of Queue: getJob',
      'methods of Job: promote',
      'methods of Queue: getJobs',
      'methods of Job: retry',
      'methods of Queue: getCompleted',
      'methods of Job: remove',
      'static methods of Job: fromId',
      'methods of Job: discard',
      'methods of Job: updateProgress',
    ])
  })

  test('the check finds options in variables that are typed, spread, frozen, or chosen', () => {
    const uses = usesOf(`import { Queue, type JobsOptions, type WorkerOptions } from 'bullmq'
const defaults = { attempts: 5, removeOnFail: 100 } as const
const typed: JobsOptions = { stackTraceLimit: 3 }
const ofWorker = { maxStalledCount: 0 } satisfies WorkerOptions
const queue = new Queue('a')
queue.add('x', {}, { ...defaults, ...(later ? { delay: 1 } : {}) })`)
    expect(uses).toEqual([
      '2 options of a job: attempts',
      '2 options of a job: removeOnFail',
      '3 options of a job: stackTraceLimit',
      '4 options of Worker: maxStalledCount',
      '6 methods of Queue: add',
      '6 options of a job: delay',
    ])
  })

  test('the check finds schedulers, events, flows, and an unknown option', () => {
    const uses = usesOf(`import { Queue, QueueEvents, FlowProducer } from 'bullmq'
const queue = new Queue('a')
queue.upsertJobScheduler('x', { pattern: '* * * * *', immediately: true }, { opts: { attempts: 2 } })
new QueueEvents('a').on('progress', () => {})
const flows = new FlowProducer({ connection })
flows.add({ name: 'a', queueName: 'b', children: [{ name: 'c', queueName: 'd', opts: { failParentOnFailure: true } }] })
flows.on('ioredis:close', () => {}).getBackend()
queue.add('x', {}, { atempts: 3 })
const client = await queue.client
queue.add('x', {}, { repeat: { every: 1000 } })
queue.removeRepeatable('x', { tz: 'Europe/Paris' })`)
    expect(uses).toEqual([
      '3 methods of Queue: upsertJobScheduler',
      '3 options of a job scheduler: pattern',
      '3 options of a job scheduler: immediately',
      '3 options of a job: attempts',
      '4 events of QueueEvents: progress',
      '5 options of FlowProducer: connection',
      '6 methods of FlowProducer: add',
      '6 options of a job: failParentOnFailure',
      '7 methods of FlowProducer: getBackend',
      '7 events of FlowProducer: ioredis:close',
      '8 methods of Queue: add',
      '8 options of a job: atempts',
      '9 properties of Queue: client',
      '10 methods of Queue: add',
      '10 options of a job: repeat',
      '10 options of a job scheduler: every',
      '11 methods of Queue: removeRepeatable',
      '11 options of a job scheduler: tz',
    ])
  })

  test('the check reads CommonJS, namespaces, lazy imports, and element access', () => {
    expect(usesOf(`const { Queue: Q } = await import('bullmq')\nnew Q('a').drain()`)).toEqual([
      '2 methods of Queue: drain',
    ])
    expect(usesOf(`const bull = await import('bullmq')\nnew bull.Queue('a').pause()`)).toEqual([
      '2 methods of Queue: pause',
    ])
    expect(usesOf(`const { Queue } = require('bullmq')\nnew Queue('a').drain()`, 'app.cjs')).toEqual([
      '2 methods of Queue: drain',
    ])
    expect(
      usesOf(`import * as bull from 'bullmq'\nnew bull.Queue('a', { prefix: '{x}' })`, 'app.js'),
    ).toEqual(['2 options of Queue: prefix'])
    expect(
      usesOf(
        `import { Queue } from 'bullmq'\nexport const Page = () => <a onClick={() => new Queue('a').pause()} />`,
        'a.tsx',
      ),
    ).toEqual(['2 methods of Queue: pause'])
  })

  test('the check reads decorators of Nest', () => {
    const uses = usesOf(`import { InjectQueue, OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq'
import type { Job, Queue } from 'bullmq'
@Processor('mail', { concurrency: 5, lockRenewTime: 1 })
export class MailProcessor extends WorkerHost {
  constructor(@InjectQueue('mail') private readonly queue: Queue) { super() }
  async process(job: Job) { await job.log('x'); await this.queue.obliterate() }
  @OnWorkerEvent('drained') drained() {}
}`)
    expect(uses).toEqual([
      '3 options of Worker: concurrency',
      '3 options of Worker: lockRenewTime',
      '6 methods of Job: log',
      '6 methods of Queue: obliterate',
      '7 events of Worker: drained',
    ])
  })

  test('the check reads hosts of Nest with untyped jobs, and options of modules', () => {
    const uses =
      usesOf(`import { BullModule, OnWorkerEvent, Processor, QueueEventsHost, WorkerHost } from '@s18i/lark-bullmq/nest'
@Module({ imports: [BullModule.registerQueue({ name: 'mail', defaultJobOptions: { lifo: true }, settings: {} })] })
class MailModule {}
@Processor('mail')
class MailProcessor extends WorkerHost {
  async process(job) { await job.clearLogs(); await this.worker.getNextJob() }
  @OnWorkerEvent('failed') failed(job) { job.discard() }
}
class MailEvents extends QueueEventsHost { look() { this.queueEvents.getBackend() } }`)
    expect(uses).toEqual([
      '2 options of Queue: defaultJobOptions',
      '2 options of a job: lifo',
      '2 options of Queue: settings',
      '6 methods of Job: clearLogs',
      '6 methods of Worker: getNextJob',
      '7 events of Worker: failed',
      '7 methods of Job: discard',
      '9 methods of QueueEvents: getBackend',
    ])
  })

  test('the check reports code that it cannot follow', () => {
    const program = syntaxOf(
      `import { Queue, Worker } from 'bullmq'
const queue = new Queue('a', makeOptions())
new Worker('a', run, { ...options, concurrency: 2 })
for (const each of queues.values()) await each.upsertJobScheduler('a', {})
each.add(1)`,
      'app.ts',
    )!
    expect(new FileUsage(program).unfollowed).toEqual([
      { what: 'options of Queue', line: 2 },
      { what: 'options of Worker', line: 3 },
      { what: 'the object of upsertJobScheduler()', line: 4 },
    ])
  })

  test.each([
    ['at the top', `queue.getWorkers()`, true],
    ['in a function', `export const look = () => queue.getWorkers()`, false],
    [
      'in a function that the file calls',
      `async function main() { await queue.getWorkers() }\nawait main()`,
      true,
    ],
    ['in a constructor', `class A { constructor() { queue.getWorkers() } }`, true],
    ['when Nest starts', `class A { onModuleInit() { queue.getWorkers() } }`, true],
    ['in a method', `class A { look() { queue.getWorkers() } }`, false],
  ])('the check says whether the application fails at its start: %s', (_, text, isAtStart) => {
    const program = syntaxOf(
      `import { Queue } from 'bullmq'\nconst queue = new Queue('a')\n${text}`,
      'app.ts',
    )!
    const { uses } = new FileUsage(program)
    expect(uses.find(({ name }) => name === 'getWorkers')).toMatchObject({ isAtStart })
  })

  test('the check finds bull-board', () => {
    const uses = usesOf(`import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
const { ExpressAdapter } = require('@bull-board/express')`)
    expect(uses).toEqual([
      '1 bull-board: createBullBoard',
      '2 bull-board: BullMQAdapter',
      '3 bull-board: ExpressAdapter',
    ])
  })

  test('an option that the shim does not have is no finding if its value turns it off', () => {
    const uses = usesOf(`import { Queue, Worker } from 'bullmq'
const queue = new Queue('a', { settings: null })
queue.add('x', {}, { lifo: false, delay: undefined })
queue.add('x', {}, { lifo: isLate })
new Worker('a', null, { autorun: false, skipStalledCheck: false })`)
    expect(uses).toEqual([
      '2 options of Queue: settings',
      '3 methods of Queue: add',
      '3 options of a job: delay',
      '4 methods of Queue: add',
      '4 options of a job: lifo',
      '5 options of Worker: autorun',
    ])
  })

  test('other things that have the same names are not BullMQ', () => {
    const text = `import { Queue } from './own'\nconst queue = new Queue('a', { lifo: true })\nqueue.add(1)\nlist.getJobs()`
    expect(usesOf(text)).toEqual([])
  })
})

describe('the command', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lark-check-'))
    const files = {
      'src/queues.ts': `import { Queue } from 'bullmq'\nexport const mails = new Queue('mails', { streams: { events: { maxLen: 1 } } })\n`,
      'src/send.tsx': `import { mails } from './queues'\nexport const send = () => mails.add('x', {}, { lifo: true, attempts: 2 })\n`,
      'src/old.js': `const Queue = require('bull')\nnew Queue('x', { lifo: 1 })\n`,
      'node_modules/x/index.js': `const { Queue } = require('bullmq')\nnew Queue('x', { settings: {} })\n`,
      'dist/queues.js': `const { Queue } = require('bullmq')\nnew Queue('x', { settings: {} })\n`,
      'fine/queue.ts': `import { Queue } from 'bullmq'\nnew Queue('x').add('a', {})\n`,
      'broken/queue.ts': `import { Queue } from 'bullmq'\nconst = 3\n`,
      'manual/src/queues.ts': `import { Queue } from 'bullmq'

export const mails = new Queue('mails', { prefix: '{shop}' })

export async function sendWelcome(to: string) {
  await mails.add('welcome', { to }, { attempts: 3, jobId: \`welcome-\${to}\`, removeOnComplete: 1_000 })
}
export async function sendAlert(to: string) {
  await mails.add('alert', { to }, { lifo: true, removeOnComplete: true })
}
`,
      'manual/src/worker.ts': `import { Worker } from 'bullmq'
import { mails } from './queues'

const worker = new Worker('mails', async (job) => await send(job.data.to), {
  concurrency: 20,
  stalledInterval: 60_000,
  skipLockRenewal: true,
})
worker.on('failed', (job, error) => console.error(job?.id, error))
setInterval(async () => console.log(await mails.getJobCounts('waiting')), 60_000)
`,
      'changes/queue.ts': `import { Queue } from 'bullmq'\nexport const queue = new Queue('x')\nexport const add = () => queue.add('a', {}, { lifo: true })\n`,
      'fatal/queue.ts': `import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'\nimport { Worker } from 'bullmq'\nexport const start = () => new Worker('x', null, { skipStalledCheck: true })\n`,
      'again/lib/queues.ts': `export { Queue as Line } from 'bullmq'\nexport * from 'bullmq'\n`,
      'again/app.ts': `import { Line, Worker } from './lib/queues'\nconst line = new Line('a')\nconst look = () => line.getMeta()\nnew Worker('a', async (job) => job.discard())\n`,
      'typed/package.json': '{}',
      'typed/tsconfig.json': JSON.stringify({ files: [], references: [{ path: './tsconfig.app.json' }] }),
      'typed/tsconfig.app.json': JSON.stringify({
        compilerOptions: {
          ...{ module: 'nodenext', target: 'es2022', strict: true, types: [], composite: true },
          experimentalDecorators: true,
        },
        include: ['src'],
      }),
      'typed/src/lib.ts': `export * from 'bullmq'\n`,
      'typed/src/app.ts': `import type { JobsOptions, Queue } from './lib.js'
import { Mails } from './mails.js'

const all = new Map<string, Queue>()
export async function look(other: any) {
  for (const [, queue] of all) await queue.getMeta()
  await other.upsertJobScheduler('a')
  await new Mails('mails').later()
  return options({ lifo: true })
}
function options(given: JobsOptions) {
  return given
}
`,
      'typed/src/mails.ts': `import { Queue } from './lib.js'

export class Mails extends Queue {
  async later() {
    const given = { delay: 5, debounce: { id: 'a' }, lifo: false }
    await this.add('mail', {}, given)
    await this.add('mail', {}, { lifo: false })
    await this.getVersion()
  }
}
`,
      'none/index.ts': `export const one = 1\n`,
    }
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true })
      await writeFile(join(folder, name), text)
    }
  })
  afterAll(() => rm(folder, { recursive: true }))

  /** Installs packages of this repository in a folder. */
  async function install(into: string, packages: Record<string, string>) {
    await mkdir(join(folder, into, 'node_modules'), { recursive: true })
    for (const [name, from] of Object.entries(packages))
      await symlink(from, join(folder, into, 'node_modules', name), 'junction')
  }

  async function check(...words: string[]) {
    const output = new MemoryConsole({})
    const code = await run(['jobs:check-bullmq', ...words], {
      commands: [JobsCheckBullmqCommand],
      console: output,
    })
    return {
      code,
      stdout: output.stdout.replaceAll(folder, ''),
      stderr: output.stderr.replaceAll(folder, ''),
    }
  }

  test('lists each name with its answer and its places, with missing names first', async () => {
    const { code, stdout } = await check(folder, '--json')
    const { answers, counts, files, unread } = JSON.parse(stdout)
    expect(code).toBe(3)
    expect(files).toBe(11)
    expect(unread).toEqual(['/broken/queue.ts'])
    expect(counts).toMatchObject({ missing: 6, needless: 2 })
    expect(answers[0]).toEqual({
      topic: 'options of a job',
      name: 'lifo',
      answer: 'missing',
      inLark: '`priority`',
      page: 'creating-jobs.md#settings',
      places: [
        { file: '/changes/queue.ts', line: 3 },
        { file: '/manual/src/queues.ts', line: 9 },
        { file: '/src/send.tsx', line: 2 },
      ],
    })
    expect(answers.map(({ name }: { name: string }) => name)).not.toContain('settings')
  })

  test('prints a table, a summary and the page, and names files that it could not read', async () => {
    const { code, stdout, stderr } = await check(join(folder, 'src'))
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /^BULLMQ +USES +LARK +IN LARK +WHERE\nlifo \(option of a job\) +1 +not there +priority +\/src\/send.tsx:2\n/,
    )
    expect(stdout).toMatch(
      /names of BullMQ, used \d+ times in 2 of 3 files: 1 not there, .*\n.*\nStarts with changes: lifo is refused .* See https:/,
    )
    expect(stderr).toBe('')
    expect((await check(join(folder, 'broken'))).stderr).toContain('/broken/queue.ts cannot be parsed')
  })

  test('prints the text on the page check-bullmq of the manual', async () => {
    const manual = readFileSync(join(import.meta.dirname, '../../../docs/check-bullmq.md'), 'utf8')
    const { stdout } = await check(join(folder, 'manual', 'src'))
    expect(manual).toContain(`\n$ lark jobs:check-bullmq src\n${stdout.replaceAll('/manual/', '')}`)
  })

  test.each([
    ['fine', 0, 'Starts: all is there if you change the import'],
    ['changes', 1, 'Starts with changes: lifo is refused when the code uses it. See https://'],
    ['fatal', 3, 'Cannot start: BullMQAdapter, skipStalledCheck are refused at the start. See https://'],
    ['again', 1, 'Starts with changes: getMeta, discard are refused when the code uses it. See https://'],
  ])('the last line and the exit code say whether %s starts', async (source, exit, line) => {
    const { code, stdout } = await check(join(folder, source))
    expect([code, stdout.trim().split('\n').at(-1)]).toEqual([exit, expect.stringContaining(line)])
  })

  test('uses the TypeScript of the application and the types of bullmq if they are installed', async () => {
    const answersOf = (stdout: string) =>
      JSON.parse(stdout).answers.flatMap(({ name, answer, places }: never) =>
        answer === 'missing'
          ? [[name, (places as { file: string; line: number }[]).map(({ line }) => line)]]
          : [],
      )
    const without = await check(join(folder, 'typed'), '--json')
    expect(answersOf(without.stdout)).toEqual([])
    expect(JSON.parse(without.stdout).typescript).toEqual({ because: 'TypeScript is not installed' })
    const modules = join(import.meta.dirname, '../../../node_modules')
    const old = createRequire(createRequire(import.meta.url).resolve('@arethetypeswrong/core'))
    const typescript = dirname(old.resolve('typescript/package.json'))
    await install('typed', { typescript, bullmq: join(modules, 'bullmq') })
    const { code, stdout } = await check(join(folder, 'typed'), '--json')
    const { outcome, unfollowed, typescript: used } = JSON.parse(stdout)
    expect([code, outcome, used]).toEqual([
      1,
      'starts with changes',
      { version: expect.stringMatching(/^5\./) },
    ])
    expect(answersOf(stdout).sort()).toEqual([
      ['debounce', [5]],
      ['getMeta', [6]],
      ['getVersion', [8]],
      ['lifo', [9]],
    ])
    expect(unfollowed).toEqual([
      { file: '/typed/src/app.ts', line: 7, what: 'the object of upsertJobScheduler()' },
    ])
  })

  test('says why it has no types', async () => {
    await install('again', { typescript: join(import.meta.dirname, '../../../node_modules/typescript') })
    const { stdout } = await check(join(folder, 'again'))
    expect(stdout).toMatch(
      /By the syntax alone, without types: TypeScript 7\.\S+ has no interface for programs\n/,
    )
  })

  test('exits with 0 if no name is missing or the code does not use BullMQ, and refuses a missing folder', async () => {
    expect((await check(join(folder, 'fine'))).code).toBe(0)
    expect(await check(join(folder, 'none'))).toEqual({
      code: 0,
      stdout: 'No file uses BullMQ (1 read)\n',
      stderr: '',
    })
    const { code, stderr } = await check(join(folder, 'nowhere'))
    expect([code, stderr]).toEqual([2, expect.stringContaining('There is no /nowhere')])
  })
})
