import { expect, test } from 'vitest'
import { greetingApp } from './greeting.ts'

const files = {
  'lark.config.ts': `
    import { defineConfig } from '@s18i/lark-jobs'
    import type { Greeter } from './src/greeter'
    let greeter: Greeter | undefined
    export default defineConfig({
      jobs: {
        prefix: process.env.PREFIX || 'lark',
        boot: async () => {
          if (process.env.NO_DATABASE) throw new Error('no database')
          const { Greeter } = await import('./src/greeter')
          greeter = new Greeter()
          return async () => console.error(\`closed after \${greeter?.greeted}\`)
        },
        make: (Class) => new Class(greeter),
      },
    })`,
  'src/greeter.ts': `export class Greeter {
    greeted = 0
    greet(name: string) {
      this.greeted++
      return \`Hello, \${name}\`
    }
  }`,
  'src/jobs/MeetJob.ts': `
    import { Job } from '@s18i/lark-jobs'
    import type { Greeter } from '../greeter'
    export class MeetJob extends Job {
      readonly key = 'meet'
      #greeter: Greeter
      constructor(greeter: Greeter) {
        super()
        this.#greeter = greeter
      }
      async handle(payload: { name: string }) {
        this.info(this.#greeter.greet(payload.name))
      }
    }`,
  'src/commands/Meet.ts': `
    import { Command } from '@s18i/lark'
    import { Jobs } from '@s18i/lark-jobs'
    import { MeetJob } from '../jobs/MeetJob'
    export class Meet extends Command {
      readonly key = 'meet'
      async handle() {
        await using jobs = Jobs
        await jobs.dispatch([MeetJob.with({ name: 'Ada' }), MeetJob.with({ name: 'Grace' })])
      }
    }`,
}

/**
 * Tests the functions with which an application starts resources for its jobs. @param url undefined: the
 * embedded store
 */
export function booting(url: () => string | undefined): void {
  test('boot runs before the first job, make passes the started resource to jobs, and the resource is ended after the last job', async () => {
    await using app = await greetingApp(url(), files)
    await app.remove('lark.config.js')
    expect((await app.run('meet')).stderr).toBe('')
    for (const flags of [[], ['--processes=1']]) {
      const { code, stdout, stderr } = await app.run('jobs:work', '--stop-when-empty', ...flags)
      expect(code, stderr).toBe(0)
      expect(stderr).toContain(`closed after ${flags.length === 0 ? 2 : 0}`)
      if (flags.length === 0) expect(stdout + stderr).toMatch(/Hello, Ada[\s\S]*Hello, Grace/)
    }
  })

  test('if boot throws, the worker takes no job, and the message says so', async () => {
    await using app = await greetingApp(url(), files)
    await app.remove('lark.config.js')
    await app.run('meet')
    app.env.NO_DATABASE = '1'
    for (const flags of [[], ['--processes=1']]) {
      const { code, stderr } = await app.run('jobs:work', '--stop-when-empty', ...flags)
      expect(code, stderr).toBe(1)
      expect(stderr).toMatch(/✗ boot\(\) of \S+lark\.config\.ts threw: no database/)
    }
    const { queues } = JSON.parse((await app.run('jobs:status', '--json')).stdout)
    expect(queues[0]).toMatchObject({ queue: 'default', counts: { waiting: 2 } })
  })
}
