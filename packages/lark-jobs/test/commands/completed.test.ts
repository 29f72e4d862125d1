/**
 * The values that a shell offers for the arguments of commands. The values come from the project, and need no
 * store.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { App } from '../processes/app.ts'

let app: App
beforeAll(async () => {
  const job = (name: string, key: string) =>
    `import { Job } from '@s18i/lark-jobs'\nexport class ${name} extends Job { key = '${key}'; handle() {} }`
  app = await App.make({
    'lark.config.js':
      "export default { jobs: { queues: ['default', 'emails'], connection: 'redis://127.0.0.1:1' } }",
    'jobs/mail.js': job('MailJob', 'send-mail'),
    'jobs/sms.js': job('SmsJob', 'send-sms'),
  })
})
afterAll(() => app[Symbol.asyncDispose]())

test.each([
  [
    ['jobs:pause', ''],
    ['default', 'emails'],
  ],
  [['jobs:work', '--queue=default,e'], ['--queue=default,emails']],
  [['jobs:dispatch', 'send-m'], ['send-mail']],
  [
    ['jobs:cancel', '--job', ''],
    ['send-mail', 'send-sms'],
  ],
  [['jobs:show', 'x'], []],
])('%j', async (words, expected) => {
  const { code, stdout, stderr } = await app.run('complete', '--', ...words)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(
    stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => line.trimEnd()),
  ).toEqual(expected)
})
