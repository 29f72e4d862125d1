/**
 * What the types promise. Checked by the compiler: every line marked with ts-expect-error must not compile.
 */

import { defineConfig } from '@s18i/lark/config'
import { z } from 'zod'
import {
  type Approval,
  type ApprovalContext,
  backoff,
  type ClassSchedule,
  circuitBreaker,
  context,
  createJobs,
  cron,
  type Draft,
  daily,
  defineJob,
  every,
  exponential,
  type Hooks,
  Job,
  type JobHandle,
  type Jobs,
  JobsError,
  keep,
  lenient,
  type Make,
  type Middleware,
  NonRetryableError,
  type Parsed,
  type QueueEvents,
  type Recurrence,
  type Rejection,
  rateLimited,
  type ScheduleInfo,
  type ScheduleRun,
  type State,
  skipWhen,
  tags,
  timing,
  unique,
  withContext,
  withoutOverlapping,
} from '../../src/index.ts'

import { operate } from '../../src/operate.ts'

class SendEmailJob extends Job {
  override readonly key = 'send-email'
  override queueName = 'emails'
  override priority = 10
  override tries = 5
  override backoff = '10s'
  override delay = 0
  override timeout = '30s'
  async handle(payload: { to: string; subject?: string }) {
    this.info(payload.to)
    return { sent: true }
  }
}
class NothingJob extends Job {
  async handle() {
    return true
  }
}
class MaybeJob extends Job {
  handle(_payload?: { a: number }) {}
}
class NumberJob extends Job {
  handle(payload: number): number {
    return payload
  }
}
class TwoJob extends Job {
  handle(_one: string, _two: string) {}
}

// the payload is that of handle
const queued: Promise<boolean> = new SendEmailJob().dispatch({ to: 'a' })
new SendEmailJob().dispatch({ to: 'a', subject: 'b' })
// @ts-expect-error wrong type
new SendEmailJob().dispatch({ to: 1 })
// @ts-expect-error missing payload
new SendEmailJob().dispatch()
// @ts-expect-error missing field
new SendEmailJob().dispatch({ subject: 'b' })
// @ts-expect-error extra field in an object literal
new SendEmailJob().dispatch({ to: 'a', extra: 1 })
// @ts-expect-error two payloads
new SendEmailJob().dispatch({ to: 'a' }, { to: 'b' })

// a job without payload takes nothing
new NothingJob().dispatch()
// @ts-expect-error a payload that nobody takes
new NothingJob().dispatch({ a: 1 })

new MaybeJob().dispatch()
new MaybeJob().dispatch({ a: 1 })
// @ts-expect-error wrong type in an optional payload
new MaybeJob().dispatch({ a: 'x' })
new NumberJob().dispatch(5)
// @ts-expect-error handle takes one payload
new TwoJob().dispatch('a', 'b')

// dispatchNow resolves to what handle returned
const sent: Promise<{ sent: boolean }> = new SendEmailJob().dispatchNow({ to: 'a' })
const number: Promise<number> = new NumberJob().dispatchNow(5)
// @ts-expect-error wrong type
new SendEmailJob().dispatchNow({ to: 1 })

// dispatchMany takes a list of payloads
new SendEmailJob().dispatchMany([{ to: 'a' }, { to: 'b' }])
// @ts-expect-error wrong type in the list
new SendEmailJob().dispatchMany([{ to: 'a' }, { to: 2 }])
new NothingJob().dispatchMany([undefined, undefined])

// how long the ended jobs of a class are kept
class KeptJob extends Job {
  override keep = keep({ completed: '30d', failed: 90_000, cancelled: false, log: false })
  override keepResult = '10m'
  handle() {}
}
new KeptJob().dispatch()
// @ts-expect-error an unknown state
keep({ done: '30d' })
// @ts-expect-error no number of jobs
keep({ completed: { count: 5 } })

// the crashes after which the jobs of a class fail
class TransferJob extends Job {
  override maxCrashes = 1
  handle() {}
}
new TransferJob().dispatch()
class WrongTransferJob extends Job {
  // @ts-expect-error a number of crashes
  override maxCrashes = '1'
  handle() {}
}
new WrongTransferJob()
defineJob({ key: 'transfer', maxCrashes: 1 })
// @ts-expect-error of the class, not of one job
new TransferJob().with().withTries(1).maxCrashes(1)

// hooks are told of jobs
const hooked: Hooks = {
  started: ({ waited, payload, tries }) => [waited.toFixed(), payload, tries?.toFixed()],
  completed: ({ result, took }) => [result, took.toFixed()],
  failed: ({ last, retryIn }) => (last ? undefined : retryIn),
  cancelled: ({ reason }) => (reason === 'expired' ? 1 : 2),
  crashed: ({ cause, last, crashes }) => [cause.length, last, crashes.toFixed()],
}
const misheard: Hooks = {
  // @ts-expect-error nobody knows for how long it has waited
  crashed: ({ waited }) => waited,
  // @ts-expect-error only what has completed has a result
  failed: ({ result }) => result,
}

