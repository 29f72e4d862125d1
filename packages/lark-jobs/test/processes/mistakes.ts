import { expect, test } from 'vitest'
import { greetingApp } from './greeting.ts'

/**
 * Mistakes of users that are found with the help of the store, or that a worker reports. @param url
 * undefined: the embedded store
 */
export function mistakes(url: () => string | undefined): void {
  test('a command with a name that the store does not know prints one line, and exits with 2 or 1', async () => {
    await using app = await greetingApp(url())
    for (const [args, code, line, hint = ''] of [
      [
        ['jobs:work', '--queue=emials'],
        1,
        "✗ 'emials' is not a configured queue",
        '\n  Did you mean emails? The configured queues are ',
      ],
      [
        ['jobs:cancel', '--queue=emails'],
        2,
        '✗ Cancelling by a filter needs a confirmation, and there is no terminal to ask on',
      ],
      [['jobs:cancel', '--job=gret', '--yes'], 2, "✗ No job has the key 'gret', and no worker ever had it"],
      [['jobs:cancel', 'a', '--queue=emials'], 1, "✗ There is no queue 'emials'"],
      [['jobs:show', 'a', '--queue=emials'], 1, "✗ There is no queue 'emials'"],
      [['jobs:cancel', 'nonesuch'], 1, '✗ There is no job nonesuch'],
      [['jobs:retry', 'nonesuch'], 1, '✗ There is no job nonesuch'],
      [['jobs:retry', 'nonesuch', '--queue=emails'], 1, '✗ There is no job nonesuch'],
      [['jobs:retry', '--all', '--queue=emials'], 1, "✗ There is no queue 'emials'"],
      [
        ['jobs:failed', '--queue=emials'],
        1,
        "✗ There is no queue 'emials'",
        '\n  Did you mean emails? There are ',
      ],
      [['jobs:show', 'nonesuch'], 1, '✗ There is no job nonesuch'],
    ] as const) {
      const { stderr, ...result } = await app.run(...args)
      expect(result.code, args.join(' ')).toBe(code)
      expect(stderr.split('\n')[0]).toBe(line)
      expect(stderr).toContain(hint)
      expect(stderr).not.toContain('    at ')
    }
  })

  test('a message names queues that have jobs but are no longer configured, and only some of them if there are many', async () => {
    await using app = await greetingApp(url())
    await app.run('greet:all', 'Ann')
    expect((await app.run('jobs:status')).stderr).not.toContain('jobs.queues')
    const many = Array.from({ length: 30 }, (_, n) => `queue-${n}`)
    const config = (queues: string[]) =>
      `export default { jobs: { queues: ${JSON.stringify(queues)}, prefix: process.env.PREFIX || 'lark' } }`
    await app.write({ 'lark.config.js': config(many) })
    const status = await app.run('jobs:status')
    expect(status.stderr).toContain(
      '! default, emails have jobs and are not in jobs.queues: only a worker that is configured with them serves them. To move jobs: lark jobs:move --queue=default --to=',
    )
    expect(JSON.parse((await app.run('jobs:status', '--json')).stdout).queues.at(-1)).toMatchObject({
      queue: 'emails',
      configured: false,
    })
    const { stderr } = await app.run('jobs:work', '--queue=none')
    expect(stderr).toContain('queue-9 and 20 more.')
    expect(stderr).not.toContain('queue-10')
    const worker = await app.run('jobs:work', '--stop-when-empty')
    expect(worker.stderr).toMatch(
      /its dispatches are refused. The configured queues are .*queue-9 and 20 more\n/,
    )
  })

  test('a job file that throws when it is imported causes one line of output, and all other jobs work', async () => {
    await using app = await greetingApp(url(), { 'src/jobs/Broken.ts': `throw new Error('no database')` })
    await app.run('greet:all', 'Ann')
    const { code, stdout, stderr } = await app.run('jobs:work', '--stop-when-empty')
    expect(code).toBe(0)
    expect(stderr).toMatch(/^! src\/jobs\/Broken.ts failed to load: no database \(.*Broken.ts:1:\d+\)$/m)
    expect(stderr).not.toContain('    at ')
    expect(stdout).toContain('1 completed')
  })

  test('an unhandled rejection in a job is reported and does not end the worker, and open handles of its file delay nothing', async () => {
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

/**
 * Mistakes in the classes of an application. A worker finds them without the store, so one store is enough.
 */
export function wrongClasses(): void {
  test('a worker with two classes under one key refuses to start', async () => {
    await using app = await greetingApp(undefined, {
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

  test('a worker with a class that has a wrong setting refuses to start, and prints one line', async () => {
    await using app = await greetingApp(undefined)
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

  test('a job that is declared but not exported is reported', async () => {
    await using app = await greetingApp(undefined, {
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

  test('when a worker starts, it reports a class whose queue is not configured, with the file of the class', async () => {
    await using app = await greetingApp(undefined, {
      'src/jobs/LostJob.ts': `
        import { Job } from '@s18i/lark-jobs'
        export class LostJob extends Job { queueName = 'nope'; handle() {} }`,
    })
    const line =
      "LostJob has queueName = 'nope' (src/jobs/LostJob.ts), which is not a configured queue: its dispatches are refused. The configured queues are default, emails"
    const alone = await app.run('jobs:work', '--stop-when-empty')
    expect([alone.code, alone.stderr.split(line).length]).toEqual([0, 2])
    const supervised = await app.run('jobs:work', '--stop-when-empty', '--processes=2')
    expect([supervised.code, supervised.stderr.split(line).length]).toEqual([0, 2])
  })
}
