/**
 * Isolated classes of an application on disk: `lark jobs:work`, TypeScript without a build, `make` and
 * `boot`.
 */
import { expect, test } from 'vitest'
import { App } from '../processes/app.ts'
import { isAlive } from './alive.ts'

const files = {
  'lark.config.ts': `
    import { defineConfig } from '@s18i/lark/config'
    export default defineConfig({
      jobs: {
        make: (Class: any) => new Class({ name: 'made' }),
        boot: () => { (globalThis as any).booted = process.pid },
      },
    })`,
  'jobs/HereJob.ts': `
    import { spawn } from 'node:child_process'
    import { isolated, Job } from '@s18i/lark-jobs'

    export class HereJob extends Job {
      isolate = isolated()
      constructor(readonly service?: { name: string }) { super() }

      async handle({ holds }: { holds: boolean }) {
        const { booted } = globalThis as any
        const sub = holds ? spawn('sleep', ['1000'], { stdio: 'ignore' }).pid : 0
        this.info(\`\${this.service?.name} booted=\${booted === process.pid} holds=\${holds} pids=\${process.pid},\${sub}\`)
        if (holds) for (;;);
        await new NextJob().dispatch()
        return true
      }
    }

    export class NextJob extends Job {
      handle() {
        this.info(\`runs in \${process.pid}\`)
      }
    }`,
  // Every way in which a file can export a class.
  'jobs/All.ts': `
    import { isolated, Job } from '@s18i/lark-jobs'

    export default class DefaultJob extends Job {
      isolate = isolated()
      handle() {
        this.info(\`\${this.constructor.name} alone=\${process.ppid}\`)
      }
    }
    export class SecondJob extends DefaultJob {}
    export { AgainJob as Other } from '../lib/again.ts'
    export * from 'packed'`,
  'lib/again.ts': `
    import { isolated, Job } from '@s18i/lark-jobs'

    function made() {
      return class AgainJob extends Job {
        isolate = isolated()
        handle() {
          this.info(\`AgainJob alone=\${process.ppid}\`)
        }
      }
    }
    export const AgainJob = made()`,
  'node_modules/packed/package.json': '{ "name": "packed", "type": "module", "exports": "./index.js" }',
  'node_modules/packed/index.js': `
    import { isolated, Job } from '@s18i/lark-jobs'

    export class PackedJob extends Job {
      isolate = isolated()
      handle() {
        this.info(\`PackedJob alone=\${process.ppid}\`)
      }
    }`,
}

test('an isolated process loads jobs however a file exports them, runs `boot`, can dispatch, and ends when its worker is killed', async () => {
  await using app = await App.make(files)
  const worker = app.lark('jobs:work')
  await app.run('jobs:dispatch', 'HereJob', '{"holds":false}')
  await worker.says(`runs in ${worker.child.pid}`)
  for (const name of ['DefaultJob', 'SecondJob', 'AgainJob', 'PackedJob']) {
    await app.run('jobs:dispatch', name)
    await worker.says(`${name} alone=${worker.child.pid}`)
  }
  await app.run('jobs:dispatch', 'HereJob', '{"holds":true}')
  await worker.says('holds=true pids=')
  worker.child.kill('SIGKILL')
  const { stdout, stderr } = await worker.result
  const lines = `${stdout}${stderr}`.match(/made booted=true holds=\w+ pids=\d+,\d+/g)!
  expect(lines).toHaveLength(2)
  const pids = lines.flatMap((line) => line.match(/\d+/g)!.map(Number)).filter((pid) => pid > 0)
  expect(pids.length).toBeGreaterThanOrEqual(3)
  await expect.poll(() => pids.filter(isAlive), { timeout: 30_000 }).toEqual([])
})

test('a class is loaded from the file that it names, although the application has another file isolated-jobs', async () => {
  await using app = await App.make({
    'there.mjs': `
      import { isolated, Job } from '@s18i/lark-jobs'
      export class ThereJob extends Job {
        isolate = isolated({ file: import.meta.url })
        handle() { return process.pid === Number(process.env.WORKER) ? 'worker' : 'process' }
      }`,
    'isolated-jobs.mjs': `
      import { isolated, Job } from '@s18i/lark-jobs'
      export class HereJob extends Job {
        isolate = isolated({ file: import.meta.url })
        async handle() { await new HereJob().dispatch() }
      }`,
    'work.mjs': `
      import { createJobs } from '@s18i/lark-jobs'
      import { HereJob } from './isolated-jobs.mjs'
      import { ThereJob } from './there.mjs'
      process.env.WORKER = process.pid
      const jobs = createJobs({ connection: 'sqlite::memory:' })
      const worker = await jobs.work({ jobs: [HereJob, ThereJob] })
      const there = await jobs.dispatch(new ThereJob().with())
      console.log('there', await there.result())
      const here = await jobs.dispatch(Object.assign(new HereJob(), { tries: 1 }).with())
      await here.result().catch(({ message }) => console.log(message))
      await jobs.close()`,
  })
  const { code, stdout } = await app.start(['work.mjs']).result
  expect(stdout).toContain('there process')
  // A store in memory would belong to the isolated process alone, so its jobs would be lost.
  expect(stdout).toContain('An isolated job cannot use a store in the memory of its worker')
  expect(code).toBe(0)
})
