import { expect, test } from 'vitest'
import { freePort, Server } from '../redis/server.ts'
import { App } from './app.ts'

const files = {
  'jobs/NoteJob.js': `
    import { Job } from '@s18i/lark-jobs'
    export class NoteJob extends Job {
      key = 'note'
      handle({ n }) { console.log('ran ' + n) }
    }`,
  'dispatch.js': `
    import { NoteJob } from './jobs/NoteJob.js'
    const began = performance.now()
    try {
      console.log(await new NoteJob().dispatch({ n: 1 }))
    } catch (error) {
      const { code, message, hint, id } = error
      console.log(JSON.stringify({ code, message, hint, id, took: performance.now() - began }))
    }`,
}

test('while Redis is down, a dispatch fails within 5 seconds as certainly not queued, and the process ends', async () => {
  await using app = await App.make(files, { REDIS_URL: `redis://user:secret@127.0.0.1:${await freePort()}` })
  const { code, stdout, stderr } = await app.start(['dispatch.js']).result
  const error = JSON.parse(stdout)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(error.code).toBe('STORE_UNREACHABLE')
  expect(error.message).toContain('ECONNREFUSED')
  expect(error.took).toBeLessThan(5_000)
  expect(stdout).not.toContain('secret')

  const worker = await app.run('jobs:work')
  expect(worker.code).toBe(1)
  expect(worker.stderr.split('\n')[0]).toMatch(/^✗ .*ECONNREFUSED/)
})

test('while Redis hangs, a dispatch fails within 5 seconds, and the process ends', async () => {
  await using server = await Server.start('redis-server')
  await using app = await App.make(
    {
      ...files,
      'dispatch.js': files['dispatch.js'].replace(
        'const began',
        `await new NoteJob().dispatch({ n: 0 })
         process.kill(${'Number(process.env.SERVER)'}, 'SIGSTOP')
         const began`,
      ),
    },
    { REDIS_URL: server.url, SERVER: String(server.pid) },
  )
  const { stdout } = await app.start(['dispatch.js']).result
  server.signal('SIGCONT')
  const error = JSON.parse(stdout)
  expect(error.code).toBe('DISPATCH_UNCERTAIN')
  expect(error.id).toMatch(/^\w{13}$/)
  expect(error.took).toBeLessThan(5_500)
})

test('in production, a dispatch without a configured store fails', async () => {
  await using app = await App.make(files, { NODE_ENV: 'production' })
  const { stdout } = await app.start(['dispatch.js']).result
  expect(JSON.parse(stdout)).toMatchObject({
    code: 'STORE_NOT_CONFIGURED',
    message: 'NODE_ENV is production, and no store is named for jobs',
  })
})

test('an idle or busy worker does not end when its server is down, and goes on when the server is back', async () => {
  await using server = await Server.start('redis-server', ['--appendonly', 'yes', '--appendfsync', 'always'])
  await using app = await App.make(files, { REDIS_URL: server.url })
  const worker = app.lark('jobs:work')
  await worker.says('Serving')
  await app.start(['dispatch.js']).result
  await worker.says('ran 1')

  server.signal('SIGKILL')
  await worker.says('The worker goes on trying')
  await server.start()
  await worker.says('answers again')
  await app.write({ 'dispatch.js': files['dispatch.js'].replace('n: 1', 'n: 2') })
  expect((await app.start(['dispatch.js']).result).stdout).toBe('true\n')
  await worker.says('ran 2')
  worker.child.kill('SIGTERM')
  expect(await worker.result).toMatchObject({ code: 0 })
})