// a filter must have a condition
declare const jobs: typeof Jobs
jobs.remove({ key: 'send-email', state: 'failed' }, { dryRun: true })
jobs.purge(['Vbu1WuDE6eYIV'])
// @ts-expect-error an empty filter
jobs.purge({})
// @ts-expect-error a running job is not removed
jobs.remove({ state: 'active' })
jobs.cancel('Vbu1WuDE6eYIV')
jobs.cancel(['Vbu1WuDE6eYIV'])
jobs.cancel({ key: 'send-email', state: 'delayed' })
jobs.cancel({ all: true })
// @ts-expect-error an empty filter
jobs.cancel({})
// @ts-expect-error an unknown condition
jobs.cancel({ id: 'Vbu1WuDE6eYIV' })
// @ts-expect-error an unknown condition beside a known one
jobs.cancel({ key: 'send-email', id: 'Vbu1WuDE6eYIV' })
// @ts-expect-error a condition without a value
jobs.cancel({ queue: undefined })
// @ts-expect-error all, and a condition
jobs.cancel({ all: true, queue: 'emails' })
// @ts-expect-error all that is not true
jobs.cancel({ all: false })
jobs.pause({ queue: 'emails', group: 'acme', for: '5m' })
jobs.pause({ all: true })
// @ts-expect-error no queue
jobs.pause({ group: 'acme' })
// @ts-expect-error a queue without a value
jobs.pause({ queue: undefined })
// @ts-expect-error all, and a group
jobs.pause({ all: true, group: 'acme' })
jobs.resume({ all: true })
// @ts-expect-error no queue
jobs.resume({})
jobs.cancel({
  queue: ['emails', 'slow'],
  state: ['waiting', 'delayed'],
  tag: 'vip',
  where: { 'card.type': 'visa' },
})
jobs.remove({ group: 7 }, { dryRun: true })
jobs.runNow({ since: '1h' })
// @ts-expect-error a state that the call is not for
jobs.runNow({ tag: 'vip', state: 'failed' })
// @ts-expect-error a condition without a value
jobs.cancel({ tag: 'vip', group: undefined })
jobs.retry({ key: 'send-email', since: new Date(0) }, { dryRun: true })
jobs.retry(['Vbu1WuDE6eYIV'], { queue: 'emails' })
jobs.retry({ all: true })
// @ts-expect-error an empty filter
jobs.retry({})
// @ts-expect-error a job that has not ended
jobs.retry({ state: 'waiting' })
jobs.cancel('Vbu1WuDE6eYIV', { because: 'sold out', ifNotBegun: true })
jobs.remove({ tag: 'vip' }, { ifNotBegun: true })
// @ts-expect-error a purge has no such option
jobs.purge({ tag: 'vip' }, { ifNotBegun: true })
jobs.prioritize({ tag: 'vip' }, 10)
// @ts-expect-error no priority
jobs.prioritize({ tag: 'vip' })
// @ts-expect-error a running job has no place in a line
jobs.prioritize({ state: 'active' }, 10)
jobs.edit<SendEmailJob>('Vbu1WuDE6eYIV', { to: 'ada@example.com' })
// @ts-expect-error not the payload of the class
jobs.edit<SendEmailJob>('Vbu1WuDE6eYIV', { to: 7 })
jobs.tag({ state: 'active', key: 'send-email' }, ['vip'])
jobs.untag('Vbu1WuDE6eYIV', 'vip').then(({ untagged }) => untagged.toFixed())
async function handled(handle: JobHandle<SendEmailJob>) {
  const done: boolean[] = [
    await handle.cancel('sold out'),
    await handle.cancel({ because: 'sold out', ifNotBegun: true }),
    await handle.remove({ ifNotBegun: true }),
    await handle.prioritize(5),
    await handle.edit({ to: 'bob@example.com' }),
    await handle.tag('vip', 'shop'),
    await handle.untag('vip'),
  ]
  // @ts-expect-error not the payload of the class
  handle.edit({ to: 7 })
  // @ts-expect-error an unknown option
  handle.cancel({ reason: 'sold out' })
  return done
}
void handled
jobs.retry('failed')
jobs.retry('failed', 'emails')
// @ts-expect-error a queue without a value
jobs.retry('failed', undefined)
jobs.failed()

