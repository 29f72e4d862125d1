import { expect, test } from 'vitest'
import { greetingApp } from './greeting.ts'

/** Jobs that are functions, in an application. @param url undefined: the embedded store */
export function defining(url: () => string | undefined): void {
  test('a worker finds the handlers of defineJob() in the files of the application, and dispatchByKey() finds the classes', async () => {
    await using app = await greetingApp(url(), {
      'src/definitions.ts': `
        import { defineJob } from '@s18i/lark-jobs'
        export const wave = defineJob<{ name: string }>({ key: 'wave', queueName: 'emails' })`,
      'src/jobs/idle.ts': `
        import { defineJob } from '@s18i/lark-jobs'
        export const idle = defineJob({ key: 'idle' })`,
      'src/jobs/wave.ts': `
        import { wave } from '../definitions'
        wave.handle(async ({ name }, job) => job.info('Waves to ' + name))`,
      'src/commands/Wave.ts': `
        import { Command } from '@s18i/lark'
        import { Jobs } from '@s18i/lark-jobs'
        import { wave } from '../definitions'
        export class Wave extends Command {
          readonly key = 'wave'
          async handle() {
            await wave.dispatch({ name: 'Ada' })
            await Jobs.dispatchByKey('greet', { name: 'Grace' })
            await Jobs.close()
          }
        }`,
    })
    expect((await app.run('wave')).stderr).toBe('')
    const { code, stdout, stderr } = await app.run('jobs:work', '--stop-when-empty')
    expect(code, stderr).toBe(0)
    const said = stdout + stderr
    expect(said).toMatch(/wave \S+ .*Waves to Ada/)
    expect(said).toContain('Hello, Grace')
    expect(said).toContain('No handler for idle: no file in the folders of jobs calls its handle()')
  })
}
