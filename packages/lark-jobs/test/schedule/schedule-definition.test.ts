import { describe, expect, test } from 'vitest'
import { readDraft } from '../../src/api/draft.ts'
import { declaredBy, partitionOf, scheduleDefinition } from '../../src/dispatch/schedule-definition.ts'
import {
  type Draft,
  daily,
  defineJob,
  every,
  group,
  Job,
  limiter,
  type Recurrence,
  unique,
  withContext,
} from '../../src/index.ts'
import { classOf, type JobConstructor } from '../../src/options/job-class.ts'
import { hashOf } from '../../src/schedule/definition.ts'

class PlainJob extends Job {
  override readonly key = 'plain'
  handle(_payload?: { shop: string }) {}
}

const define = (draft: Draft, when: Recurrence = every('1m'), id = 'of-7') =>
  scheduleDefinition(id, readDraft(draft), when, { timezone: 'Europe/Paris' })
const declared = (Class: unknown) => declaredBy(classOf(Class as JobConstructor), 'UTC')

test('the definition has the settings of the draft, without an id and a context', () => {
  const draft = PlainJob.with({ shop: 'a' }).onQueue('slow').prioritized(5).withTries(1).tagged('x')
  const definition = withContext({ requestId: 'r1' }, () => define(draft, daily('08:00', { missed: 'once' })))
  expect(definition).toEqual({
    timing: { kind: 'cron', expression: '0 8 * * *', timezone: 'Europe/Paris' },
    ...{ missed: 'once', grace: 60_000, overlap: 'allow', jitter: 0, pauseAfterFailures: 0, limit: 0 },
    queue: 'slow',
    job: { key: 'plain', payload: '{"shop":"a"}', priority: 5, options: { tries: 1, tags: ['x'] } },
  })
})

test('the same draft and recurrence always make the same definition', () => {
  const make = () => hashOf(define(PlainJob.with({ shop: 'a' }), daily('08:00')))
  expect(make()).toBe(make())
  expect(make()).not.toBe(hashOf(define(PlainJob.with({ shop: 'b' }), daily('08:00'))))
})

test('a draft with an id is refused', () => {
  expect(() => define(PlainJob.with().withId('mine'))).toThrow(
    expect.objectContaining({
      code: 'SCHEDULE_INVALID',
      message: 'PlainJob: the draft of schedule of-7 has an id',
    }),
  )
})

describe('jobs that run one after the other', () => {
  test.each(['queue', 'cancel'] as const)(
    'with overlap %s, the jobs of a schedule form a strict group of their own',
    (overlap) => {
      const { job } = define(PlainJob.with(), every('1m', { overlap }))
      expect(job.group).toEqual({ name: '=:of-7', limits: { concurrency: 1 }, strict: true })
    },
  )

  class GroupedJob extends PlainJob {
    override group = group((payload?: { shop: string }) => payload?.shop ?? 'none')
  }
  class LastJob extends PlainJob {
    override unique = unique({ keepLast: true })
  }
  class WeighedJob extends PlainJob {
    override limiter = limiter('stripe', { weight: () => 2 })
  }
  test.each<[typeof PlainJob, string]>([
    [GroupedJob, 'GroupedJob has a group'],
    [LastJob, 'LastJob has keepLast'],
    [WeighedJob, 'limiter.weight of WeighedJob is a function'],
  ])('they cannot be of %s', (Class, message) => {
    expect(() => define(Class.with(), every('1m', { overlap: 'queue' }))).toThrow(
      expect.objectContaining({ code: 'SCHEDULE_INVALID', message: expect.stringContaining(message) }),
    )
    expect(define(Class.with(), every('1m', { overlap: 'skip' })).overlap).toBe('skip')
  })

  test('a schedule lives in the partition of its jobs, which depends on their group or on the id of the schedule', () => {
    const count = new Map([['default', 8]])
    const places = (Class: typeof PlainJob, shop?: string) =>
      new Set(
        Array.from({ length: 40 }, (_, i) =>
          partitionOf(`id-${i}`, define(shop === undefined ? Class.with() : Class.with({ shop })), count),
        ),
      )
    expect(places(PlainJob).size).toBe(8)
    expect(places(GroupedJob, 'a').size).toBe(1)
    expect(partitionOf('id-1', define(PlainJob.with()), new Map())).toBe('default')
  })
})