// a record has the payload and the result of the named class; without a class, these are unknown
jobs.find<SendEmailJob>('id').then((found) => {
  const to: string | undefined = found?.payload?.to
  const sent: boolean | undefined = found?.result?.sent
  const code: string | undefined = found?.errors[0]?.cause?.code
  // @ts-expect-error not in the payload
  found?.payload?.from
  return [to, sent, code]
})
jobs.find('id').then((found) => {
  // @ts-expect-error unknown
  found?.payload?.to
  // @ts-expect-error unknown
  found?.result?.sent
})
jobs.find<NothingJob>('id').then((found) => {
  const none: undefined = found?.result
  return none
})
jobs.list<SendEmailJob>({ queue: ['emails'], state: 'failed', group: 7, since: '1h' }, { order: 'oldest' })
jobs.list<SendEmailJob>({ where: { to: 'ada', 'card.type': 1 } }, { limit: 5, cursor: '' }).then((page) => {
  const to: string | undefined = page.jobs[0]?.payload?.to
  const cursor: string | undefined = page.cursor
  const state: State | undefined = page.position?.state
  // @ts-expect-error not in the payload
  page.jobs[0]?.payload?.from
  return [to, cursor, state, page.scanned]
})
jobs.list({ tag: 'vip' })
class TaggedJob extends SendEmailJob {
  override tags = tags((payload: { to: string }) => ['billing', payload.to])
}
new TaggedJob().with({ to: 'ada', copies: 1 } as never).tagged('vip', 'late')
// @ts-expect-error tags are texts
new TaggedJob().with({ to: 'ada' } as never).tagged(7)
// @ts-expect-error a function that returns no list
tags((payload: { to: string }) => payload.to)
jobs.list()
// @ts-expect-error no such state
jobs.list({ state: 'done' })
// @ts-expect-error a condition without a value
jobs.list({ queue: undefined })
// @ts-expect-error no such order
jobs.list({}, { order: 'latest' })
jobs.failed<NumberJob>().then(([failed]) => {
  const given: number | undefined = failed?.payload
  const gave: number | undefined = failed?.result
  return [given, gave]
})
// @ts-expect-error an unknown condition
jobs.failed({ key: 'send-email' })

// options are plain fields that one job may change
const job = new SendEmailJob()
job.tries = 7
const plain = new NothingJob()
plain.delay = '1m'
plain.delay = 60_000
plain.backoff = ['1s', 5_000]
plain.backoff = exponential({ from: '1s' })
// @ts-expect-error not a number
plain.priority = 'high'

// retries
class RetryingJob extends Job {
  override retryUntil = '2h'
  override backoff = backoff((attempt, error) => (error.status === 429 ? '5m' : attempt * 1_000))
  handle(payload: { to: string }): string {
    if (payload.to === '') this.fail('nobody')
    if (payload.to === 'later') return this.release('5m')
    return payload.to
  }
  override retryIf(error: Error) {
    return error.message !== 'no'
  }
  override async failed(error: unknown, payload: { to: string }) {
    this.warn(`${payload.to}: ${error}`)
  }
}
new RetryingJob().dispatch({ to: 'a' })
class PlainFunctionJob extends Job {
  override backoff = (attempt: number, error: TypeError) => attempt * error.message.length
  handle() {
    throw new NonRetryableError('who?', { cause: 7 })
  }
}
new PlainFunctionJob().dispatch()
backoff(async (attempt, _error, payload: { vip: boolean }) => (payload.vip ? '5s' : attempt * 1_000))
// @ts-expect-error no duration
backoff(() => true)
class WrongJob extends Job {
  // @ts-expect-error a duration
  override retryUntil = true
  handle() {}
  // @ts-expect-error true or false
  override retryIf() {
    return 'yes'
  }
}
new WrongJob()
plain.retryUntil = undefined
// @ts-expect-error a duration
const never = () => new RetryingJob().release(true)

// a job that is a function has the types of its payload and result
const importFile = defineJob<{ file: string }, { rows: number }>({ key: 'import-file', tries: 5 })
importFile.handle(async ({ file }, job) => {
  job.info(file)
  // @ts-expect-error not in the payload
  job.info(job.payload)
  return { rows: job.attempt }
})
// @ts-expect-error no rows
importFile.handle(async () => ({ lines: 5 }))
void (async () => {
  const handle = await importFile.with({ file: 'a' }).delayed('5m').dispatch()
  const rows: number | undefined = (await handle.find())?.result?.rows
  const { rows: now } = await importFile.dispatchNow({ file: 'a' })
  return [rows, now.toFixed()]
})
// @ts-expect-error wrong type
importFile.dispatch({ file: 1 })
// @ts-expect-error missing payload
importFile.dispatch()
// biome-ignore lint/suspicious/noExplicitAny: a job of JavaScript
const untyped = defineJob<any>({ key: 'untyped' }).handle((payload) => payload.anything)
untyped.dispatch({ a: 1 })
untyped.dispatch()
untyped.with(5)
// @ts-expect-error one payload
untyped.dispatch(1, 2)
const tidy = defineJob({ key: 'tidy' })
tidy.dispatch()
// @ts-expect-error a payload that nobody takes
tidy.dispatch({ a: 1 })
// @ts-expect-error no key
defineJob({ tries: 5 })
// @ts-expect-error no such option
defineJob({ key: 'a', trys: 5 })
void (() => createJobs().work({ jobs: [importFile, tidy] }))
createJobs().dispatchByKey('import-file', { file: 'a' }, { delay: '5m', id: 'a', reuse: 'ended' })
createJobs().dispatchByKey(
  'import-file',
  { file: 'a' },
  { delay: undefined, id: undefined, reuse: undefined },
)
// @ts-expect-error no such option
createJobs().dispatchByKey('import-file', { file: 'a' }, { delayed: '5m' })

