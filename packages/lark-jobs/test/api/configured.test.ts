import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { Inside } from '../../src/api/inside.ts'
import { Jobs } from '../../src/api/jobs.ts'
import { type CodeConfig, createJobs, Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import type { JobConstructor } from '../../src/options/job-class.ts'
import { Record } from '../working/bench.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lark-'))
})
afterAll(() => rm(folder, { recursive: true }))

/**
 * Makes a client that takes its configuration as the default instance does, in a process without a
 * configuration file.
 */
const client = () =>
  new Jobs(
    new Inside(async () => {
      throw new Error('looked for a file')
    }),
  )

let count = 0
/** Makes a configuration with a new store. */
const config = (more: CodeConfig = {}): CodeConfig => {
  count++
  return { connection: `sqlite:${join(folder, `${count}.db`)}`, ...more }
}

/**
 * Makes a new class with the same key each time, as a development server does when it loads a module again.
 */
const load = (text: string) =>
  class EchoJob extends Job {
    override readonly key = 'echo'
    handle() {
      return { text }
    }
  } as unknown as JobConstructor

const codeOf = (act: () => unknown) => {
  try {
    act()
  } catch (error) {
    const { code, message } = error as { code: string; message: string }
    return `${code}: ${message}`
  }
  return undefined
}

test('a dispatcher and a worker use the configuration of configure(), and search for no file', async () => {
  const ran: string[] = []
  class MailJob extends Job {
    override queueName = 'emails'
    handle({ to }: { to: string }) {
      ran.push(to)
    }
  }
  const trace = (job: { name: string }, next: () => unknown) => {
    ran.push(job.name)
    return next()
  }
  await using jobs = client()
  jobs.configure(config({ queues: ['emails'], jobs: [MailJob], middleware: [trace] }))
  await jobs.dispatch(new MailJob(), { to: 'ann' })
  const worker = await jobs.work({ stopWhenEmpty: true, report: new Record() })
  await worker.done
  await jobs.dispatchNow(new MailJob(), { to: 'bob' })
  expect(ran).toEqual(['MailJob', 'ann', 'MailJob', 'bob'])
  await expect(jobs.dispatch(new (load(''))())).rejects.toMatchObject({
    code: 'UNKNOWN_QUEUE',
    hint: 'The configured queues are emails. Add it to queues in Jobs.configure().',
  })
})

test('configure() checks the configuration at once, and its errors name configure()', () => {
  expect(codeOf(() => client().configure({ qeues: [] } as CodeConfig))).toBe(
    'CONFIG_INVALID: Jobs.configure(): jobs.qeues is not an option',
  )
  expect(codeOf(() => client().configure({ jobs: [Date] as unknown as JobConstructor[] }))).toMatch(
    /^JOB_INVALID: Jobs.configure\(\): jobs is .*; it must be a list of job classes$/,
  )
  const jobs = client()
  expect(codeOf(() => jobs.configure({ preset: 'fast' as 'spread' }))).toMatch('CONFIG_INVALID')
  // The calls above were refused, so this first configuration is still accepted.
  jobs.configure({ preset: 'spread' })
})

test.each<[string, () => CodeConfig]>([
  ['queues', () => ({ queues: { default: {}, emails: { weight: 2, rate: { limit: 1, per: '1s' } } } })],
  [
    'functions of the same names',
    () => ({
      middleware: [
        function trace(_job, next) {
          return next()
        },
      ],
    }),
  ],
  ['hooks', () => ({ hooks: { failed: () => {} } })],
  ['classes of the same keys', () => ({ jobs: [load('one')] })],
  ['what is undefined, and what is absent', () => (count++ % 2 === 0 ? {} : { prefix: undefined as never })],
  ['servers and certificates', () => ({ connection: { host: 'db', tls: { ca: Buffer.from('ca') } } })],
])('the same configuration again changes nothing: %s', async (_, make) => {
  await using jobs = client()
  const { connection } = config()
  jobs.configure({ connection, ...make() })
  jobs.configure({ connection, ...make() })
})

test.each<[string, CodeConfig, CodeConfig]>([
  ['connection', { connection: 'redis://a' }, { connection: 'redis://b' }],
  [
    'connection',
    { connection: { host: 'a', tls: { ca: Buffer.from('a') } } },
    { connection: { host: 'a', tls: { ca: Buffer.from('b') } } },
  ],
  ['queues', { queues: ['a', 'b'] }, { queues: ['b', 'a'] }],
  ['prefix, preset', { prefix: 'a' }, { preset: 'spread' }],
  ['middleware', { middleware: [function one() {}] as never }, { middleware: [function two() {}] as never }],
  ['middleware', { middleware: [] }, { middleware: [function two() {}] as never }],
  ['jobs', { jobs: [load('')] }, { jobs: [] }],
])(
  'a different configuration is refused with the keys that differ, and without secrets: %s',
  (names, one, other) => {
    const jobs = client()
    jobs.configure(one)
    expect(codeOf(() => jobs.configure(other))).toBe(
      `ALREADY_CONFIGURED: Jobs.configure(): Jobs was configured before, with other ${names}`,
    )
    jobs.configure(one)
  },
)

