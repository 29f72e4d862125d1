/** The schedules that commands declare, and how a worker uses them. */
import { afterEach, expect, test, vi } from 'vitest'
import { scheduledCommands } from '../../src/api/schedules/scheduled-commands.ts'
import { schedulesOfWorker } from '../../src/api/schedules/worker-schedules.ts'
import { App } from '../processes/app.ts'

const settings = {
  schedules: { timezone: 'Europe/Paris', enabled: true },
  partitions: new Map([
    ['default', 1],
    ['low', 1],
  ]),
}

const command = (key: string, schedule: string) => `
  import { Command } from '@s18i/lark'
  import { cron, daily, every } from '@s18i/lark-jobs'
  export class It extends Command {
    key = '${key}'
    schedule = ${schedule}
    handle() {}
  }`

/** Returns the schedules that a worker finds in an application with these files. */
async function found(files: Record<string, string>, taken?: ReadonlySet<string>) {
  await using app = await App.make({ 'lark.config.js': 'export default {}', ...files })
  vi.stubEnv('LARK_CONFIG', `${app.folder}/lark.config.js`)
  return await scheduledCommands(settings, taken)
}

afterEach(() => void vi.unstubAllEnvs())

test('an application without files of commands has no schedules of commands', async () => {
  expect(await found({})).toEqual({ declared: [], remarks: [] })
})

test('a command may declare a recurrence, a recurrence with arguments and settings, or a list with names', async () => {
  const { declared, remarks } = await found({
    'commands/a.js': command('users:greet', "daily('08:00', { missed: 'once' })"),
    'src/commands/b.ts': command(
      'users:clean',
      "{ when: every('15m', { overlap: 'queue' }), args: { limit: 5 }, queueName: 'low', timeout: '2h', tries: 1 }",
    ),
    'commands/c.js': command(
      'report',
      "[{ name: 'week', when: cron('0 8 * * 1', { timezone: 'UTC' }), args: ['--days=7'] }, { name: 'day', when: daily('9:00') }]",
    ),
    'commands/d.js': command('none', 'undefined'),
  })
  expect(remarks).toEqual([])
  expect(declared.map(({ id }) => id)).toEqual(['report/week', 'report/day', 'users:clean', 'users:greet'])
  const [week, , clean, greet] = declared.map(({ definition }) => definition)
  expect(greet).toMatchObject({
    ...{ missed: 'once', ofClass: 'lark:command', queue: 'default' },
    timing: { kind: 'cron', expression: '0 8 * * *', timezone: 'Europe/Paris' },
    job: { key: 'lark:command', payload: '{"command":"users:greet"}' },
  })
  expect(clean).toMatchObject({
    ...{ timing: { kind: 'every', ms: 900_000 }, queue: 'low' },
    job: {
      payload: '{"command":"users:clean","args":{"limit":5}}',
      options: { timeout: 7_200_000, tries: 1 },
      group: { strict: true },
    },
  })
  expect(week).toMatchObject({
    timing: { timezone: 'UTC' },
    job: { payload: '{"command":"report","args":["--days=7"]}' },
  })
})

test('if schedules are turned off, a worker names the commands that do not run by themselves', async () => {
  await using app = await App.make({
    'lark.config.js': 'export default {}',
    'commands/a.js': command('users:greet', "daily('08:00')"),
    'commands/b.js': command('users:wrong', "'08:00'"),
  })
  vi.stubEnv('LARK_CONFIG', `${app.folder}/lark.config.js`)
  const off = { ...settings, schedules: { timezone: 'UTC', enabled: false } }
  expect(await schedulesOfWorker({ classes: [] } as never, off as never, true)).toEqual({
    remarks: [expect.stringContaining('The command users:wrong (commands/b.js) does not run by itself')],
    off: ['users:greet'],
  })
})

test('a wrong schedule causes a remark of one line, and the other schedules are declared', async () => {
  const wrong: [schedule: string, message: string][] = [
    ["{ at: '08:00' }", 'schedule.at is not an option'],
    ["'08:00'", "schedule is '08:00'; it must be cron(), every() or daily()"],
    ["{ when: '08:00' }", "schedule.when is '08:00'"],
    ["[{ when: daily('08:00') }]", 'schedule.0.name is undefined'],
    ["[daily('08:00')]", 'schedule.0 has no name; it must be an object such as'],
    [
      "[1, 2].map(() => ({ name: 'a', when: daily('08:00') }))",
      "schedule.1.name is 'a'; it must be a name that no earlier schedule has",
    ],
    ["{ name: 'a', when: daily('08:00') }", "schedule.name is 'a'; it must be absent"],
    ["{ when: daily('08:00'), timeout: 'long' }", "timeout is 'long'"],
    ["{ when: daily('08:00'), backoff: () => 5 }", "backoff is 'a function'"],
    ["{ when: daily('08:00'), queueName: 'high' }", 'its queue high is not one of the configured queues'],
    ["cron('0 0 30 2 *')", "the expression is '0 0 30 2 *'; it must be one that names some date"],
    ["{ when: daily('08:00'), args: 7 }", 'is 7; it must be an object'],
    [`[{ name: '${'x'.repeat(70)}', when: daily('08:00') }]`, 'it must have at most 75 characters'],
    ["{ when: daily('08:00') }", 'a job class declares a schedule with the id wrong:13 too'],
  ]
  const files = Object.fromEntries(
    wrong.map(([schedule], i) => [`commands/${i}.js`, command(`wrong:${i}`, schedule)]),
  )
  const { declared, remarks } = await found(
    {
      ...files,
      'commands/right.js': command('right', "every('1h')"),
      'commands/broken.js': command('broken', "daily('soon')"),
    },
    new Set(['wrong:13']),
  )
  expect(declared.map(({ id }) => id)).toEqual(['right'])
  const broken = remarks.shift()
  expect(broken).toMatch(/^daily\(\): the time is 'soon'.* \(commands\/broken\.js\)$/)
  for (const [i, [, message]] of wrong.entries()) {
    const place = `The command wrong:${i} (commands/${i}.js) does not run by itself: `
    const remark = remarks.find((each) => each.startsWith(place))
    expect(remark).toContain(message)
    expect(remark).not.toContain('\n')
  }
  expect(remarks).toHaveLength(wrong.length)
})
