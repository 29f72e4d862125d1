/**
 * The table lists everything that BullMQ's own types declare, and the classes of `@s18i/lark-bullmq` follow
 * the table.
 */
import { EventEmitter } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import * as bullmq from 'bullmq'
import { afterAll, describe, expect, test } from 'vitest'
import {
  type ComparedTopic,
  type Comparison,
  compared,
  comparisonOf,
  verdicts,
} from '../src/compared/compared.ts'
import { BullmqError } from '../src/errors.ts'
import * as shim from '../src/index.ts'
import { larkPriority, MOST } from '../src/job/priority.ts'

const types = join(dirname(createRequire(import.meta.url).resolve('bullmq')), '../esm')
const declared = (file: string) =>
  readFileSync(join(types, `${file}.d.ts`), 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '')

/** Returns the names between the braces of an interface or a class, at its own level. */
function members(file: string, kind: RegExp): string[] {
  const text = declared(file)
  const start = kind.exec(text)
  if (start === null) throw new Error(`${file} has no ${kind}`)
  const body = text.slice(start.index + start[0].length)
  const lines = body.slice(0, body.search(/^}/m)).split('\n')
  return lines.flatMap((line) => /^ {4}'?([\w:-]+)'?\??[(<:]/.exec(line)?.[1] ?? [])
}

const names = (topic: ComparedTopic) => Object.keys(compared[topic])

