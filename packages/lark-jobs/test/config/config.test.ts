import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { type JobsConfig, resolveSettings } from '../../src/config/config.ts'
import { serviceOf } from '../../src/config/queues.ts'

const settings = (jobs: JobsConfig, env: Record<string, string | undefined> = {}) =>
  resolveSettings({ config: { jobs }, file: '/app/lark.config.js', folder: '/app' }, env)

describe('queues', () => {
  test.each([
    'a b',
    'a,b',
    'a/b',
    'a{b',
    'a}b',
    '',
    'a\tb',
    'a\0b',
    'a\u007fb',
    'a\ud800b',
    '\udc00',
    'a\u200bb',
  ])('a name like %j is refused', (name) => {
    for (const queues of [['default', name], { default: {}, [name]: {} }]) {
      expect(() => settings({ queues })).toThrow(
        expect.objectContaining({
          code: 'CONFIG_INVALID',
          message: expect.stringContaining('jobs.queues is '),
        }),
      )
    }
  })

  test.each(['emails', 'high-priority', 'Größe', '見積り', '🐦', 'a.b:c'])(
    'a name like %j is accepted',
    (name) => {
      expect(settings({ queues: [name] }).queues).toEqual([name])
    },
  )

  test('a name that is given twice is one queue', () => {
    expect(settings({ queues: ['emails', 'low', 'emails'] }).queues).toEqual(['emails', 'low'])
  })
})

test.each<[unknown, string]>([
  ['log', "'log'"],
  [() => {}, 'a function'],
  [[1], '[ 1 ]'],
])('middleware %o is refused', (middleware, got) => {
  expect(() => settings({ middleware: middleware as [] })).toThrow(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      message: `/app/lark.config.js: jobs.middleware is ${got}; it must be a list of functions`,
    }),
  )
})

test.each<[unknown, string]>([
  ['log', "jobs.hooks is 'log'; it must be an object of functions"],
  [{ failed: 'mail' }, "jobs.hooks.failed is 'mail'; it must be a function"],
  [{ fialed: () => {} }, 'jobs.hooks.fialed is not an option'],
])('hooks %o are refused', (hooks, message) => {
  expect(() => settings({ hooks: hooks as object })).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: `/app/lark.config.js: ${message}` }),
  )
  expect(settings({ hooks: {} }).hooks).toBeUndefined()
})

describe('the preset', () => {
  test('is `balanced` unless the configuration names another preset', () => {
    expect(settings({}).preset).toBe('balanced')
    expect(settings({ preset: 'spread' }).preset).toBe('spread')
  })

  test.each(['fast', '', 'toString', 5, null])('%j is refused', (preset) => {
    expect(() => settings({ preset: preset as 'spread' })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: `/app/lark.config.js: jobs.preset is ${inspect(preset)}; it must be 'balanced', 'throughput' or 'spread'`,
      }),
    )
  })
})

describe('the retention of ended jobs', () => {
  const day = 86_400_000

  test('the settings of the queue count first, then the settings for all queues, and then the defaults of Lark', () => {
    const { retention, retentions } = settings({
      keep: { completed: { count: 50 }, failed: '7d' },
      queues: { default: {}, emails: { keep: { failed: { count: 9, age: '1d' }, cancelled: false } } },
    })
    const completed = { count: 50, age: 36_525 * day }
    expect(retention).toEqual({
      completed,
      failed: { count: Number.MAX_SAFE_INTEGER, age: 7 * day },
      cancelled: { count: 1_000, age: day },
    })
    expect(retentions).toEqual({
      emails: { completed, failed: { count: 9, age: day }, cancelled: { count: 0, age: 0 } },
    })
    expect(settings({})).not.toHaveProperty('retentions')
  })

  test.each<[unknown, string]>([
    ['7d', " is '7d'; it must be an object such as { completed: '7d', failed: { count: 50_000 } }"],
    [{ complete: '7d' }, '.complete is not an option'],
    [{ failed: 500 }, ".failed is 500; it must be false, an age such as '7d', or { count, age }"],
    [{ failed: '7 days' }, ".failed is '7 days'; it must be false, an age such as '7d', or { count, age }"],
    [{ failed: '0s' }, ".failed is '0s'; it must be"],
    [{ failed: true }, '.failed is true; it must be'],
    [{ failed: {} }, '.failed is {}; it must be an object with count, age, or both'],
    [{ failed: { count: -1 } }, '.failed.count is -1; it must be a whole number from 0'],
    [{ failed: { aeg: '1d' } }, '.failed.aeg is not an option'],
  ])('%j is refused', (keep, message) => {
    for (const [path, jobs] of [
      ['jobs.keep', { keep }],
      ['jobs.queues.emails.keep', { queues: { emails: { keep } } }],
    ] as const)
      expect(() => settings(jobs as JobsConfig)).toThrow(
        expect.objectContaining({
          code: 'CONFIG_INVALID',
          message: expect.stringContaining(`/app/lark.config.js: ${path}${message}`),
        }),
      )
  })
})

