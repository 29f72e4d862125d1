/** Programs that are deployed without `lark.config` and without folders of jobs. */
import { expect, test } from 'vitest'
import { App } from './app.ts'

/** Makes a program in one file that dispatches and works, as a bundler would write it. */
const bundle = (configure: string, act: string) => `
  import { Job, Jobs } from '@s18i/lark-jobs'
  class SendEmailJob extends Job {
    key = 'send-email'
    queueName = 'emails'
    handle({ to }) { console.log('sent to ' + to) }
  }
  ${configure}
  ${act}`

const configure = `Jobs.configure({ connection: 'sqlite:jobs.db', queues: ['emails'], jobs: [SendEmailJob] })`
const dispatch = `await new SendEmailJob().dispatch({ to: 'ann' })`
const work = `await (await Jobs.work({ stopWhenEmpty: true })).done`

test('a program that is configured in code dispatches and works in production, and reads no file', async () => {
  await using app = await App.make(
    {
      'lark.config.js': `throw new Error('was read')`,
      'out/main.js': bundle(configure, `${dispatch}\n${work}\nawait Jobs.close()`),
    },
    { NODE_ENV: 'production' },
  )
  const { code, stdout, stderr } = await app.start(['out/main.js']).result
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'sent to ann\n' })
  expect(stderr).toMatch(/Serving sqlite:\S+\/jobs\.db: emails, 10 at a time\n$/)
  // A second process of the same program only works.
  await app.write({
    'out/dispatch.js': bundle(configure, `${dispatch}\nawait Jobs.close()`),
    'out/work.js': bundle(configure, `${work}\nawait Jobs.close()`),
  })
  expect((await app.start(['out/dispatch.js']).result).stderr).toBe('')
  expect((await app.start(['out/work.js']).result).stdout).toBe('sent to ann\n')
})

test('the first line of a worker, and the error of a dispatch, say that there is no configuration', async () => {
  await using app = await App.make({
    'out/main.js': bundle(
      '',
      `${dispatch}.catch((error) => console.log(error.message + '\\n' + error.hint))`,
    ),
    'out/work.js': bundle(
      '',
      `const worker = await Jobs.work({ jobs: [SendEmailJob] }); await worker.stop()`,
    ),
    'out/plain.js': bundle('', `const worker = await Jobs.work({ jobs: [] }); await worker.stop()`),
  })
  const looked = `there is no lark.config in ${app.folder}/out, ${app.folder}`
  expect((await app.start(['out/main.js']).result).stdout).toBe(
    `SendEmailJob: 'emails' is not a configured queue\nThe configured queues are default. Add it to jobs.queues in lark.config (${looked}).\n`,
  )
  const production = { NODE_ENV: 'production' }
  expect((await app.start(['out/main.js'], '.', production).result).stdout).toBe(
    `NODE_ENV is production, and no store is named for jobs\nSet REDIS_URL, or jobs.connection in lark.config (${looked}) ('sqlite:PATH' for the embedded store).\n`,
  )
  const firstLine = async (file: string, env = {}) =>
    (await app.start([file], '.', env).result).stderr.split('\n')[0]
  expect(await firstLine('out/work.js')).toMatch(`default, 10 at a time; ${looked}`)
  const named = { ...production, LARK_JOBS_URL: 'sqlite:jobs.db' }
  expect(await firstLine('out/plain.js', named)).toMatch(`default, 10 at a time; ${looked}`)
  // A worker that needs no configuration says nothing about it.
  expect(await firstLine('out/plain.js')).toMatch(/default, 10 at a time$/)
  for (const flags of [[], ['--processes=1']]) {
    const worker = app.start(
      ['node_modules/@s18i/lark/dist/bin.js', 'jobs:work', '--stop-when-empty', ...flags],
      '.',
      named,
    )
    expect((await worker.result).stderr).toMatch(`at a time; there is no lark.config in ${app.folder}\n`)
  }
})
