/** Development servers: after each change of a file, they restart a program or load its modules again. */
import { expect, test } from 'vitest'
import { App } from './app.ts'

const job = (text: string) => `
  import { Job } from '@s18i/lark-jobs'
  export class TellJob extends Job {
    key = 'tell'
    handle() { console.log('${text}') }
  }`

const dispatch = `
  import { Jobs } from '@s18i/lark-jobs'
  import { TellJob } from './jobs/TellJob.js'
  await new TellJob().dispatch()
  await Jobs.close()`

const program = 'node_modules/@s18i/lark/dist/bin.js'

test.each([[['--watch']], [['--watch-path=jobs']]])(
  'node %s restarts lark jobs:work after a change, also with an empty cache',
  async (flags) => {
    await using app = await App.make({ 'jobs/TellJob.js': job('the first'), 'dispatch.js': dispatch })
    const worker = app.start([...flags, program, 'jobs:work'])
    await app.start(['dispatch.js']).result
    await worker.says('the first')
    await app.write({ 'jobs/TellJob.js': job('the second') })
    await worker.says('Restarting')
    await app.start(['dispatch.js']).result
    await worker.says('the second')
    worker.child.kill('SIGTERM')
    expect((await worker.result).stderr).not.toContain('ERR_')
  },
)

test('the program that started a worker gets the messages that a job sends to it, also through a supervisor', async () => {
  await using app = await App.make({
    'jobs/TellJob.js': job('').replace('console.log', 'process.send'),
    'dispatch.js': dispatch.replace("''", "'hello'"),
    'parent.js': `
      import { fork } from 'node:child_process'
      const child = fork('${program}', ['jobs:work', '--stop-when-empty', ...process.argv.slice(2)])
      child.on('message', (message) => console.log('heard', JSON.stringify(message)))`,
  })
  for (const words of [[], ['--processes=1']]) {
    await app.start(['dispatch.js']).result
    const { stdout, stderr } = await app.start(['parent.js', ...words]).result
    expect(stdout + stderr).toContain('heard ""\n')
  }
})

const reloadable = (text: string) => `
  import { Job, Jobs } from '@s18i/lark-jobs'
  class EchoJob extends Job {
    key = 'echo'
    handle() { return '${text}' }
  }
  Jobs.configure({ jobs: [EchoJob], middleware: [async function around(job, next) { return next() }] })
  const report = { wrote() {}, ended() {}, warn: console.log, info: console.log }
  for (const queues of [['default'], ['default']]) await Jobs.work({ queues, report })
  export const dispatch = async () => {
    const job = new EchoJob()
    await job.dispatch()
    for (;;) {
      const found = await Jobs.find(job.id)
      if (found?.state === 'completed') return found.result
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }`

/** After each load, prints what the job of the reloaded module returns, and how many workers are running. */
const look = `
  import { Jobs } from '@s18i/lark-jobs'
  export async function look(dispatch, count) {
    for (;;) {
      const { workers } = await Jobs.status()
      if (workers.length === count) break
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    for (let i = 0; i < 5; i++) if ((await dispatch()) !== (await dispatch())) throw new Error('two classes')
    console.log('runs ' + (await dispatch()) + ' with ' + count)
  }`

test('the new workers of a module that Vite loads again replace the workers of the earlier load', async () => {
  await using app = await App.make({
    'src/worker.js': reloadable('old'),
    'look.js': look,
    'server.js': `
      import { writeFileSync } from 'node:fs'
      import { createServer } from '${import.meta.resolve('vite')}'
      import { Jobs } from '@s18i/lark-jobs'
      import { look } from './look.js'
      const server = await createServer({ server: { middlewareMode: true }, appType: 'custom', logLevel: 'error' })
      const { dispatch } = await server.ssrLoadModule('/src/worker.js')
      await look(dispatch, 2)
      writeFileSync('src/worker.js', \`// The lines are others now.\\n${reloadable('new').replaceAll('`', '\\`')}\`)
      server.moduleGraph.invalidateAll()
      await look((await server.ssrLoadModule('/src/worker.js')).dispatch, 2)
      server.moduleGraph.invalidateAll()
      await look((await server.ssrLoadModule('/src/worker.js')).dispatch, 2)
      await server.close()
      await Jobs.close()`,
  })
  const { code, stdout, stderr } = await app.start(['server.js'], '.', { NODE_ENV: 'development' }).result
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const lines = stdout.split('\n').filter((line) => !line.startsWith('Serving'))
  const replaced = expect.stringMatching(
    /src\/worker\.js was loaded again: this worker takes the place of the one from before$/,
  )
  expect(lines).toEqual([
    'runs old with 2',
    ...[0, 1].map(() => replaced),
    'runs new with 2',
    ...[0, 1].map(() => replaced),
    'runs new with 2',
    '',
  ])
})