// with a schema, a dispatch takes its input, and handle receives its output
const importSchema = z.object({ file: z.string(), limit: z.number().default(10), at: z.coerce.date() })
class CheckedJob extends Job {
  static override readonly schema = importSchema
  static override readonly version = 2
  static override readonly upcasters = { 1: (file: string) => ({ file }) }
  static override readonly redact = ['file']
  handle({ limit, at }: Parsed<typeof CheckedJob.schema>) {
    return limit.toFixed() + at.getTime()
  }
}
new CheckedJob().dispatch({ file: 'a', at: '2026-11-26' })
CheckedJob.with({ file: 'a', limit: 5, at: 0 })
new CheckedJob().dispatchMany([{ file: 'a', at: 1 }])
// @ts-expect-error no file
new CheckedJob().dispatch({ limit: 5, at: 1 })
// @ts-expect-error wrong type
CheckedJob.with({ file: 'a', limit: '5', at: 1 })
class LenientJob extends Job {
  static override readonly schema = lenient<{ at: Date; tags: Date[]; skip(): void }>()
  handle({ at, tags, ...rest }: Parsed<typeof LenientJob.schema>) {
    // @ts-expect-error functions are left out
    rest.skip()
    return at.slice(0, 4) + tags[0]?.slice(0, 4)
  }
}
new LenientJob().dispatch({ at: new Date(), tags: [], skip: () => {} })
// @ts-expect-error a date
new LenientJob().dispatch({ at: 'today', tags: [], skip: () => {} })
class ListsJob extends Job {
  static override readonly schema = lenient<{
    dates: Date[]
    texts: readonly string[]
    rows: { x: Date }[]
    pair: [Date, number]
    gaps: (Date | undefined)[]
  }>()
  handle({ dates, texts, rows, pair, gaps }: Parsed<typeof ListsJob.schema>) {
    const [at, n] = pair
    // @ts-expect-error a text
    dates.map((date) => date.getTime())
    // @ts-expect-error two elements
    void pair[2]
    // @ts-expect-error JSON makes null of undefined
    gaps.map((gap) => gap.slice(0, 4))
    const all: string[] = [
      ...dates,
      ...texts,
      ...rows.map(({ x }) => x.slice(0, 4)),
      at.slice(0, 4),
      n.toFixed(),
    ]
    return [all, gaps.map((gap: string | null) => gap?.slice(0, 4))]
  }
}
new ListsJob().dispatch({
  dates: [new Date()],
  texts: ['a'],
  rows: [{ x: new Date() }],
  pair: [new Date(), 1],
  gaps: [],
})
// @ts-expect-error a pair
new ListsJob().dispatch({ dates: [], texts: [], rows: [], pair: [new Date()], gaps: [] })

// if a schema accepts null or undefined, handle gets a type with null or undefined
const person = z.object({ name: z.string(), age: z.number().default(0) })
class NullableJob extends Job {
  static override readonly schema = person.nullable()
  handle(payload: Parsed<typeof NullableJob.schema>) {
    // @ts-expect-error it may be null
    payload.age
    return payload?.age.toFixed()
  }
}
new NullableJob().dispatch(null)
new NullableJob().dispatch({ name: 'Ada' })
// @ts-expect-error no name
new NullableJob().dispatch({})
// @ts-expect-error null only
new NullableJob().dispatch(undefined)
class OptionalJob extends Job {
  static override readonly schema = person.optional()
  handle(payload: Parsed<typeof OptionalJob.schema>) {
    // @ts-expect-error it may be undefined
    payload.age
    return payload?.age.toFixed()
  }
}
new OptionalJob().dispatch(undefined)
new OptionalJob().dispatch({ name: 'Ada' })
// @ts-expect-error undefined only
new OptionalJob().dispatch(null)
const optional = defineJob({ key: 'optional', schema: person.optional() }).handle((payload) => payload?.age)
optional.dispatch()
optional.dispatch({ name: 'Ada' })
// @ts-expect-error no name
optional.dispatch({})
// null and undefined that only the input may have
class FilledJob extends Job {
  static override readonly schema = person.nullish().transform((given) => given ?? { name: '', age: 0 })
  handle(payload: Parsed<typeof FilledJob.schema>) {
    return payload.age.toFixed()
  }
}
new FilledJob().dispatch(null)
new FilledJob().dispatch(undefined)
// @ts-expect-error wrong type
new FilledJob().dispatch('Ada')
class EitherJob extends Job {
  static override readonly schema = z.union([z.literal('all'), z.coerce.number()]).nullable()
  handle(payload: Parsed<typeof EitherJob.schema>) {
    return payload === 'all' || payload === null ? payload : payload.toFixed()
  }
}
new EitherJob().dispatch('all')
new EitherJob().dispatch(null)
// @ts-expect-error not a schema
class WrongSchemaJob extends Job {
  static override readonly schema = { parse: (value: unknown) => value }
  handle() {}
}
// @ts-expect-error a number
class WrongVersionJob extends Job {
  static override readonly version = '2'
  handle() {}
}
// @ts-expect-error a list
class WrongRedactJob extends Job {
  static override readonly redact = 'card'
  handle() {}
}
void [WrongSchemaJob, WrongVersionJob, WrongRedactJob]
const checked = defineJob({ key: 'checked', schema: importSchema }).handle(({ limit }) => limit.toFixed())
checked.dispatch({ file: 'a', at: 1 })
// @ts-expect-error no file
checked.dispatch({ at: 1 })