test('after the first use of an instance, configure() accepts the same configuration and refuses another one, also if there was none before', async () => {
  const own = config()
  await using jobs = client()
  jobs.configure(own)
  await insideOf(jobs).open()
  jobs.configure({ ...own })
  expect(codeOf(() => jobs.configure(config()))).toMatch(/^ALREADY_CONFIGURED: .* with other connection$/)

  const late = 'CONFIGURED_LATE: Jobs.configure() was called after Jobs had been used'
  const configured = createJobs(config())
  const settings = (await insideOf(configured).open()).settings
  await configured.close()
  await using found = new Jobs(new Inside(async () => settings))
  const opening = insideOf(found).open()
  expect(codeOf(() => found.configure(own))).toBe(late)
  await opening
  expect(codeOf(() => found.configure(own))).toBe(late)

  await using running = new Jobs(new Inside(async () => settings))
  await running.dispatchNow(new (load(''))())
  expect(codeOf(() => running.configure(own))).toBe(late)
})

test('configure() accepts another configuration after the store could not be opened, and after close()', async () => {
  await using jobs = new Jobs(
    new Inside(async () => {
      throw new Error('no file')
    }),
  )
  await expect(jobs.dispatch(new (load(''))())).rejects.toThrow('no file')
  const first = config()
  jobs.configure(first)
  await jobs.dispatch(new (load(''))())
  await jobs.close()
  jobs.configure(config())
  expect((await jobs.status()).queues[0]?.counts.waiting).toBe(0)
  await jobs.close()
  // The client still uses its last configuration.
  expect((await jobs.status()).queues).toHaveLength(1)
  expect(codeOf(() => jobs.configure(first))).toMatch('ALREADY_CONFIGURED')
})

test('if the same configuration is used again after close(), another configuration is refused', async () => {
  const first = config()
  await using jobs = client()
  jobs.configure(first)
  await jobs.status()
  await jobs.close()
  jobs.configure(first)
  expect(codeOf(() => jobs.configure(config()))).toMatch('ALREADY_CONFIGURED')
})

test('configure() refuses another configuration for an instance that createJobs() has made', () => {
  const jobs = createJobs({ prefix: 'reports' })
  jobs.configure({ prefix: 'reports' })
  expect(codeOf(() => jobs.configure({ prefix: 'other' }))).toMatch('ALREADY_CONFIGURED')
})

test('a worker uses the job classes, middleware and hooks that were given last before the worker started', async () => {
  const seen: string[] = []
  const make = (text: string): CodeConfig => ({
    connection: own,
    jobs: [load(text)],
    middleware: [
      async function watch(_job, next) {
        seen.push(text)
        return next()
      },
    ],
    hooks: { started: () => seen.push(`${text} started`) },
  })
  const { connection: own } = config()
  await using jobs = client()
  jobs.configure(make('old'))
  const job = new (load(''))() as Job & { handle(): unknown }
  await jobs.dispatch(job)
  await jobs.dispatchNow(job)
  jobs.configure(make('new'))
  const worker = await jobs.work({ stopWhenEmpty: true, report: new Record() })
  await worker.done
  await jobs.dispatchNow(job)
  expect(seen).toEqual(['old started', 'old', 'new started', 'new', 'new started', 'new'])
  expect((await jobs.find(job.id!))?.result).toEqual({ text: 'new' })
  // `work()` may name other job classes than the configuration.
  await jobs.dispatch(job)
  const other = await jobs.work({ stopWhenEmpty: true, report: new Record(), jobs: [load('its own')] })
  await other.done
  expect((await jobs.find(job.id!))?.result).toEqual({ text: 'its own' })
})

test('environment variables override the configuration of configure() as they override that of a file', async () => {
  const { connection } = config()
  vi.stubEnv('LARK_JOBS_URL', connection as string)
  await using jobs = client()
  jobs.configure({ queues: ['only'] })
  const { settings } = await insideOf(jobs).open()
  expect(settings).toMatchObject({ connection, queues: ['only'], source: { kind: 'code' } })
  vi.unstubAllEnvs()
})
