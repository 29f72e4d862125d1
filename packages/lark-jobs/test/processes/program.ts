import { expect, test } from 'vitest'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App } from './app.ts'

const files = {
  'lark.config.js': `export default { jobs: { queues: ['default', 'emails'], prefix: process.env.PREFIX || 'lark' } }`,
  'src/jobs/GreetJob.ts': `
    import { Job } from '@s18i/lark-jobs'
    import { greeting } from '../greeting'
    export class GreetJob extends Job {
      readonly key = 'greet'
      async handle(payload: { name: string }) {
        this.info(greeting(payload.name))
        return { greeted: payload.name }
      }
    }`,
  'src/greeting.ts': `export const greeting = (name: string): string => 'Hello, ' + name`,
  'src/jobs/BounceJob.ts': `
    import { Job } from '@s18i/lark-jobs'
    export class BounceJob extends Job {
      queueName = 'emails'
      tries = 2
      backoff = 10
      async handle(payload: { to: string }) {
        throw new Error(\`550 \${payload.to}: no such user\`)
      }
    }`,
  'src/commands/Greet.ts': `
    import { arg, Command, flag } from '@s18i/lark'
    import { BounceJob } from '../jobs/BounceJob'
    import { GreetJob } from '../jobs/GreetJob'
    export class Greet extends Command {
      readonly key = 'greet:all'
      description = 'Greet them'
      names = arg.strings('Whom')
      delay = flag.string('When', { default: '0s' })
      async handle() {
        for (const name of this.names) {
          const job = new GreetJob()
          job.delay = this.delay
          await job.dispatch({ name })
        }
        await new BounceJob().dispatch({ to: 'nobody@example.com' })
        this.success(\`Queued \${this.names.length + 1} jobs\`)
      }
    }`,
}