// a constructor may have parameters, which make passes
class MailingJob extends Job {
  readonly #mailer: { send(to: string): boolean }
  constructor(mailer: { send(to: string): boolean }) {
    super()
    this.#mailer = mailer
  }
  handle(payload: { to: string }) {
    return this.#mailer.send(payload.to)
  }
}
const make: Make = (Class, { id, payload }) => new Class({ send: () => id === payload })
defineConfig({ jobs: { make, boot: async () => () => {} } })
void (() =>
  createJobs({ jobs: [MailingJob], make: async (Class) => ({ job: new Class(), dispose: () => {} }) }))
void (() => createJobs().work({ jobs: [MailingJob, SendEmailJob], make }))
// @ts-expect-error not a job
createJobs({ make: () => ({ send: () => true }) })
// @ts-expect-error a function
createJobs({ boot: 'nest' })
MailingJob.with({ to: 'a' })
// @ts-expect-error wrong type
MailingJob.with({ to: 1 })
// @ts-expect-error no mailer
new MailingJob()

// middleware has the payload type that it declares
const inward: Middleware<{ to: string }> = async (job, next) => {
  job.payload.to.trim()
  // @ts-expect-error not in that payload
  job.payload.from
  // @ts-expect-error set by nobody
  job.attempt = 2
  return (await next()) as unknown
}
class WrappedJob extends Job {
  override middleware() {
    return [inward, timing({ slow: '5s' }), skipWhen(({ to }: { to: string }, job) => to === job.id)]
  }
  handle(_payload: { to: string }) {}
}
new WrappedJob().dispatch({ to: 'a' })
class SharingJob extends Job {
  override middleware() {
    return [
      circuitBreaker({ failures: 3, per: '1m', pause: 500, when: (error) => error instanceof TypeError }),
      rateLimited('stripe', { weight: 2 }),
      withoutOverlapping(({ to }: { to: string }) => to, { releaseAfter: '5s', shared: 'mail' }),
      withoutOverlapping({ releaseAfter: 50 }),
    ]
  }
  handle(_payload: { to: string }) {}
}
new SharingJob().dispatch({ to: 'a' })
// @ts-expect-error a text or a number
withoutOverlapping(({ to }: { to: Date }) => to)
// @ts-expect-error a name comes first
rateLimited({ weight: 2 })
// @ts-expect-error true or false
circuitBreaker({ when: () => 'no' })
defineConfig({ jobs: { limiters: { stripe: { concurrency: 5, rate: { limit: 100, per: '1s' } } } } })
// @ts-expect-error no such setting
defineConfig({ jobs: { limiters: { stripe: { max: 5 } } } })
// @ts-expect-error true or false
skipWhen(() => 'no')
// @ts-expect-error a duration
timing({ slow: true })
defineConfig({ jobs: { middleware: [inward, timing({})] } })
// @ts-expect-error a list
defineConfig({ jobs: { middleware: inward } })
const wrapped: Promise<void> = createJobs().dispatchNow(new WrappedJob(), { to: 'a' })

// hooks have the types of their events
defineConfig({
  jobs: {
    hooks: {
      started: ({ id, attempt }) => `${id} ${attempt.toFixed()}`,
      failed: async ({ error, retryIn, took }) => [error, retryIn?.toFixed(), took.toFixed()],
      released: (event) => event.in.toFixed(),
      // @ts-expect-error a job that succeeded has none
      completed: ({ error }) => error,
    },
  },
})
// @ts-expect-error no such hook
defineConfig({ jobs: { hooks: { finished: () => {} } } })

// withContext returns the result of its function
const inside: Promise<boolean> = withContext({ requestId: 'r1' }, () => new NothingJob().dispatch())
const requestId: string | undefined = context<{ requestId: string }>()?.requestId
// @ts-expect-error an object
withContext('r1', () => 1)
// @ts-expect-error not to be changed
const change = (known: NonNullable<ReturnType<typeof context>>) => (known.a = 1)

// Jobs and createJobs are of one type, with the same inference
const other: typeof Jobs = createJobs({ connection: 'sqlite::memory:', queues: ['default'] })
other.dispatch(new SendEmailJob(), { to: 'a' })
// @ts-expect-error wrong type
other.dispatch(new SendEmailJob(), { to: 1 })
other.dispatch(new NothingJob())

