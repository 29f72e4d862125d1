import { expect, test } from 'vitest'
import { greetingApp } from './greeting.ts'

/** One store is enough, because the printed line does not depend on the store. */
test('a worker reports once that a job has been running for long, and reports quick jobs as usual', {
  timeout: 60_000,
}, async () => {
  await using app = await greetingApp(undefined, {
    'src/jobs/LongJob.ts': `
      import { setTimeout } from 'node:timers/promises'
      import { Job } from '@s18i/lark-jobs'
      export class LongJob extends Job {
        async handle() { await setTimeout(4_000) }
      }`,
    'src/commands/Dispatch.ts': `
      import { Command } from '@s18i/lark'
      import { LongJob } from '../jobs/LongJob'
      import { GreetJob } from '../jobs/GreetJob'
      export class Dispatch extends Command {
        readonly key = 'dispatch'
        async handle() {
          for (let i = 0; i < 3; i++) await new LongJob().dispatch()
          await new GreetJob().dispatch({ name: 'Ann' })
        }
      }`,
  })
  await app.run('dispatch')
  const work = (...words: string[]) => app.run('jobs:work', '--concurrency=1', '--stop-when-empty', ...words)
  const [plain, json, quiet] = await Promise.all([work(), work('--json'), work('--quiet')])
  const told = plain.stderr.split('\n').filter((line) => line.includes('has run'))
  expect(told).toEqual([
    expect.stringMatching(/^i \d\d:\d\d:\d\d LongJob \w{13} {2}has run for 3(\.\d)? s so far$/),
  ])
  expect(plain.stdout.match(/LongJob/g)).toHaveLength(1)
  const events = json.stdout.split('\n').filter((line) => line.includes('"event":"running"'))
  expect(events.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({
      event: 'running',
      key: 'LongJob',
      name: 'LongJob',
      queue: 'default',
      attempt: 1,
    }),
  ])
  expect(quiet.stdout + quiet.stderr).not.toContain('has run')
})
