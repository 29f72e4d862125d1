/**
 * Tests the code in docs/frameworks.md that ends a Next server, in a server that handles signals as Next
 * does.
 */
import { expect, it } from 'vitest'
import { makeApp } from './program.ts'
import { read, root } from './source.ts'

const files = ['src/instrumentation.ts', 'src/instrumentation-node.ts']

it.each(['SIGTERM', 'SIGINT'] as const)(
  'before a Next server ends (%s), dispatches are answered and running jobs end',
  async (signal) => {
    await using app = await makeApp(
      {
        ...Object.fromEntries(files.map((file) => [file, read(`matrix/fixtures/next/${file}`)])),
        'src/server.ts': `
        import { createServer } from 'node:http'
        import { Job, Jobs } from '@s18i/lark-jobs'
        import { register } from './instrumentation'

        class SlowJob extends Job {
          readonly key = 'slow'
          async handle({ n }: { n: number }) {
            if (n === 1) void Promise.all(Array.from({ length: 50 }, () => new SlowJob().dispatch({ n: 2 })))
            console.log('began ' + n)
            await new Promise((resolve) => process.once('${signal}', () => setTimeout(resolve, 100)))
            console.log('ended ' + n)
          }
        }

        createServer().listen(0)
        await register()
        await new SlowJob().dispatch({ n: 1 })
        await Jobs.work({ jobs: [SlowJob], concurrency: 1 })`,
      },
      { NEXT_RUNTIME: 'nodejs' },
    )
    const server = app.start([`${root}/node_modules/jiti/lib/jiti-cli.mjs`, 'src/server.ts'])
    await server.says('began 1')
    server.child.kill(signal)
    const { code, stdout } = await server.result
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'began 1\nended 1\n' })
    const status = await app.run('jobs:status', '--json')
    expect(JSON.parse(status.stdout).queues[0].counts).toMatchObject({ waiting: 50, active: 0, completed: 1 })
  },
)
