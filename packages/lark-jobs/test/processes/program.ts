import { expect, test } from 'vitest'
import { greetingApp } from './greeting.ts'

/**
 * Tests the whole way from a dispatch to its outcome with commands. @param url undefined for the embedded
 * store
 */
export function wholeWay(url: () => string | undefined): void {
  test('a command dispatches a job, a worker runs it, and other commands show the result', async () => {
    await using app = await greetingApp(url())
    expect(await app.run('greet:all', 'Ann', 'Bob')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '✓ Queued 3 jobs\n',
    })

    const before = await app.run('jobs:status')
    expect(before.stdout.split('\n').map((line) => line.trim().split(/\s+/).join(' '))).toEqual([
      'QUEUE WAITING DELAYED RETRYING ACTIVE FAILED COMPLETED CANCELLED 1 MIN 1 H WORKERS',
      'default 2 0 0 0 0 0 0 0 0 0',
      'emails 1 0 0 0 0 0 0 0 0 0',
      '',
    ])
    expect(before.stderr).toContain('! No worker is running: start one with lark jobs:work')

    const worked = await app.run('jobs:work', '--stop-when-empty')
    expect(worked.code).toBe(0)
    expect(worked.stderr).toMatch(/^i Serving \S+: default, emails in fair turns, 10 at a time\n/)
    expect(worked.stderr).toMatch(/\ni \d\d:\d\d:\d\d GreetJob \w{13} {2}Hello, Ann\n/)
    expect(worked.stdout).toMatch(/^✓ \d\d:\d\d:\d\d GreetJob {13}\w{13} {2}default +[\d.]+ ms$/m)
    expect(worked.stdout).toMatch(
      /^↻ \d\d:\d\d:\d\d BounceJob {12}\w{13} {2}emails .* attempt 1 of 2, again in 10 ms: 550 nobody@example.com: no such user$/m,
    )
    expect(worked.stdout).toMatch(
      /^✗ \d\d:\d\d:\d\d BounceJob {12}\w{13} {2}emails .* attempt 2 of 2, failed for good: 550 nobody@example.com: no such user$/m,
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
    expect(await app.run('jobs:cancel', id!)).toMatchObject({ code: 0, stderr: '✓ Cancelled 1 job\n' })
    expect(await app.run('jobs:cancel', id!)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`${id} is cancelled; only a job that has not ended can be cancelled`),
    })
    const none = await app.run('jobs:cancel', '--state=waiting', '--yes', '--json')
    expect(JSON.parse(none.stdout)).toEqual({ cancelled: 0, asked: 0 })
  })
}

/**
 * Tests commands as users type them in a TypeScript application. @param url undefined for the embedded store
 */
export function program(url: () => string | undefined): void {
  wholeWay(url)

  test('stdout of a command with --json contains only JSON', async () => {
    await using app = await greetingApp(url())
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
      result: { greeted: 'Ann' },
    })
    expect(events.at(-1)).toMatchObject({ event: 'summary', completed: 1, failed: 1 })
    expect(JSON.parse((await app.run('jobs:failed', '--json')).stdout).jobs).toHaveLength(1)
    expect(JSON.parse((await app.run('jobs:show', 'nonesuch', '--json')).stdout)).toMatchObject({
      error: { code: 'JOB_NOT_FOUND' },
    })
  })

  test('a worker with --queue serves only the named queues in their order, and with --max-jobs it ends after this number of jobs', async () => {
    await using app = await greetingApp(url())
    await app.run('greet:all', 'Ann', 'Bob', 'Cid')
    expect((await app.run('jobs:work', '--queue=default', '--max-jobs=2')).stdout).toMatch(
      /\n2 completed in /,
    )
    expect(
      (await app.run('jobs:work', '--queue', 'default,emails', '--concurrency=1', '--stop-when-empty'))
        .stderr,
    ).toMatch(/: default, emails strictly in this order, 1 at a time/)
  })

  test('jobs:status shows a delayed job as delayed, and says that an empty store is empty', async () => {
    await using app = await greetingApp(url())
    expect(await app.run('jobs:failed')).toMatchObject({ code: 0, stderr: '✓ No failed jobs\n' })
    await app.run('greet:all', 'Ann', '--delay=2h')
    const { queues } = JSON.parse((await app.run('jobs:status', '--json')).stdout)
    expect(queues[0].counts).toMatchObject({ waiting: 0, delayed: 1 })
    expect((await app.run('jobs:work', '--stop-when-empty')).code).toBe(0)
  })

  test('make:job writes a job that runs', async () => {
    await using app = await greetingApp(url())
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

  test('a built application runs its built jobs, with or without its sources beside them', async () => {
    await using app = await greetingApp(url())
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
    expect(await app.start(['dist/worker.js']).result).toMatchObject({ code: 0, stdout: 'built\n' })
    await app.write({
      'worker.js': (await app.read('dist/worker.js')).replace(
        './jobs/WhereJob.js',
        './dist/jobs/WhereJob.js',
      ),
    })
    expect(await app.start(['worker.js']).result).toMatchObject({ code: 0, stdout: 'source\n' })
    await app.remove('src')
    expect(await app.start(['worker.js']).result).toMatchObject({ code: 0, stdout: 'built\n' })
  })

  test('a worker of many queues prints no warnings of Node', async () => {
    const queues = ['default', 'emails', ...Array.from({ length: 20 }, (_, n) => `queue-${n}`)]
    await using app = await greetingApp(url(), {
      'lark.config.js': `export default { jobs: { queues: ${JSON.stringify(queues)}, prefix: process.env.PREFIX || 'lark' } }`,
    })
    await app.run('greet:all', 'Ann')
    const { code, stderr } = await app.run('jobs:work', '--stop-when-empty')
    expect(code).toBe(0)
    expect(stderr).not.toMatch(/Warning/)
  })
}