test('a module with another query is another module, but with another number in the query it is a new load of the same module', async () => {
  await using app = await App.make({
    'lark.config.js': `export default { jobs: { queues: ['a', 'b'] } }`,
    'worker.js': `
      import { Job, Jobs } from '@s18i/lark-jobs'
      class EchoJob extends Job { key = 'echo'; handle() {} }
      const queues = new URL(import.meta.url).searchParams.get('queue')
      const report = { wrote() {}, ended() {}, warn() {}, info: (text) => text.includes('again') && console.log(text) }
      await Jobs.work({ queues, jobs: [EchoJob], report })`,
    'main.js': `
      import { Jobs } from '@s18i/lark-jobs'
      const show = async (count) => {
        for (;;) {
          const { workers } = await Jobs.status()
          if (workers.length === count) return console.log(workers.map(({ queues }) => queues.join()).sort().join(' '))
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      }
      await import('./worker.js?queue=a')
      await import('./worker.js?queue=b')
      await show(2)
      await import('./worker.js?queue=a&t=1764147600000')
      await show(2)
      await import('./worker.js?queue=a&t=1764147600001')
      await show(2)
      await Jobs.close()`,
  })
  const { code, stdout, stderr } = await app.start(['main.js'], '.', { NODE_ENV: 'development' }).result
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const again = expect.stringMatching(/worker\.js\?queue=a was loaded again/)
  expect(stdout.trimEnd().split('\n')).toEqual(['a b', again, 'a b', again, 'a b'])
})

test.each<[string, Record<string, string>, string[]]>([
  ['a module that is required again', {}, ['1', '1']],
  ['in production nothing is replaced', { NODE_ENV: 'production' }, ['1', '2']],
])('%s', async (_, env, counts) => {
  await using app = await App.make(
    {
      'worker.cjs': `
        const { Jobs } = require('@s18i/lark-jobs')
        exports.started = Jobs.work({ stopWhenEmpty: false })`,
      'jobs/TellJob.js': job(''),
      'main.cjs': `
        const { Jobs } = require('@s18i/lark-jobs')
        const load = () => {
          delete require.cache[require.resolve('./worker.cjs')]
          return require('./worker.cjs').started
        }
        const count = async () => (await Jobs.status()).workers.length
        const main = async () => {
          const one = await load()
          console.log(await count())
          await load()
          if (process.env.NODE_ENV !== 'production') await one.done
          console.log(await count())
          await Jobs.close()
        }
        main()`,
    },
    { LARK_JOBS_URL: 'sqlite:jobs.db', ...env },
  )
  const { code, stdout, stderr } = await app.start(['main.cjs']).result
  expect({ code, counts: stdout.trim().split('\n') }).toEqual({ code: 0, counts })
  // The folder of jobs has only the classes of the first load.
  expect(stderr.includes('Name the classes: Jobs.work({ jobs: [SendEmailJob] })')).toBe(counts[1] === '1')
})

test('for code without a file name, a new class with the same key shows that the module was loaded again, and workers of other queues stay', async () => {
  await using app = await App.make({
    'main.js': `
      import { Job, Jobs } from '@s18i/lark-jobs'
      const start = async (queues) => {
        await null
        class EchoJob extends Job { key = 'echo'; handle() {} }
        return Jobs.work({ queues, jobs: [EchoJob], report: { wrote() {}, ended() {}, warn() {}, info: console.log } })
      }
      Jobs.configure({ queues: ['a', 'b'] })
      const one = await start('a')
      await start('b')
      await start(['b', 'a'])
      await one.done
      await Jobs.close()`,
  })
  const { stdout } = await app.start(['main.js']).result
  const replaced = 'EchoJob was loaded again: this worker takes the place of the one from before'
  expect(stdout.split('\n').filter((line) => !line.startsWith('Serving'))).toEqual([replaced, replaced, ''])
})

test('all workers that one load of a module starts stay, whether one line, two lines, or a shared function starts them', async () => {
  await using app = await App.make({
    'jobs/TellJob.js': job(''),
    'start.js': `
      import { Jobs } from '@s18i/lark-jobs'
      export const start = async () => { await null; return Jobs.work() }`,
    'other.js': `
      import { start } from './start.js'
      export const more = () => start()`,
    'main.js': `
      import { Jobs } from '@s18i/lark-jobs'
      import { start } from './start.js'
      import { more } from './other.js'
      for (let n = 0; n < 3; n++) await Jobs.work()
      await Promise.all([Jobs.work(), Jobs.work(), start(), more(), start()])
      await Jobs.work()
      await Jobs.work()
      console.log((await Jobs.status()).workers.length)
      await Jobs.close()`,
  })
  for (const NODE_ENV of [undefined, 'development'])
    expect((await app.start(['main.js'], '.', { NODE_ENV }).result).stdout).toBe('10\n')
})
