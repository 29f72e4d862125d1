import { describe, expect, test } from 'vitest'
import { cron, daily, every, type Recurrence } from '../../src/index.ts'
import { isRecurrence } from '../../src/options/schedules/recurrence.ts'

test('cron(), every() and the other functions return a recurrence in which every policy has a value', () => {
  const policies = {
    missed: 'skip',
    grace: 60_000,
    overlap: 'allow',
    jitter: 0,
    pauseAfterFailures: 0,
    limit: 0,
  }
  expect(cron('0 8 * * mon-fri', { timezone: 'Europe/Paris' })).toMatchObject({
    timing: { kind: 'cron', expression: '0 8 * * MON-FRI', timezone: 'Europe/Paris' },
    ...policies,
  })
  expect(every('15m')).toMatchObject({ timing: { kind: 'every', ms: 900_000 }, ...policies })
  expect(daily('08:05').timing).toEqual({ kind: 'cron', expression: '5 8 * * *' })
  expect(daily('8:05').timing).toEqual({ kind: 'cron', expression: '5 8 * * *' })
  expect(daily('23:00:30').timing).toEqual({ kind: 'cron', expression: '30 0 23 * * *' })
  expect(cron('@daily').timing).toEqual({ kind: 'cron', expression: '0 0 * * *' })
})

test('options with durations are converted to milliseconds', () => {
  const read = every('1m', {
    missed: 'once',
    grace: '5m',
    overlap: 'queue',
    jitter: '10s',
    pauseAfterFailures: 5,
    from: new Date('2027-01-01T00:00:00Z'),
    until: '2027-02-01T01:00:00+01:00',
    limit: 7,
  })
  expect(read).toMatchObject({
    timing: { from: Date.UTC(2027, 0, 1), until: Date.UTC(2027, 1, 1) },
    missed: 'once',
    grace: 300_000,
    overlap: 'queue',
    jitter: 10_000,
    pauseAfterFailures: 5,
    limit: 7,
  })
})

test.each(['UTC', 'Asia/Kathmandu', 'Asia/Katmandu', 'US/Pacific', 'Etc/GMT+5', 'europe/paris'])(
  'the time zone %s is accepted',
  (timezone) => {
    expect(daily('08:00', { timezone }).timing).toMatchObject({ timezone })
  },
)

test('a recurrence is frozen, and every copy of the package recognises it', () => {
  const when = every('1m')
  expect(Object.isFrozen(when) && Object.isFrozen(when.timing)).toBe(true)
  expect(isRecurrence(when)).toBe(true)
  expect(isRecurrence({ ...when })).toBe(true)
  expect(isRecurrence(JSON.parse(JSON.stringify(when)))).toBe(false)
})

describe('a call with a wrong value throws', () => {
  test.each<[() => Recurrence, string]>([
    [() => cron('0 8 * *'), "cron(): the expression is '0 8 * *'; it must be five fields"],
    [() => cron('61 8 * * *'), "it must be right: its minute, '61', must be made of numbers from 0 to 59"],
    [() => cron(undefined as never), 'cron(): the expression is undefined; it must be a cron expression'],
    [
      () => cron('0 8 * * *', { timezone: '+01:00' }),
      "cron(): timezone is '+01:00'; it must be the name of a time",
    ],
    [() => cron('0 8 * * *', { timezone: 'Mars/Base' }), "cron(): timezone is 'Mars/Base'"],
    [() => cron('0 8 * * *', { zone: 'UTC' } as never), 'cron(): zone is not an option'],
    [
      () => cron('0 8 * * *', { missed: 'never' as never }),
      "cron(): missed is 'never'; it must be 'skip', 'once' or",
    ],
    [() => every('500ms'), "every(): the interval is '500ms'; it must be"],
    [() => every(1_000.5), 'every(): the interval is 1000.5; it must be'],
    [() => every('soon'), "every(): the interval is 'soon'; it must be"],
    [() => every('1m', { timezone: 'UTC' } as never), 'every(): timezone is not an option'],
    [
      () => every('1m', { from: '2027-01-01' }),
      "every(): from is '2027-01-01'; it must be a Date, or a text with a zone",
    ],
    [
      () => every('1m', { from: '2027-02-31T00:00:00Z' }),
      "every(): from is '2027-02-31T00:00:00Z'; it must be",
    ],
    [() => every('1m', { from: new Date(Number.NaN) }), 'every(): from is Invalid Date; it must be'],
    [
      () => every('1m', { from: '2027-01-02T00:00:00Z', until: '2027-01-01T00:00:00Z' }),
      "every(): until is '2027-01-01T00:00:00Z'; it must be after from",
    ],
    [() => every('1m', { limit: 0 }), 'every(): limit is 0; it must be a whole number from 1'],
    [() => daily('24:00'), "daily(): the time is '24:00'; it must be a time such as '08:00'"],
    [() => daily('8h'), "daily(): the time is '8h'"],
    [() => daily('08:00', null as never), 'daily(): the second argument is null; it must be an object'],
  ])('%o', (make, message) => {
    expect(make).toThrow(
      expect.objectContaining({ code: 'SCHEDULE_INVALID', message: expect.stringContaining(message) }),
    )
  })

  test('a misspelled time zone has a hint', () => {
    expect(() => daily('08:00', { timezone: 'Europe/Pari' })).toThrow(
      expect.objectContaining({ hint: 'Did you mean Europe/Paris?' }),
    )
  })
})