/** The commands, as people type them, on a TypeScript application. @param url undefined: the embedded store */
export function program(url: () => string | undefined): void {
  async function greeting(extra: Record<string, string> = {}): Promise<App> {
    const prefix = newPrefix()
    const app = await App.make({ ...files, ...extra }, { LARK_JOBS_URL: url(), PREFIX: prefix })
    const server = url()
    if (server !== undefined) app.atEnd(() => removeKeys(server, prefix))
    return app
  }

  test('from a command through a worker to what people see of it', async () => {
    await using app = await greeting()
    expect(await app.run('greet:all', 'Ann', 'Bob')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '✓ Queued 3 jobs\n',
    })

    const before = await app.run('jobs:status')
    expect(before.stdout.split('\n').map((line) => line.trim().split(/\s+/).join(' '))).toEqual([
      'QUEUE WAITING DELAYED ACTIVE FAILED COMPLETED WORKERS',
      'default 2 0 0 0 0 0',
      'emails 1 0 0 0 0 0',
      '',
    ])
    expect(before.stderr).toContain('! No worker is running: start one with lark jobs:work')

    const worked = await app.run('jobs:work', '--stop-when-empty')
    expect(worked.code).toBe(0)
    expect(worked.stderr).toMatch(/^i Serving \S+: default, emails in fair turns, 10 at a time\n/)
    expect(worked.stderr).toMatch(/\ni GreetJob \w{13} {2}Hello, Ann\n/)
    expect(worked.stdout).toMatch(/^✓ GreetJob {13}\w{13} {2}default +[\d.]+ ms$/m)
    expect(worked.stdout).toMatch(
      /^↻ BounceJob {12}\w{13} {2}emails .* attempt 1 of 2, again in 10 ms: 550 nobody@example.com: no such user$/m,
    )
    expect(worked.stdout).toMatch(
      /^✗ BounceJob {12}\w{13} {2}emails .* attempt 2 of 2, failed for good: 550 nobody@example.com: no such user$/m,
    )
    expect(worked.stdout).toMatch(/\n2 completed, 1 retried, 1 failed in .*\n$/)

    const failed = await app.run('jobs:failed')
    const [, id] = /^(\w{13}) +BounceJob +emails .* ago +2 +550 nobody@example.com: no such user$/m.exec(
      failed.stdout,
    )!
    const shown = await app.run('jobs:show', id!)
    expect(shown.stdout).toMatch(/^BounceJob \w{13}\n\nState +failed\nQueue +emails\n/)
    expect(shown.stdout).toContain('"to": "nobody@example.com"')
    expect(shown.stdout).toMatch(
      /Run 1, after [\d.]+ ms: Error: 550 nobody@example.com: no such user\n +Run 2, .*\n +at BounceJob.handle \(.*BounceJob.ts/,
    )
    expect(shown.stdout).not.toContain('worker/runner')
    expect(JSON.parse((await app.run('jobs:show', id!, '--json')).stdout)).toMatchObject({
      id,
      state: 'failed',
      failures: 2,
    })

    expect(await app.run('jobs:retry', id!)).toMatchObject({ code: 0, stderr: '✓ Put 1 job back to work\n' })
    expect(await app.run('jobs:retry', id!)).toMatchObject({ code: 1 })
    await app.run('jobs:work', '--stop-when-empty')
    expect(JSON.parse((await app.run('jobs:retry', '--all', '--json')).stdout)).toEqual({ retried: 1 })
  })

  test('for machines there is JSON on stdout, and nothing else', async () => {
    await using app = await greeting()
    await app.run('greet:all', 'Ann')
    const { stdout, stderr } = await app.run('jobs:work', '--stop-when-empty', '--json')
    expect(stderr).toBe('')
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['info', 'log', 'job', 'summary']),
    )
    expect(events.find(({ event, key }) => event === 'job' && key === 'greet')).toMatchObject({
      name: 'GreetJob',
      queue: 'default',
      outcome: 'completed',
      attempt: 1,
      result: '{"greeted":"Ann"}',
    })
    expect(events.at(-1)).toMatchObject({ event: 'summary', completed: 1, failed: 1 })
    expect(JSON.parse((await app.run('jobs:failed', '--json')).stdout).jobs).toHaveLength(1)
    expect(JSON.parse((await app.run('jobs:show', 'nonesuch', '--json')).stdout)).toMatchObject({
      error: { code: 'JOB_NOT_FOUND' },
    })
  })

  test('only the queues that are named, in their order; so many jobs', async () => {
    await using app = await greeting()
    await app.run('greet:all', 'Ann', 'Bob', 'Cid')
    expect((await app.run('jobs:work', '--queue=default', '--max-jobs=2')).stdout).toMatch(
      /\n2 completed in /,
    )
    expect(
      (await app.run('jobs:work', '--queue', 'default,emails', '--concurrency=1', '--stop-when-empty'))
        .stderr,
    ).toMatch(/: default, emails strictly in this order, 1 at a time/)
  })

  test('a delayed job shows as delayed, and an empty store as empty', async () => {
    await using app = await greeting()
    expect(await app.run('jobs:failed')).toMatchObject({ code: 0, stderr: '✓ No failed jobs\n' })
    await app.run('greet:all', 'Ann', '--delay=2h')
    const { queues } = JSON.parse((await app.run('jobs:status', '--json')).stdout)
    expect(queues[0].counts).toMatchObject({ waiting: 0, delayed: 1 })
    expect((await app.run('jobs:work', '--stop-when-empty')).code).toBe(0)
  })

  test('what users do wrong is one line, and exit code 2 or 1', async () => {
    await using app = await greeting()
    for (const [args, code, line] of [
      [['jobs:work', '--queue=emials'], 1, "✗ 'emials' is not a configured queue"],
      [['jobs:work', '--concurrency=0'], 2, '✗ --concurrency is 0; it must be a whole number from 1'],
      [['jobs:work', '--max-jobs=1.5'], 2, '✗ --max-jobs is 1.5; it must be a whole number from 1'],
      [['jobs:retry'], 2, '✗ Which jobs? Give their ids, or --all'],
      [['jobs:retry', 'nonesuch'], 1, '✗ There is no job nonesuch'],
      [['jobs:show', 'nonesuch'], 1, '✗ There is no job nonesuch'],
      [['jobs:wrok'], 2, '✗ Unknown command "jobs:wrok"'],
    ] as const) {
      const { stderr, ...result } = await app.run(...args)
      expect(result.code, args.join(' ')).toBe(code)
      expect(stderr.split('\n')[0]).toBe(line)
      expect(stderr).not.toContain('    at ')
    }
  })

  test('a job file that throws on import is one line; everything else works', async () => {
    await using app = await greeting({ 'src/jobs/Broken.ts': `throw new Error('no database')` })
    await app.run('greet:all', 'Ann')
    const { code, stdout, stderr } = await app.run('jobs:work', '--stop-when-empty')
    expect(code).toBe(0)
    expect(stderr).toMatch(/^! src\/jobs\/Broken.ts failed to load: no database \(.*Broken.ts:1:\d+\)$/m)
    expect(stderr).not.toContain('    at ')
    expect(stdout).toContain('1 completed')
  })

  test('two classes under one key are refused at start', async () => {
    await using app = await greeting({
      'src/jobs/OtherGreetJob.ts': `
        import { Job } from '@s18i/lark-jobs'
        export class OtherGreetJob extends Job { readonly key = 'greet'; handle() {} }`,
    })
    const { code, stderr } = await app.run('jobs:work', '--stop-when-empty')
    expect(code).toBe(1)
    expect(stderr).toContain("✗ Two job classes under the key 'greet': GreetJob and OtherGreetJob")
  })

  test('a broken configuration is one line that names the key', async () => {
    await using app = await greeting()
    for (const [config, line] of [
      [
        `export default { jobs: { queue: ['default'] } }`,
        /lark.config.js: jobs.queue is not a setting\n {2}Did you mean queues\?/,
      ],
      [
        `export default { jobs: { queues: [] } }`,
        /lark.config.js: jobs.queues is \[\]; it must be a list of names/,
      ],
      [
        `export default { jobs: { queues: ['a b'] } }`,
        /lark.config.js: jobs.queues is \["a b"\]; it must be a list of names/,
      ],
      [
        `export default { jobs: { connection: 5 } }`,
        /lark.config.js: jobs.connection is 5; it must be a text/,
      ],
      [`export default { jobs: { connection: 'mysql://x' } }`, /'mysql:…' names no store that Lark knows/],
      [`export default { job: {} }`, /lark.config.js has an unknown key "job"\n {2}Did you mean jobs\?/],
      ['export default 5', /lark.config.js must export an object by default/],
      [`throw new Error('oh')`, /lark.config.js failed to load: oh/],
    ] as const) {
      await app.write({ 'lark.config.js': config })
      // LARK_JOBS_URL does not come before a connection that is named.
      const { code, stderr } = await app.run('jobs:status')
      expect(code, config).toBe(1)
      expect(stderr).toMatch(line)
      expect(stderr).not.toContain('    at ')
    }
  })

  test('make:job writes a job that runs', async () => {
    await using app = await greeting()
    expect(await app.run('make:job', 'send-welcome')).toMatchObject({ code: 0 })
    expect(await app.read('src/jobs/SendWelcomeJob.ts')).toMatch(`readonly key = 'send-welcome'`)
    expect((await app.run('make:job', 'SendWelcomeJob')).stderr).toMatch(/SendWelcomeJob.ts exists already/)
    await app.write({
      'src/commands/Welcome.ts': `
        import { Command } from '@s18i/lark'
        import { SendWelcomeJob } from '../jobs/SendWelcomeJob'
        export class Welcome extends Command {
          readonly key = 'welcome'
          async handle() { return await new SendWelcomeJob().dispatch({ name: 'world' }) }
        }`,
    })
    expect((await app.run('welcome')).code).toBe(0)
    expect((await app.run('jobs:work', '--stop-when-empty')).stdout).toContain('1 completed')
  })

  test('a built application runs its built jobs, with its sources beside them or without', async () => {
    await using app = await greeting()
    const job = (from: string) => `
      import { Job } from '@s18i/lark-jobs'
      export class WhereJob extends Job { key = 'where'; handle() { return '${from}' } }`
    await app.write({
      'src/jobs/WhereJob.ts': job('source'),
      'dist/jobs/WhereJob.js': job('built'),
      'dist/worker.js': `
        import { Jobs } from '@s18i/lark-jobs'
        import { WhereJob } from './jobs/WhereJob.js'
        const job = new WhereJob()
        await job.dispatch()
        const worker = await Jobs.work({ queues: 'default', stopWhenEmpty: true })
        await worker.done
        console.log((await Jobs.find(job.id)).result)
        await Jobs.close()`,
    })
    expect(await app.start(['dist/worker.js']).result).toMatchObject({ code: 0, stdout: '"built"\n' })
    await app.write({
      'worker.js': (await app.read('dist/worker.js')).replace(
        './jobs/WhereJob.js',
        './dist/jobs/WhereJob.js',
      ),
    })
    expect(await app.start(['worker.js']).result).toMatchObject({ code: 0, stdout: '"source"\n' })
    await app.remove('src')
    expect(await app.start(['worker.js']).result).toMatchObject({ code: 0, stdout: '"built"\n' })
  })

  test('a job that is declared and not exported is told of', async () => {
    await using app = await greeting({
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

  test('a promise that a job forgot is told of, and takes nobody down; what its file left open holds nothing up', async () => {
    await using app = await greeting({
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