describe('the options of a queue', () => {
  test('a queue has one partition, unless the configuration sets another number', () => {
    const { queues, partitions } = settings({ queues: { default: {}, emails: { partitions: 3 } } })
    expect(queues).toEqual(['default', 'emails'])
    expect([...partitions]).toEqual([
      ['default', 1],
      ['emails', 3],
    ])
    expect([...settings({ queues: ['low', 'default', 'low'] }).partitions]).toEqual([
      ['low', 1],
      ['default', 1],
    ])
    expect([...settings({}).partitions]).toEqual([['default', 1]])
  })

  test.each([0, -1, 1.5, 101, Number.NaN, '3', null])('%j partitions are refused', (partitions) => {
    expect(() => settings({ queues: { emails: { partitions: partitions as number } } })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: `/app/lark.config.js: jobs.queues.emails.partitions is ${inspect(partitions)}; it must be a whole number from 1 to 100`,
      }),
    )
  })

  test.each<[object, string]>([
    [{ concurrency: -1 }, 'concurrency is -1; it must be a whole number from 1'],
    [{ max: -1 }, 'max is -1; it must be a whole number from 1'],
    [{ max: 2, partitions: 3 }, 'max is 2; it must be at least 3'],
    [{ max: 5, full: 'drop' }, "full is 'drop'; it must be 'reject' or 'drop-oldest'"],
    [{ full: 'reject' }, "full is 'reject'; it must be absent, because max is not set"],
    [{ rate: { limit: -1 } }, 'rate.limit is -1; it must be a whole number from 1'],
    [{ rate: { limt: 1 } }, 'rate.limt is not an option'],
    [{ rate: null }, "rate is null; it must be an object such as { limit: 100, per: '1m' }"],
    [{ rate: { limit: 2 }, partitions: 3 }, 'rate.limit is 2; it must be at least 3'],
  ])('%j is refused', (queue, message) => {
    expect(() => settings({ queues: { emails: queue } })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining(`/app/lark.config.js: jobs.queues.emails.${message}`),
      }),
    )
  })

  test.each([0, -1, 1.5, 101, Number.NaN, '6', null])('a weight of %j is refused', (weight) => {
    expect(() => settings({ queues: { emails: { weight: weight as number } } })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: `/app/lark.config.js: jobs.queues.emails.weight is ${inspect(weight)}; it must be a whole number from 1 to 100`,
      }),
    )
  })

  test('a queue without a weight has the weight 1', () => {
    const { weights } = settings({ queues: { critical: { weight: 6 }, default: {}, low: { weight: 1 } } })
    expect([...weights]).toEqual([
      ['critical', 6],
      ['default', 1],
      ['low', 1],
    ])
  })

  test('aging is a duration, which is converted to milliseconds', () => {
    const { agings } = settings({ queues: { critical: { aging: '1m' }, default: {}, low: { aging: 5 } } })
    expect([...agings]).toEqual([
      ['critical', 60_000],
      ['low', 5],
    ])
    const queues = { emails: { aging: 0 } }
    expect(() => settings({ queues })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('jobs.queues.emails.aging is 0; it must be milliseconds'),
      }),
    )
  })

  test('the description of a worker says in which order it serves its queues', () => {
    const queues = { critical: { weight: 6 }, default: { weight: 3 }, low: {} }
    const { words } = serviceOf(settings({ queues }))
    expect(words).toBe('critical (6), default (3), low (1) in turns by weight')
    expect(serviceOf(settings({ queues }), ['low', 'critical'])).toEqual({
      queues: ['low', 'critical'],
      strict: true,
      words: 'low, critical strictly in this order',
    })
    const equal = { critical: { weight: 3 }, default: { weight: 3 } }
    expect(serviceOf(settings({ queues: equal })).words).toBe('critical, default in fair turns')
  })

  test.each<[string, string]>([
    ['partition', 'Did you mean partitions?'],
    ['constructor', 'Options: partitions, weight, aging, concurrency, rate, target, max, full, keep'],
  ])('%s is not one', (option, hint) => {
    const queues = { emails: { [option]: 3 } } as NonNullable<JobsConfig['queues']>
    expect(() => settings({ queues })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: `/app/lark.config.js: jobs.queues.emails.${option} is not an option`,
        hint,
      }),
    )
  })
})