test.each<[ComparedTopic, string, RegExp, string[]]>([
  ['options of Queue', 'interfaces/queue-options', /interface QueueOptions<[^{]*{/, []],
  ['options of Queue', 'interfaces/queue-options', /interface QueueBaseOptions<[^{]*{/, []],
  ['options of QueueEvents', 'interfaces/queue-options', /interface QueueEventsOptions<[^{]*{/, []],
  ['options of FlowProducer', 'interfaces/queue-options', /interface QueueBaseOptions<[^{]*{/, []],
  ['options of Worker', 'interfaces/worker-options', /interface WorkerOptions<[^{]*{/, []],
  ['options of Worker', 'interfaces/sandboxed-options', /interface SandboxedOptions {/, []],
  ['options of a job', 'interfaces/base-job-options', /interface DefaultJobOptions {/, []],
  [
    'options of a job',
    'interfaces/base-job-options',
    /interface BaseJobOptions [^{]*{/,
    ['repeatJobKey', 'prevMillis'],
  ],
  ['options of a job', 'types/job-options', /type CompressableJobOptions = {/, []],
  ['options of backoff', 'interfaces/backoff-options', /interface BackoffOptions {/, []],
  ['options of deduplication', 'types/deduplication-options', /} & {/, []],
  ['options of limiter', 'interfaces/rate-limiter-options', /interface RateLimiterOptions {/, []],
  ['options of settings', 'interfaces/advanced-options', /interface AdvancedOptions [^{]*{/, []],
  ['options of settings', 'interfaces/advanced-options', /interface AdvancedRepeatOptions {/, []],
  ['options of a job scheduler', 'interfaces/repeat-options', /interface RepeatOptions {/, []],
  ['methods of Queue', 'classes/queue-getters', /class QueueGetters<[^{]*{/, []],
  ['events of Queue', 'classes/queue', /interface QueueListener<[^{]*{/, []],
  ['events of Worker', 'classes/worker', /interface WorkerListener<[^{]*{/, []],
  ['events of QueueEvents', 'classes/queue-events', /interface QueueEventsListener<[^{]*{/, []],
])('%s: all that %s declares', (topic, file, kind, internal) => {
  const all = members(file, kind)
  expect(all.length).toBeGreaterThan(0)
  expect(all.filter((name) => !names(topic).includes(name) && !internal.includes(name))).toEqual([])
})

/** Lists each class of BullMQ and of the shim, how to make an object of it, and the tables with its names. */
const walked: readonly (readonly [
  name: string,
  theirs: { prototype: object },
  ours: { prototype: object },
  make: () => object,
  topics: ComparedTopic[],
  files: string[],
])[] = [
  [
    ...(['Queue', bullmq.Queue, shim.Queue, () => queue()] as const),
    ['methods of Queue', 'properties of Queue'],
    ['queue', 'queue-getters', 'queue-base'],
  ],
  [
    ...(['Worker', bullmq.Worker, shim.Worker, () => idle()] as const),
    ['methods of Worker', 'properties of Worker', 'static methods of Worker'],
    ['worker', 'queue-base'],
  ],
  [
    ...(['Job', bullmq.Job, shim.Job, () => job()] as const),
    ['methods of Job', 'properties of Job', 'static methods of Job'],
    ['job'],
  ],
  [
    ...(['QueueEvents', bullmq.QueueEvents, shim.QueueEvents, () => listener()] as const),
    ['methods of QueueEvents', 'properties of QueueEvents'],
    ['queue-events', 'queue-base'],
  ],
  [
    ...(['FlowProducer', bullmq.FlowProducer, shim.FlowProducer, () => producer()] as const),
    ['methods of FlowProducer', 'properties of FlowProducer'],
    ['flow-producer'],
  ],
  [
    ...([
      'QueueEventsProducer',
      bullmq.QueueEventsProducer,
      shim.QueueEventsProducer,
      () => eventsProducer(),
    ] as const),
    ['methods of QueueEventsProducer', 'properties of QueueEvents'],
    ['queue-events-producer', 'queue-base'],
  ],
  [
    ...(['JobScheduler', bullmq.JobScheduler, shim.JobScheduler, () => scheduler()] as const),
    ['methods of JobScheduler', 'properties of JobScheduler'],
    ['job-scheduler', 'queue-base'],
  ],
]

/**
 * Returns the names that the types of a class declare, divided into those visible to applications and the
 * hidden ones.
 */
function membersOf(file: string): { open: string[]; hidden: string[] } {
  const text = declared(`classes/${file}`)
  const body = text.slice(text.search(/class \w+</))
  const all = [
    ...body.matchAll(/^ {4}((?:(?:private|protected|static|readonly|get|set|abstract) )*)(\w+)\??[(<:;]/gm),
  ]
  const isHidden = ([, words = '']: RegExpExecArray) => /private|protected/.test(words)
  const namesIn = (some: RegExpExecArray[]) =>
    some.map(([, , name]) => name!).filter((name) => name !== 'constructor')
  return {
    open: namesIn(all.filter((each) => !isHidden(each))),
    hidden: namesIn(all.filter(isHidden)),
  }
}

/** Returns all names on a prototype, below that of `EventEmitter`. */
function prototypeNames(prototype: object): string[] {
  const names: string[] = []
  for (
    let at = prototype;
    at !== EventEmitter.prototype && at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  )
    names.push(...Object.getOwnPropertyNames(at))
  return names
}

describe.each(walked)('each public member of %s', (_, theirs, ours, make, topics, files) => {
  const members = files.map(membersOf)
  const hidden = members.flatMap((each) => each.hidden)
  const inherited = ['constructor', ...Object.getOwnPropertyNames(EventEmitter.prototype)]
  const all = [...members.flatMap((each) => each.open), ...prototypeNames(theirs.prototype)]
  const open = [...new Set(all)].filter((name) => !hidden.includes(name) && !inherited.includes(name))

  test('is in the table of the class', () => {
    expect(open.length).toBeGreaterThan(5)
    expect(open.filter((name) => topics.every((topic) => !names(topic).includes(name)))).toEqual([])
  })

  test('is on the object, or throws an error with a page of the manual', async () => {
    const object = make() as Record<string, unknown>
    // These fields have no value at first, such as `finishedOn`.
    const declaredOnly = ['finishedOn', 'processedOn', 'parent', 'parentKey', 'deduplicationId']
    declaredOnly.push('repeatJobKey', 'token', 'processedBy', 'deferredFailure', 'failedReason')
    for (const name of open) {
      const [topic, [verdict]] = topics
        .map((each) => [each, comparisonOf(each, name)] as const)
        .find(([, found]) => found !== undefined) as readonly [ComparedTopic, Comparison]
      const holder = topic.startsWith('static') ? (ours as unknown as Record<string, unknown>) : object
      if (verdict !== 'missing') {
        if (!declaredOnly.includes(name)) expect(name in holder, name).toBe(true)
        continue
      }
      const refusal = await Promise.resolve()
        .then(() => (topic.startsWith('properties') ? holder[name] : (holder[name] as () => unknown)()))
        .catch((error: unknown) => error)
      expect(refusal, name).toMatchObject({
        code: 'BULLMQ_UNSUPPORTED',
        hint: expect.stringContaining('/docs/'),
      })
    }
  })
})

/** The names of a topic that are accepted. */
type Accepted<T extends ComparedTopic> = {
  [N in keyof (typeof compared)[T]]: (typeof compared)[T][N] extends readonly ['missing', ...unknown[]]
    ? never
    : N
}[keyof (typeof compared)[T]]
/** The names that do not compile in an object of options. */
type Uncompiled<T extends ComparedTopic, Options> = Exclude<Accepted<T>, keyof Options>

type AllUncompiled =
  | Uncompiled<'options of Queue', shim.QueueOptions>
  | Uncompiled<'options of Worker', shim.WorkerOptions>
  | Uncompiled<'options of QueueEvents', shim.QueueEventsOptions>
  | Uncompiled<'options of FlowProducer', shim.FlowProducerOptions>
  | Uncompiled<'options of a job', shim.JobsOptions>
  | Uncompiled<'options of backoff', shim.BackoffOptions>
  | Uncompiled<'options of deduplication', shim.DeduplicationOptions>
  | Uncompiled<'options of limiter', shim.RateLimiterOptions>
  | Uncompiled<'options of settings', shim.AdvancedOptions>
  | Uncompiled<'options of a job scheduler', shim.RepeatOptions>

test('each option that the table accepts compiles', () => {
  // If a name is missing in a type, the type of this constant is that name, and the compiler fails.
  const all: [AllUncompiled] extends [never] ? 'compiles' : AllUncompiled = 'compiles'
  expect(all).toBe('compiles')
})

test('each type that the table accepts is exported', () => {
  const index = readFileSync(join(import.meta.dirname, '../src/index.ts'), 'utf8')
  for (const name of names('types'))
    if (comparisonOf('types', name)![0] !== 'missing')
      expect(index, name).toMatch(new RegExp(`(?<![.\\w])${name}\\b,?(?! as)`))
})

test('every page that the table names exists and has the heading', () => {
  const docs = join(import.meta.dirname, '../../../docs')
  const pages = new Set(
    Object.values(compared).flatMap((topic) => Object.values(topic).map((row) => String(row[2]))),
  )
  for (const page of pages) {
    const [file, anchor] = page.split('#') as [string, string?]
    expect(existsSync(join(docs, file)), page).toBe(true)
    const headings = [...readFileSync(join(docs, file), 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, text]) =>
      text!
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .replaceAll(/\s/g, '-'),
    )
    if (anchor !== undefined) expect(headings, page).toContain(anchor)
  }
})

/** The manual has no table for these topics. */
const untold: ComparedTopic[] = ['types', 'Nest', 'bull-board']

test.each(
  Object.keys(compared).filter((topic) => !untold.includes(topic as ComparedTopic)) as ComparedTopic[],
)('the manual has a table of the %s', (topic) => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/bullmq-names.md'), 'utf8')
  const rows = Object.entries(compared[topic] as Record<string, Comparison>).map(
    ([name, [verdict, inLark, page]]) =>
      `| \`${name}\` | ${verdicts[verdict]} | ${page === undefined ? inLark : `[${inLark}](./${page})`} |`,
  )
  expect(page).toContain(
    ['| BullMQ | the shim | in Lark |', '| ------ | -------- | ------- |', ...rows, ''].join('\n'),
  )
})

const open: { close(): Promise<void> }[] = []
afterAll(() => Promise.all(open.map((each) => each.close())))
const connection = 'sqlite::memory:'

/** The function that takes the options of each topic. */
const takers: Partial<Record<ComparedTopic, (options: object) => unknown>> = {
  'options of Queue': (options) => new shim.Queue('refused', { connection, ...options }),
  'options of Worker': (options) => new shim.Worker('refused', null, { connection, ...options }),
  'options of QueueEvents': (options) => new shim.QueueEvents('refused', { connection, ...options }),
  'options of FlowProducer': (options) => new shim.FlowProducer({ connection, ...options }),
  'options of limiter': (limiter) =>
    new shim.Worker('refused', null, { connection, limiter: limiter as never }),
  'options of settings': (settings) => new shim.Worker('refused', null, { connection, settings }),
  'options of a job': (options) => queue().add('x', {}, options),
  'options of backoff': (backoff) => queue().add('x', {}, { backoff: { type: 'fixed', ...backoff } }),
  'options of deduplication': (more) => queue().add('x', {}, { deduplication: { id: 'x', ...more } }),
  'options of a job scheduler': (repeat) => queue().upsertJobScheduler('x', repeat),
}

function queue(): shim.Queue {
  const made = new shim.Queue('refused', { connection })
  open.push(made)
  return made
}

describe.each(Object.keys(takers) as ComparedTopic[])('%s', (topic) => {
  const missing = names(topic).filter((name) => comparisonOf(topic, name)![0] === 'missing')

  test.each([...missing, 'notAnOption'])('%s is refused at once', async (name) => {
    const act = async () => await takers[topic]!({ [name]: name === 'notAnOption' ? 1 : true })
    const error = (await act().catch((error) => error)) as BullmqError
    expect(BullmqError.is(error, 'BULLMQ_UNSUPPORTED'), `${name}: ${error}`).toBe(true)
    expect(error.message).toContain(`the option ${name}`)
    expect(error.hint).toMatch(/https:\/\/github\.com\/s18i\/lark\/blob\/main\/docs\/[\w-]+\.md/)
  })
})

test.each([
  ['methods of Queue', () => queue()],
  ['methods of Worker', () => idle()],
  ['methods of QueueEvents', () => listener()],
  ['methods of FlowProducer', () => producer()],
  ['methods of JobScheduler', () => scheduler()],
  ['methods of QueueEventsProducer', () => eventsProducer()],
  ['methods of Job', () => job()],
] as const)(
  '%s that Lark does not have reject, or throw if they return no promise in BullMQ',
  async (topic, make) => {
    const object = make() as unknown as Record<string, (() => unknown) | undefined>
    const refusal = expect.objectContaining({ code: 'BULLMQ_UNSUPPORTED' })
    for (const name of names(topic)) {
      expect(typeof object[name], name).toBe('function')
      if (comparisonOf(topic, name)![0] !== 'missing') continue
      if (['asJSONSandbox', 'discard', 'getBackend', 'toFlowEntry'].includes(name))
        expect(() => object[name]!(), name).toThrow(refusal)
      else await expect(object[name]!(), name).rejects.toEqual(refusal)
    }
  },
)

test.each([
  ['properties of Queue', () => queue()],
  ['properties of Worker', () => idle()],
  ['properties of Job', () => job()],
  ['properties of QueueEvents', () => listener()],
  ['properties of FlowProducer', () => producer()],
  ['properties of JobScheduler', () => scheduler()],
] as const)('%s that Lark does not have throw when they are read', (topic, make) => {
  const object = make() as unknown as Record<string, unknown>
  for (const name of names(topic).filter((each) => comparisonOf(topic, each)![0] === 'missing'))
    expect(() => object[name], name).toThrow(expect.objectContaining({ code: 'BULLMQ_UNSUPPORTED' }))
})

const facts = { id: '7', name: 'x', data: {}, opts: {}, timestamp: 0 }

function job(): shim.Job {
  const store = { nameOf: (queue: string) => queue }
  return new shim.Job({ store, queue: 'refused' } as never, facts)
}

function eventsProducer(): shim.QueueEventsProducer {
  const made = new shim.QueueEventsProducer('refused', { connection })
  open.push(made)
  return made
}

function scheduler(): shim.JobScheduler {
  const made = new shim.JobScheduler('refused', { connection })
  open.push(made)
  return made
}

function idle(): shim.Worker {
  const made = new shim.Worker('refused', null, { connection })
  open.push(made)
  return made
}

function producer(): shim.FlowProducer {
  const made = new shim.FlowProducer({ connection })
  open.push(made)
  return made
}

function listener(): shim.QueueEvents {
  const made = new shim.QueueEvents('refused', { connection })
  open.push(made)
  return made
}

test.each([
  ['events of Queue', () => queue()],
  ['events of Worker', () => idle()],
  ['events of FlowProducer', () => producer()],
  ['events of QueueEvents', () => listener()],
] as const)('%s that BullMQ does not have are refused', (topic, make) => {
  const object = make()
  for (const name of [...names(topic), 'compelted']) {
    const listen = () => (object as shim.Queue).on(name as never, (() => {}) as never)
    // `QueueEvents` takes the events of an application.
    const unknown = topic === 'events of QueueEvents' ? 'same' : 'missing'
    const isThere = (comparisonOf(topic, name)?.[0] ?? unknown) !== 'missing'
    if (isThere) expect(listen, name).not.toThrow()
    else expect(listen, name).toThrow(expect.objectContaining({ code: 'BULLMQ_UNSUPPORTED' }))
  }
})

test('each class and error that the table of compared names does not mark as missing is exported', () => {
  for (const name of names('exports')) {
    if (comparisonOf('exports', name)![0] !== 'missing') {
      expect(shim, name).toHaveProperty(name)
      expect(bullmq, name).toHaveProperty(name)
    }
  }
})

test('wrong values are refused with the same messages as in BullMQ', async () => {
  const target = queue()
  const wrong: shim.JobsOptions[] = [
    { priority: 2 ** 21 },
    { priority: 1.5 },
    { delay: -1 },
    { attempts: -1 },
    { backoff: { type: 'fixed', jitter: 2 } },
    { removeOnComplete: 'yes' as never },
    { deduplication: { id: '' } },
    { deduplication: { id: 'x'.repeat(5_000) } },
  ]
  for (const opts of wrong) {
    await expect(target.add('x', {}, opts), JSON.stringify(opts)).rejects.toMatchObject({
      code: 'JOB_INVALID',
    })
  }
  await expect(target.add('x', { text: 'long' }, { sizeLimit: 4 })).rejects.toMatchObject({
    code: 'PAYLOAD_TOO_LARGE',
  })
  await expect(
    target.addBulk([
      { name: 'x', data: {} },
      { name: '', data: {} },
    ]),
  ).rejects.toMatchObject({ code: 'JOB_INVALID' })
  expect(await target.count()).toBe(0)
  expect(() => new shim.Queue('a b', { connection })).toThrow(/not have the name of the queue 'a b'/)
  // The messages are those of BullMQ, which opens a connection before it throws them and leaves it open.
  const worker = (options: shim.WorkerOptions) => () => new shim.Worker('a', null, { connection, ...options })
  for (const concurrency of [0, -1, Number.NaN])
    expect(worker({ concurrency })).toThrow(/^concurrency must be a finite number greater than 0$/)
  expect(worker({ stalledInterval: 0 })).toThrow('stalledInterval must be greater than 0')
  expect(worker({ drainDelay: 0 })).toThrow('drainDelay must be greater than 0')
  expect(() => new shim.Worker('a', './processor.js', { connection })).toThrow(/or a file that exists/)
  expect(() => new shim.Queue('a', { connection: { host: 'x', keyPrefix: 'a' } })).toThrow(/keyPrefix/)
})

test('priorities of BullMQ keep their order in Lark, and use no more different priorities than a queue of Lark may have', () => {
  const all = [...Array.from({ length: 5_000 }, (_, i) => i), 10_000, 100_000, 1_000_000, MOST]
  const lark = all.map(larkPriority)
  expect(lark.slice(0, 102)).toEqual([...Array.from({ length: 101 }, (_, i) => (i === 0 ? 0 : -i)), -101])
  for (let i = 1; i < lark.length; i++) expect(lark[i]!).toBeLessThanOrEqual(lark[i - 1]!)
  expect(larkPriority(MOST)).toBe(-255)
  expect(larkPriority(10_000)).toBeGreaterThan(larkPriority(11_000))
})