// the configuration knows its keys
defineConfig({ jobs: { queues: ['default', 'emails'], connection: 'redis://localhost' } })
defineConfig({ jobs: { connection: process.env.REDIS_URL } })
defineConfig({ jobs: { connection: { url: process.env.REDIS_URL, tls: { ca: 'PEM' }, managed: true } } })
defineConfig({ jobs: { connection: { cluster: ['h:1'], natMap: { '10.0.0.1:6379': 'localhost:7001' } } } })
defineConfig({ jobs: { connection: { credentials: () => ({ password: 'pw', expiresIn: '15m' }) } } })
defineConfig({
  jobs: { connection: { credentials: async () => ({ password: 'pw', expiresAt: new Date() }) } },
})
// @ts-expect-error no password
defineConfig({ jobs: { connection: { credentials: () => ({ username: 'app' }) } } })
// @ts-expect-error no family of addresses
defineConfig({ jobs: { connection: { family: 5 } } })
// @ts-expect-error unknown key
defineConfig({ jobs: { queue: ['default'] } })
// @ts-expect-error wrong type
defineConfig({ jobs: { queues: 'default' } })
defineConfig({ jobs: { preset: 'spread' } })
// @ts-expect-error not one of the three
defineConfig({ jobs: { preset: 'fast' } })

// a worker takes one of the three presets
void (() => other.work({ preset: 'throughput' }))
// @ts-expect-error not one of the three
void (() => other.work({ preset: 'fast' }))

// the hooks for the end of a job
class UploadJob extends Job {
  override expiresIn = '10m'
  handle(_payload: { file: string }) {}
  override cancelled(
    payload: { file: string },
    reason: 'user' | 'expired' | 'replaced' | 'dropped',
    because?: string,
  ) {
    because?.trim()
    this.info(`${payload.file} ${reason}`)
  }
}
new UploadJob().dispatch({ file: 'a' })
const upload = new UploadJob()
upload.expiresIn = '1h'
// @ts-expect-error no duration
new NothingJob().expiresIn = true

// a unique job is named by a text or a number
class SyncJob extends Job {
  override unique = unique((payload: { user: number }) => payload.user, { until: 'start', replace: true })
  handle(_payload: { user: number }) {}
}
const rejection: Rejection | undefined = new SyncJob().rejection
new SyncJob().dispatch({ user: 1 })
unique()
unique({ throttle: '1h' })
unique((payload: string) => payload, { debounce: '1s', maxWait: 5_000 })
// @ts-expect-error no name
unique((payload: { user: boolean }) => payload.user)
// @ts-expect-error not one of the two
unique({ until: 'end' })
// @ts-expect-error unknown option
unique({ until: 'done', key: 'x' })

// a draft has the payload of its class, and its handle the types of its class
class CopyJob extends Job {
  readonly disk: { path: string }
  constructor(disk: { path: string }) {
    super()
    this.disk = disk
  }
  handle(_payload: { file: string }): string {
    return this.disk.path
  }
}
const draft: Draft<SendEmailJob> = new SendEmailJob().with({ to: 'a' })
const fromClass: Draft<CopyJob> = CopyJob.with({ file: 'a' })
new NothingJob().with()
draft.withId('invoice-77').withId('invoice-77', { reuse: 'ended' })
// @ts-expect-error not one of the words
draft.withId('invoice-77', { reuse: 'always' })
// @ts-expect-error no text
draft.withId(77)
NothingJob.with().delayed('5m').prioritized(5).withBackoff([1, '5s']).withBackoff(exponential())
// @ts-expect-error missing payload
new SendEmailJob().with()
// @ts-expect-error missing payload
SendEmailJob.with()
// @ts-expect-error wrong type
SendEmailJob.with({ to: 1 })
// @ts-expect-error extra field in an object literal
CopyJob.with({ file: 'a', extra: 1 })
// @ts-expect-error a payload that nobody takes
NothingJob.with({ a: 1 })
// @ts-expect-error no class of jobs that can be made
Job.with()
// @ts-expect-error a function cannot be stored with one job
draft.withBackoff(() => 5)
// @ts-expect-error a draft never changes
draft.queue = 'emails'
// @ts-expect-error an await would call it
draft.then
// @ts-expect-error no draft
jobs.dispatch([new SendEmailJob()])
const told = async () => {
  const handle: JobHandle<SendEmailJob> = await draft.onQueue('slow').dispatch()
  const sent: boolean | undefined = (await handle.status())?.result?.sent
  const to: string | undefined = (await handle.find())?.payload?.to
  // @ts-expect-error a status has no payload
  ;(await handle.status())?.payload
  // @ts-expect-error not in the result
  ;(await handle.find())?.result?.read
  const [first, second] = await jobs.dispatch([draft, fromClass])
  const copied: string | undefined = (await second.find())?.result
  // @ts-expect-error there are two
  const third = (await jobs.dispatch([draft, fromClass]))[2]
  const many: JobHandle<NumberJob>[] = await jobs.dispatch([1, 2].map((n) => new NumberJob().with(n)))
  const one: JobHandle<CopyJob> = await other.dispatch(fromClass)
  const elsewhere: JobHandle<CopyJob> = jobs.handle(CopyJob, 'id')
  jobs.handle(SendEmailJob, 'id', { queue: 'slow' })
  const awaited: boolean = (await handle.result({ timeout: '5m', signal: new AbortController().signal })).sent
  const text: string = await second.result()
  const nothing: undefined = await jobs.handle(NothingJob, 'id').result()
  const none: undefined = await jobs.handle(MaybeJob, 'id').result()
  // @ts-expect-error not in the result
  ;(await handle.result()).read
  // @ts-expect-error no option
  handle.result({ within: 5 })
  // @ts-expect-error no duration
  handle.result({ timeout: null })
  const progress: unknown = await handle.progress()
  handle.result({ onProgress: (each: unknown) => each })
  new MaybeJob().progress(1, 2, 'note')
  new MaybeJob().progress({ rows: 7 })
  // @ts-expect-error a note is a text
  new MaybeJob().progress(1, 2, 3)
  // @ts-expect-error no class
  jobs.handle(new SendEmailJob(), 'id')
  // @ts-expect-error no option
  jobs.handle(SendEmailJob, 'id', { partition: 'emails/1' })
  return [sent, to, first, awaited, progress, text, nothing, none, copied, third, many, one, elsewhere]
}