describe('the store', () => {
  const embedded = 'sqlite:/app/.lark/jobs.db'

  test.each<[JobsConfig, Record<string, string | undefined>, string]>([
    [{}, {}, embedded],
    [{ connection: '' }, {}, embedded],
    [{ connection: '' }, { REDIS_URL: '' }, embedded],
    [{ connection: '' }, { REDIS_URL: 'redis://r' }, 'redis://r'],
    [{ connection: undefined }, { LARK_JOBS_URL: '', REDIS_URL: 'redis://r' }, 'redis://r'],
    [{}, { LARK_JOBS_URL: 'sqlite:l.db', REDIS_URL: 'redis://r' }, 'sqlite:/app/l.db'],
    [{ connection: 'redis://c' }, { LARK_JOBS_URL: 'redis://l' }, 'redis://c'],
    [{ connection: 'sqlite:/var/jobs.db' }, {}, 'sqlite:/var/jobs.db'],
    [{ connection: 'sqlite::memory:' }, {}, 'sqlite::memory:'],
  ])('%o with %o is %s', (jobs, env, connection) => {
    expect(settings(jobs, env).connection).toBe(connection)
  })

  test('in production, the configuration must name a store, and an empty text does not count as a name', () => {
    expect(() => settings({ connection: '' }, { NODE_ENV: 'production', REDIS_URL: '' })).toThrow(
      expect.objectContaining({ code: 'STORE_NOT_CONFIGURED' }),
    )
  })
})

describe('schedules', () => {
  test.each<[JobsConfig['schedules'], string | undefined, object]>([
    [undefined, undefined, { timezone: 'UTC', enabled: true }],
    [undefined, 'production', { timezone: 'UTC', enabled: true }],
    [undefined, 'development', { timezone: 'UTC', enabled: false }],
    [{ enabled: true }, 'development', { timezone: 'UTC', enabled: true }],
    [{ timezone: 'Europe/Paris', enabled: false }, undefined, { timezone: 'Europe/Paris', enabled: false }],
  ])('%o with NODE_ENV %s', (schedules, NODE_ENV, expected) => {
    // In production a store must be named.
    expect(
      settings({ connection: 'sqlite::memory:', ...(schedules && { schedules }) }, { NODE_ENV }).schedules,
    ).toEqual(expected)
  })

  test('the error for a wrong time zone names its path in the configuration', () => {
    expect(() => settings({ schedules: { timezone: 'Paris' } })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining(
          "jobs.schedules.timezone is 'Paris'; it must be the name of a time zone",
        ),
      }),
    )
  })
})
