import { expect, test } from 'vitest'
import { hostileText, raw } from '../../../lark/test/hostile.ts'
import type { StoredJob } from '../../src/operate/look/stored-jobs.ts'
import { greetingApp } from './greeting.ts'

const texts = Array.from({ length: 40 }, (_, seed) => hostileText(seed))
const forged = '\r✓ OtherJob             0VQ6n2Kx8aB1c  default            1 ms'

/** Jobs whose texts contain escape sequences and forged lines. @param url undefined: the embedded store */
export function deceiving(url: () => string | undefined): void {
  test('escape sequences in texts of a job do not reach the terminal, and a text cannot look like the line of another job', async () => {
    await using app = await greetingApp(url(), {
      'src/jobs/EchoJob.js': `
        import { Job } from '@s18i/lark-jobs'
        export class EchoJob extends Job {
          tries = 1
          handle(texts) {
            for (const text of texts) {
              this.info(text)
              this.error(text)
            }
            const error = new Error(texts.join(''))
            error.name = texts[0]
            error.code = texts[1]
            if (texts.length > 2) throw error
            return { [texts[0]]: texts }
          }
        }`,
      'src/jobs/TextJob.js': `
        import { Job } from '@s18i/lark-jobs'
        export class TextJob extends Job {
          tries = 1
          handle({ text }) { throw new Error(text) }
        }`,
      'src/commands/Echo.js': `
        import { Command } from '@s18i/lark'
        import { EchoJob } from '../jobs/EchoJob.js'
        import { TextJob } from '../jobs/TextJob.js'
        export class Echo extends Command {
          key = 'echo'
          async handle() {
            const texts = ${JSON.stringify(texts)}
            const jobs = [texts.slice(0, 2), ['x', 'y', ${JSON.stringify(`z\n${forged}`)}]]
            const ids = []
            for (const payload of jobs) {
              const job = new EchoJob()
              await job.dispatch(payload)
              ids.push(job.id)
            }
            await new TextJob().dispatchMany(texts.map((text) => ({ text })))
            return { ids }
          }
        }`,
    })
    const { ids } = JSON.parse((await app.run('echo', '--json')).stdout)
    const worked = await app.run('jobs:work', '--stop-when-empty')
    // A bar is printed before each line that a job wrote, so that the line cannot look like a line of Lark.
    expect(worked.stderr).toContain(`z\n  │ \\r✓ OtherJob`)
    const shown = ids.map((id: string) => app.run('jobs:show', id))
    const failed = app.run('jobs:failed', '--limit=100', '--json')
    const results = await Promise.all([...shown, failed, app.run('jobs:failed', '--limit=100')])
    for (const { stdout, stderr } of [worked, ...results]) {
      expect((stdout + stderr).replace(/[\n\t]/g, '')).not.toMatch(raw)
      expect(stdout + stderr).not.toMatch(/^[\s\u2028\u2029]*✓ OtherJob/m)
    }
    const messages = JSON.parse((await failed).stdout).jobs.map((job: StoredJob) => job.errors[0]!.message)
    expect(messages).toEqual(expect.arrayContaining(texts))
  })
}