// an error of the queue is distinguished from other errors, and by its code
const met = (error: unknown) => {
  // @ts-expect-error anything
  error.code
  if (JobsError.is(error, 'DISPATCH_UNCERTAIN')) {
    const code: 'DISPATCH_UNCERTAIN' = error.code
    return `${code} ${error.id}`
  }
  // @ts-expect-error no such code
  JobsError.is(error, 'DISPATCH_UNSURE')
  if (JobsError.is(error)) {
    const hint: string | undefined = error.hint
    // @ts-expect-error no such code
    return error.code === 'DISPATCH_UNSURE' ? hint : undefined
  }
  // @ts-expect-error still anything
  return error.code
}

// operate() has the operations of Jobs, with the same inference, and those for commands and dashboards
const operating = operate(other, { names: { key: '--job' } })
operating.find<SendEmailJob>('id').then((found) => found?.payload?.to.trim())
operating.cancel({ key: 'send-email' }, { dryRun: true })
operating.runs({ worker: 'ada' }, { limit: 5 }).then(({ runs }) => runs[0]?.since.toFixed())
operating.groups({ queue: 'shops', state: 'full' }).then(({ groups }) => groups[0]?.group?.trim())
operating.limiters().then(([first]) => first?.holders[0]?.permits.toFixed())
operating.circuits().then(([first]) => first?.state === 'half-open')
// @ts-expect-error the groups of which queue
operating.groups({})
// @ts-expect-error no such state
operating.groups({ queue: 'shops', state: 'sleepy' })
draft.withOptions({ id: 'mine', reuse: 'ended', delay: '5m', priority: undefined }).dispatch()
// @ts-expect-error no option
draft.withOptions({ dealy: '5m' })
// @ts-expect-error an empty filter
operating.cancel({})
// @ts-expect-error everything must be said
operating.erase()
// Events narrow by their kind; a gap has no job.
async function hear(jobs: Jobs) {
  for await (const event of jobs.events({ queues: ['emails'], kinds: ['completed'], since: undefined })) {
    if (event.kind === 'gap') event.queue.trim()
    else event.id.trim()
    // @ts-expect-error a gap has no id
    event.id
    event.cursor.trim()
  }
  const events: QueueEvents = await operating.events().ready()
  const { cursor }: { cursor: string | undefined } = events
  // @ts-expect-error no such kind
  jobs.events({ kinds: ['finished'] })
  // @ts-expect-error the plural
  jobs.events({ queue: 'emails' })
  return cursor
}
// @ts-expect-error no such part of an instance
other.open()
// @ts-expect-error not an instance
operate({ connection: 'redis://localhost' })

export {
  change,
  hear,
  hooked,
  inside,
  met,
  misheard,
  never,
  number,
  queued,
  rejection,
  requestId,
  sent,
  told,
  wrapped,
}

// schedules of classes
class CronJob extends Job {
  override schedule = cron('0 8 * * 1-5', {
    timezone: 'Europe/Paris',
    missed: 'once',
    overlap: 'skip',
    from: new Date(),
  })
  handle() {
    const at: Date | undefined = this.scheduledFor
    return at
  }
}
class TwiceJob extends Job {
  override schedule: ClassSchedule<{ shop: string }> = [
    { name: 'a', when: every('15m'), payload: { shop: 'a' } },
    { name: 'b', when: daily('08:00'), payload: { shop: 'b' } },
  ]
  handle(_payload: { shop: string }) {}
}
class PlainlyTwiceJob extends Job {
  override schedule = [{ name: 'a', when: every('15m'), payload: { shop: 'a' } }]
  handle(_payload: { shop: string }) {}
}
class TextJob extends Job {
  // @ts-expect-error an expression without cron()
  override schedule = '0 8 * * 1-5'
  handle() {}
}
class UnnamedJob extends Job {
  // @ts-expect-error in a list each has a name
  override schedule = [{ when: every('15m') }]
  handle() {}
}
const schedules: ClassSchedule<{ shop: string }>[] = [
  { when: every('15m'), payload: { shop: 'a' } },
  // @ts-expect-error no payload
  every('15m'),
  // @ts-expect-error no payload
  { when: every('15m') },
  // @ts-expect-error a wrong payload
  { when: every('15m'), payload: { shop: 1 } },
  // @ts-expect-error a wrong payload in a list
  [{ name: 'a', when: every('15m'), payload: { store: 'a' } }],
]
const voids: ClassSchedule<void>[] = [
  every('15m'),
  { when: every('15m') },
  // @ts-expect-error a payload that nobody takes
  { when: every('15m'), payload: 1 },
]
// @ts-expect-error every() has no time zone
every('1d', { timezone: 'Europe/Paris' })
// @ts-expect-error an unknown policy
cron('0 8 * * *', { missed: 'twice' })
const when: Recurrence = daily('08:00')
// @ts-expect-error it is made by its functions only
const made: Recurrence = { timing: when.timing }

