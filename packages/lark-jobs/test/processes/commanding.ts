import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { bin } from './app.ts'
import { greetingApp } from './greeting.ts'

const slow = `
  import { writeFileSync } from 'node:fs'
  import { Command } from '@s18i/lark'
  export class Slow extends Command {
    readonly key = 'users:slow'
    async handle() {
      writeFileSync('begun', '')
      this.info('waits')
      await new Promise((resolve) => this.signal.addEventListener('abort', resolve))
      this.warn('gives up')
      return 1
    }
  }`

/**
 * Tests commands as jobs, and jobs from the shell, in separate processes. @param url undefined: the embedded
 * store
 */
export function commanding(url: () => string | undefined): void {
  test('a worker runs a command that a server has dispatched, and the command dispatches jobs', async () => {
    await using app = await greetingApp(url(), {
      'server.js': `
        import { Jobs } from '@s18i/lark-jobs'
        await Jobs.dispatchCommand('greet:all', { names: ['Ada', '$(rm -rf *)'] })
        await Jobs.dispatchCommand('greet:al', {})
        await Jobs.close()`,
    })
    expect(await app.start(['server.js']).result).toMatchObject({ code: 0, stderr: '' })
    const { code, stdout, stderr } = await app.run('jobs:work', '--stop-when-empty')
    expect(code).toBe(0)
    expect(stderr).toMatch(/^✓ \d\d:\d\d:\d\d greet:all \w{13} {2}Queued 3 jobs$/m)
    expect(stderr).toMatch(/^i \d\d:\d\d:\d\d GreetJob \w{13} {2}Hello, \$\(rm -rf \*\)$/m)
    expect(stdout).toMatch(
      /^✗ \d\d:\d\d:\d\d greet:al .*Unknown command "greet:al" \(Did you mean greet:all\?\)$/m,
    )
    expect(stdout).toMatch(/\n3 completed, 1 retried, 2 failed in /)
    const failed = JSON.parse((await app.run('jobs:failed', '--json')).stdout).jobs
    expect(failed).toContainEqual(expect.objectContaining({ key: 'lark:command', failures: 1 }))
  })

  test('a cancel by another process aborts the signal of the command', async () => {
    await using app = await greetingApp(url(), {
      'src/commands/Slow.ts': slow,
      'dispatch.js': `
        import { Jobs } from '@s18i/lark-jobs'
        console.log((await Jobs.dispatchCommand('users:slow')).id)
        await Jobs.close()`,
    })
    const id = (await app.start(['dispatch.js']).result).stdout.trim()
    const worker = app.lark('jobs:work')
    await worker.says('waits')
    expect(await app.run('jobs:cancel', id, '--because=wrong day')).toMatchObject({ code: 0 })
    await worker.says('gives up')
    worker.child.kill('SIGTERM')
    expect((await worker.result).code).toBe(0)
    const shown = JSON.parse((await app.run('jobs:show', id, '--json')).stdout)
    expect(shown).toMatchObject({ state: 'cancelled', because: 'wrong day', runs: 1 })
    expect(shown.log.map(({ text }: { text: string }) => text)).toEqual(['waits', 'gives up'])
  })

  test('jobs:dispatch queues a job with a payload from the standard input, and a worker runs it', async () => {
    await using app = await greetingApp(url())
    const first = await app.run('jobs:dispatch', 'greet', '{"name":"Ada"}', '--quiet')
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\w{13}\n$/), stderr: '' })
    const piped = (text: string) =>
      new Promise<number | null>((resolve) => {
        const env = { ...process.env, ...app.env }
        const stdio: ['pipe', 'ignore', 'ignore'] = ['pipe', 'ignore', 'ignore']
        const child = spawn(process.execPath, [bin, 'jobs:dispatch', 'greet', '-'], {
          cwd: app.folder,
          env,
          stdio,
        })
        child.on('close', resolve)
        child.stdin.end(text)
      })
    expect(await piped('{"name":"Grace"}\n')).toBe(0)
    expect(await piped('{name}')).toBe(2)
    expect((await app.run('jobs:dispatch', 'greeet')).stderr).toMatch(
      /^✗ There is no job with the key 'greeet'\n {2}Did you mean greet\?/,
    )
    const inner = '{"command":"greet:all","args":{"names":"Joan"}}'
    expect(await app.run('jobs:dispatch', 'lark:command', inner)).toMatchObject({ code: 0 })
    const { stderr } = await app.run('jobs:work', '--stop-when-empty')
    expect(stderr).toContain('Hello, Joan')
    expect(stderr).toContain('Hello, Ada')
    expect(stderr).toContain('Hello, Grace')
  })

  test('workers run a scheduled command once for each tick', async () => {
    await using app = await greetingApp(url(), {
      'src/commands/Tick.ts': `
        import { appendFileSync, readFileSync } from 'node:fs'
        import { Command, flag } from '@s18i/lark'
        import { every } from '@s18i/lark-jobs'
        export class Tick extends Command {
          readonly key = 'clock:tick'
          schedule = [{ name: 'fast', when: every('1s', { limit: 3 }), args: { by: 2 }, queueName: 'emails' }]
          by = flag.number('By', { default: 1 })
          handle() {
            appendFileSync('ticks', this.by + ' ' + this.scheduledFor!.getTime() + '\\n')
            if (readFileSync('ticks', 'utf8').match(/\\n/g)!.length === 3) this.info('the third')
          }
        }`,
      'src/commands/Wrong.ts': `
        import { Command } from '@s18i/lark'
        export class Wrong extends Command { readonly key = 'wrong'; schedule = 'daily'; handle() {} }`,
      'look.js': `
        import { Jobs } from '@s18i/lark-jobs'
        const { schedules } = Jobs
        console.log(JSON.stringify([await schedules.list(), await schedules.get('clock:tick/fast')]))
        await Jobs.close()`,
    })
    const workers = [app.lark('jobs:work'), app.lark('jobs:work')]
    await Promise.race(workers.map((worker) => worker.says('the third')))
    for (const { child } of workers) child.kill('SIGTERM')
    const [first, second] = await Promise.all(workers.map(({ result }) => result))
    expect([first!.code, second!.code]).toEqual([0, 0])
    for (const { stderr } of [first!, second!])
      expect(stderr).toContain(
        "! The command wrong (src/commands/Wrong.ts) does not run by itself: wrong: schedule is 'daily'",
      )
    const ticks = (await app.read('ticks'))
      .trim()
      .split('\n')
      .map((line) => line.split(' ').map(Number))
    const [begin] = ticks.map(([, at]) => at!)
    expect(ticks).toEqual([2, 2, 2].map((by, i) => [by, begin! + i * 1_000]))
    const [list, found] = JSON.parse((await app.start(['look.js']).result).stdout)
    expect(list).toHaveLength(1)
    expect(found).toMatchObject({
      id: 'clock:tick/fast',
      key: 'lark:command',
      ofClass: true,
      ticks: 3,
      state: 'ended',
    })
    expect(found.runs).toHaveLength(3)
  })
}
