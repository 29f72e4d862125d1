import { expect, test } from 'vitest'
import { greetingApp } from './greeting.ts'

const toRetry = 'Which jobs? Give their ids, or --all, --job, --state, --group, --tag, --since or --where'
const toCancel =
  'Which jobs? Give their ids, or --job, --queue, --state, --group, --tag, --since, --where or --all'
const toWhere = "--where is 'tenant'; it must be a path of the payload, =, and a JSON value"

/** Mistakes of users, and the messages. @param url undefined: the embedded store */
export function mistakes(url: () => string | undefined): void {
  test('a mistake causes one line, and exit code 2 or 1', async () => {
    await using app = await greetingApp(url())
    for (const [args, code, line] of [
      [['jobs:work', '--queue=emials'], 1, "✗ 'emials' is not a configured queue"],
      [['jobs:work', '--concurrency=0'], 2, '✗ --concurrency must be a whole number from 1, got "0"'],
      [['jobs:work', '--max-jobs=1.5'], 2, '✗ --max-jobs must be a whole number from 1, got "1.5"'],
      [
        ['jobs:work', '--preset=fast'],
        2,
        '✗ --preset must be one of balanced, throughput, spread, got "fast"',
      ],
      [['jobs:retry'], 2, `✗ ${toRetry}`],
      [['jobs:retry', '--queue=emails'], 2, `✗ ${toRetry}`],
      [['jobs:cancel'], 2, `✗ ${toCancel}`],
      [['jobs:cancel', '--where=tenant'], 2, `✗ ${toWhere}`],
      [['jobs:cancel', '--queue='], 2, "✗ --queue is ''; it must be the name of a queue, or a list of these"],
      [
        ['jobs:cancel', '--all', '--queue=emails'],
        2,
        '✗ --all must be the only condition, but --queue came with it',
      ],
      [
        ['jobs:retry', '--all', '--queue='],
        2,
        "✗ --queue is ''; it must be the name of a queue, or a list of these",
      ],
      [
        ['jobs:pause', 'default', '--group='],
        2,
        "✗ --group is ''; it must be the name of a group: a text that is not empty, or a number",
      ],
      [
        ['jobs:cancel', '--queue=emails'],
        2,
        '✗ Cancelling by a filter needs a confirmation, and there is no terminal to ask on',
      ],
      [['jobs:cancel', '--job=gret', '--yes'], 2, "✗ No job has the key 'gret', and no worker ever had it"],
      [['jobs:cancel', 'a', '--job=greet'], 2, '✗ Give ids or a filter, not both'],
      [['jobs:cancel', 'a', '--queue=emials'], 1, "✗ There is no queue 'emials'"],
      [['jobs:show', 'a', '--queue=emials'], 1, "✗ There is no queue 'emials'"],
      [['jobs:cancel', 'nonesuch'], 1, '✗ There is no job nonesuch'],
      [['jobs:retry', 'nonesuch'], 1, '✗ There is no job nonesuch'],
      [['jobs:retry', 'nonesuch', '--queue=emails'], 1, '✗ There is no job nonesuch'],
      [['jobs:retry', '--all', '--queue=emials'], 1, "✗ There is no queue 'emials'"],
      [['jobs:failed', '--queue='], 2, "✗ --queue is ''; it must be the name of a queue"],
      [
        ['jobs:pause', 'default', '--group=a', '--for=soon'],
        2,
        "✗ --for is 'soon'; it must be milliseconds, or a text like '30s', '5m', '2h' or '1d', above 0",
      ],
      [
        ['jobs:resume', 'default', '--group=a', `--group-hash=#${'a'.repeat(43)}`],
        2,
        '✗ --group and --group-hash each name a group; give one of them',
      ],
      [['jobs:status', '--jsno'], 2, '✗ Unknown flag --jsno'],
      [['jobs:failed', '--limit=0'], 2, '✗ --limit must be a whole number from 1, got "0"'],
      [['jobs:failed', '--queue=emials'], 1, "✗ There is no queue 'emials'"],
      [['jobs:show', 'nonesuch'], 1, '✗ There is no job nonesuch'],
      [['jobs:wrok'], 2, '✗ Unknown command "jobs:wrok"'],
    ] as const) {
      const { stderr, ...result } = await app.run(...args)
      expect(result.code, args.join(' ')).toBe(code)
      expect(stderr.split('\n')[0]).toBe(line)
      expect(stderr).not.toContain('    at ')
    }
    expect((await app.run('jobs:failed', '--queue=emials')).stderr).toContain(
      '\n  Did you mean emails? There are ',
    )
    expect((await app.run('jobs:work', '--queue=emials')).stderr).toContain(
      '\n  Did you mean emails? Configured ',
    )
    expect((await app.run('jobs:status', '--jsno')).stderr).toContain('\n  Did you mean --json?\n')
  })

  test('a message names queues that have jobs but are not configured any more, and only some of them if there are many', async () => {
    await using app = await greetingApp(url())
    await app.run('greet:all', 'Ann')
    expect((await app.run('jobs:status')).stderr).not.toContain('jobs.queues')
    const many = Array.from({ length: 30 }, (_, n) => `queue-${n}`)
    const config = (queues: string[]) =>
      `export default { jobs: { queues: ${JSON.stringify(queues)}, prefix: process.env.PREFIX || 'lark' } }`
    await app.write({ 'lark.config.js': config(many) })
    const status = await app.run('jobs:status')
    expect(status.stderr).toContain(
      '! default, emails have jobs and are not in jobs.queues: only a worker that is configured with them serves them\n',
    )
    expect(JSON.parse((await app.run('jobs:status', '--json')).stdout).queues.at(-1)).toMatchObject({
      queue: 'emails',
      configured: false,
    })
    const { stderr } = await app.run('jobs:work', '--queue=none')
    expect(stderr).toContain('queue-9 and 20 more.')
    expect(stderr).not.toContain('queue-10')
    const worker = await app.run('jobs:work', '--stop-when-empty')
    expect(worker.stderr).toMatch(/its dispatches are refused. Configured are .*queue-9 and 20 more\n/)
  })

  test('a job file that throws on import causes one line, and everything else works', async () => {
    await using app = await greetingApp(url(), { 'src/jobs/Broken.ts': `throw new Error('no database')` })
    await app.run('greet:all', 'Ann')
    const { code, stdout, stderr } = await app.run('jobs:work', '--stop-when-empty')
    expect(code).toBe(0)
    expect(stderr).toMatch(/^! src\/jobs\/Broken.ts failed to load: no database \(.*Broken.ts:1:\d+\)$/m)
    expect(stderr).not.toContain('    at ')
    expect(stdout).toContain('1 completed')
  })

  test('two classes under one key are refused at start', async () => {
    await using app = await greetingApp(url(), {
      'src/jobs/OtherGreetJob.ts': `
        import { Job } from '@s18i/lark-jobs'
        export class OtherGreetJob extends Job { readonly key = 'greet'; handle() {} }`,
    })
    const { code, stderr } = await app.run('jobs:work', '--stop-when-empty')
    expect(code).toBe(1)
    expect(stderr).toContain(
      "✗ Two job classes under the key 'greet': GreetJob (src/jobs/GreetJob.ts) and OtherGreetJob (src/jobs/OtherGreetJob.ts)\n",
    )
  })

  test('a class with a wrong setting is refused at start, by one line', async () => {
    await using app = await greetingApp(url())
    for (const [field, line] of [
      ['tries = 0', 'tries is 0; it must be a whole number from 1'],
      [
        `backoff = 'soon'`,
        `backoff is 'soon'; it must be milliseconds, or a text like '30s', '5m', '2h' or '1d', a list of up to 100 of these, exponential(), or a function`,
      ],
      [
        `timeout = -1`,
        `timeout is -1; it must be milliseconds, or a text like '30s', '5m', '2h' or '1d', above 0`,
      ],
      [`unique = 'userId'`, `unique is 'userId'; it must be unique(), or unique((payload) => payload.id)`],
    ] as const) {
      await app.write({
        'src/jobs/WrongJob.js': `
          import { Job } from '@s18i/lark-jobs'
          export class WrongJob extends Job { ${field}; handle() {} }`,
      })
      const { code, stderr } = await app.run('jobs:work', '--stop-when-empty')
      expect(code).toBe(1)
      expect(stderr).toBe(`✗ WrongJob: ${line} (src/jobs/WrongJob.js)\n`)
    }
  })

  test('a broken configuration is one line that names the key', async () => {
    await using app = await greetingApp(url())
    for (const [config, line] of [
      [
        `export default { jobs: { queue: ['default'] } }`,
        /lark.config.js: jobs.queue is not an option\n {2}Did you mean queues\?/,
      ],
      [
        `export default { jobs: { queues: [] } }`,
        /lark.config.js: jobs.queues is \[\]; it must be a list of names/,
      ],
      [
        `export default { jobs: { queues: ['a b'] } }`,
        /lark.config.js: jobs.queues is \[ 'a b' \]; it must be a list of names/,
      ],
      [
        `export default { jobs: { queues: { default: { rate: { limit: -1 } } } } }`,
        /lark.config.js: jobs.queues.default.rate.limit is -1; it must be a whole number from 1\n$/,
      ],
      [
        `export default { jobs: { connection: 5 } }`,
        /lark.config.js: jobs.connection is a number; it must be a text/,
      ],
      [
        `export default { jobs: { connection: 'mysql://x' } }`,
        /The connection is 'mysql:\/\/…', which names no store that Lark knows/,
      ],
      [`export default { job: {} }`, /lark.config.js has an unknown key "job"\n {2}Did you mean jobs\?/],
      ['export default 5', /lark.config.js must export an object by default/],
      [`throw new Error('oh')`, /lark.config.js failed to load: oh/],
    ] as const) {
      await app.write({ 'lark.config.js': config })
      // A configured connection comes before LARK_JOBS_URL.
      const { code, stderr } = await app.run('jobs:status')
      expect(code, config).toBe(1)
      expect(stderr).toMatch(line)
      expect(stderr).not.toContain('    at ')
    }
  })

  test('a job that is declared but not exported is reported', async () => {
    await using app = await greetingApp(url(), {
      'src/jobs/HiddenJob.ts': `
        import { Job } from '@s18i/lark-jobs'
        class HiddenJob extends Job { handle() {} }`,
    })
    const { code, stderr } = await app.run('jobs:work', '--stop-when-empty')
    expect(code).toBe(0)
    expect(stderr).toContain(
      '! src/jobs/HiddenJob.ts has a job and does not export it: write export before class\n',
    )
  })

  test('a class whose queue is not configured is reported at the start, with its file', async () => {
    await using app = await greetingApp(url(), {
      'src/jobs/LostJob.ts': `
        import { Job } from '@s18i/lark-jobs'
        export class LostJob extends Job { queueName = 'nope'; handle() {} }`,
    })
    const line =
      "LostJob has queueName = 'nope' (src/jobs/LostJob.ts), which is not a configured queue: its dispatches are refused. Configured are default, emails"
    const alone = await app.run('jobs:work', '--stop-when-empty')
    expect([alone.code, alone.stderr.split(line).length]).toEqual([0, 2])
    const supervised = await app.run('jobs:work', '--stop-when-empty', '--processes=2')
    expect([supervised.code, supervised.stderr.split(line).length]).toEqual([0, 2])
  })

  test('a rejected promise that a job forgot is reported and does not end the worker; what its file left open delays nothing', async () => {
    await using app = await greetingApp(url(), {
      'src/jobs/ForgetJob.ts': `
        import { Job } from '@s18i/lark-jobs'
        setInterval(() => {}, 1_000)
        export class ForgetJob extends Job {
          handle() {
            void Promise.reject(new Error('forgotten'))
          }
        }`,
      'src/commands/Forget.ts': `
        import { Command } from '@s18i/lark'
        import { ForgetJob } from '../jobs/ForgetJob'
        export class Forget extends Command {
          readonly key = 'forget'
          async handle() {
            await new ForgetJob().dispatch()
            process.exit()
          }
        }`,
    })
    await app.run('greet:all', 'Ann')
    await app.run('forget')
    const { code, stdout, stderr } = await app.run('jobs:work', '--stop-when-empty')
    expect(code).toBe(0)
    expect(stdout).toMatch(/\n2 completed, /)
    expect(stderr).toMatch(/^! A promise was rejected, and nobody handled it .*: Error: forgotten$/m)
    expect(stderr).toContain('ForgetJob.handle')
  })
}