// a defined job knows its payload
defineJob({ key: 'a', schedule: every('1h') })
defineJob<{ days: number }>({ key: 'a', schedule: { when: every('1h'), payload: { days: 1 } } })
defineJob<{ days: number }>({ key: 'a', schedule: [{ name: 'x', when: every('1h'), payload: { days: 1 } }] })
defineJob({ key: 'a', schema: z.object({ days: z.number() }), schedule: { when, payload: { days: 1 } } })
// @ts-expect-error no payload
defineJob<{ days: number }>({ key: 'a', schedule: every('1h') })
// @ts-expect-error a wrong payload
defineJob<{ days: number }>({ key: 'a', schedule: { when: every('1h'), payload: { days: '1' } } })
export const scheduled = [CronJob, TwiceJob, PlainlyTwiceJob, TextJob, UnnamedJob, schedules, voids, made]

// schedules at run time
async function setSchedules(jobs: Jobs) {
  const { next, runs, paused } = await jobs.schedules.set(
    'a',
    SendEmailJob.with({ to: 'a' }),
    cron('0 8 * * *'),
  )
  const told: [number | undefined, ScheduleRun[], string | undefined] = [next, runs, paused?.because]
  // @ts-expect-error a job, not a draft
  await jobs.schedules.set('a', new SendEmailJob(), cron('0 8 * * *'))
  // @ts-expect-error an expression without cron()
  await jobs.schedules.set('a', NothingJob.with(), '0 8 * * *')
  const info: ScheduleInfo | undefined = await jobs.schedules.get('a', { following: 10 })
  const { queued, skipped }: { queued: number; skipped: number } = await jobs.schedules.resume('a', {
    missed: 'once',
  })
  // @ts-expect-error an unknown state
  await jobs.schedules.list({ state: 'away' })
  // @ts-expect-error tools set no schedules
  await operate(jobs).schedules.set('a', NothingJob.with(), cron('0 8 * * *'))
  return [told, info, queued, skipped]
}
export const settingAll = setSchedules

// commands as jobs
async function commands(jobs: Jobs) {
  const handle: JobHandle = await jobs.dispatchCommand('users:process', { limit: 100, dryRun: true })
  await jobs.dispatchCommand('users:process', ['--limit=100'] as const, { delay: '5m', tries: 1, id: 'a' })
  await jobs.dispatchCommand('users:process', undefined, { queueName: 'low' })
  // @ts-expect-error words are a list
  await jobs.dispatchCommand('users:process', '--limit=100')
  // @ts-expect-error a word that is a number
  await jobs.dispatchCommand('users:process', [100])
  // @ts-expect-error an unknown option
  await jobs.dispatchCommand('users:process', {}, { queue: 'low' })
  return handle
}
export const commanded = commands

// approvals
class ApprovedJob extends Job {
  async handle(_: { article: string }) {
    const send = ({ token, key, attempt }: ApprovalContext) => `${token satisfies string}${key}${attempt}`
    const answer = await this.approval('publish', { send, timeout: '7d', title: 'Publish it?', tries: 3 })
    const isApproved: boolean | undefined = answer?.value
    const by: string | undefined = (await this.approval<{ by: string }>(['by', 7], { send }))?.value.by
    // @ts-expect-error it is undefined when the time is over
    answer.value
    // @ts-expect-error somebody must get the token
    this.approval('none', { timeout: '7d' })
    // @ts-expect-error a title is a text
    this.approval('title', { send, title: 7 })
    return { isApproved, by }
  }
}
async function approve(jobs: Jobs, token: string) {
  const isAnswer: boolean = await jobs.redeem(token, { by: 'ada' })
  await jobs.redeem(token)
  const { state, title, until, job }: Approval = await jobs.approval(token)
  const page: (request: Request) => Promise<Response> = jobs.approvalPage({ choices: { Yes: 1 } })
  // @ts-expect-error no option
  jobs.approvalPage({ buttons: [] })
  return [isAnswer, state satisfies 'open' | 'answered' | 'expired' | 'ended', title, until, job.key, page]
}
export const approving = [ApprovedJob, approve]
