/** How a developer works: programs that are started again, or whose modules are loaded again, at each change. */
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
  'node %s with lark jobs:work, nothing in the cache: a change starts the worker again',
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

test('what a job sends to the program that started its worker arrives, also past a supervisor', async () => {
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