describe('what a class declares', () => {
  test('a single schedule has the key of the class as its id, and the schedules of a list have their own names', () => {
    class OneJob extends Job {
      override readonly key = 'one'
      override schedule = every('1m')
      handle() {}
    }
    class ManyJob extends Job {
      override readonly key = 'many'
      override queueName = 'slow'
      override schedule = [
        { name: 'a', when: every('1m'), payload: { shop: 'a' } },
        { name: 'b', when: daily('08:00'), payload: { shop: 'b' } },
      ]
      handle(_payload: { shop: string }) {}
    }
    expect(declared(PlainJob)).toEqual([])
    expect(declared(OneJob)).toMatchObject([
      { id: 'one', definition: { ofClass: 'one', job: { key: 'one' } } },
    ])
    expect(declared(ManyJob)).toMatchObject([
      { id: 'many/a', definition: { queue: 'slow', job: { payload: '{"shop":"a"}' } } },
      { id: 'many/b', definition: { timing: { timezone: 'UTC' }, job: { payload: '{"shop":"b"}' } } },
    ])
  })

  test('a defined job can declare a schedule, too', () => {
    const job = defineJob<{ days: number }>({
      key: 'clean-up',
      schedule: { when: every('1h'), payload: { days: 30 } },
    })
    expect(declared(job)).toMatchObject([{ id: 'clean-up', definition: { job: { payload: '{"days":30}' } } }])
    expect(declared(defineJob({ key: 'plain-function', schedule: every('1h') }))).toHaveLength(1)
  })

  const when = every('1m')
  test.each<[unknown, string, string]>([
    ['* * * * *', 'odd', "schedule is '* * * * *'; it must be cron(), every() or daily()"],
    [{ when: 'x' }, 'odd', "schedule.when is 'x'; it must be cron(), every() or daily()"],
    [{ when, name: 'a' }, 'odd', "schedule.name is 'a'; it must be absent"],
    [[{ when }], 'odd', 'schedule.0.name is undefined; it must be a text without white space and colons'],
    [[{ name: 'a b', when }], 'odd', "schedule.0.name is 'a b'"],
    [[when], 'odd', "schedule.0 has no name; it must be an object such as { name: 'morning'"],
    [{ when, payloads: 1 }, 'odd', 'schedule.payloads is not an option'],
    [
      [
        { name: 'a', when, payload: 1 },
        { name: 'a', when, payload: 2 },
      ],
      'odd',
      "schedule.1.name is 'a'; it must be a name that no earlier schedule has",
    ],
    [when, 'odd:key', 'schedule: its id would be odd:key; it must be a text of 1 to 75 characters'],
    [when, 'odd', 'schedule has no payload, and handle() takes one'],
    [[{ name: 'a', when }], 'odd', 'schedule has no payload, and handle() takes one'],
  ])('%o is refused', (schedule, key, message) => {
    class OddJob extends Job {
      override readonly key = key
      override schedule = schedule as never
      handle(_payload: unknown) {}
    }
    expect(() => classOf(OddJob as never)).toThrow(
      expect.objectContaining({
        code: 'JOB_INVALID',
        message: expect.stringContaining(`OddJob: ${message}`),
      }),
    )
  })

  test('the error for a wrong cron() names the class and keeps the code', () => {
    class OddJob extends Job {
      override schedule = daily('25:00')
      handle() {}
    }
    expect(() => classOf(OddJob)).toThrow(
      expect.objectContaining({
        code: 'SCHEDULE_INVALID',
        message: "OddJob: daily(): the time is '25:00'; it must be a time such as '08:00' or '17:30:15'",
      }),
    )
  })

  test('a payload with the value undefined counts as no payload', () => {
    class MaybeJob extends Job {
      override readonly key = 'maybe'
      override schedule = { when, payload: undefined }
      handle(_payload?: { shop: string }) {}
    }
    expect(declared(MaybeJob)).toHaveLength(1)
  })
})
