/** Processes with the built package: an open store must not keep a process alive. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, inject, test } from 'vitest'
import { Server } from './server.ts'
import { timed } from './stores.ts'

const store = new URL('../../dist/redis-store.js', import.meta.url).href
const options = `{
  prefix: 'lark-test-process-${process.pid}',
  retention: { completed: { count: 0, age: 1 }, failed: { count: 0, age: 1 }, cancelled: { count: 0, age: 1 } },
}`

async function runScript(code: string): Promise<string> {
  const script = `import { RedisStore } from '${store}'\n${code}`
  const ran = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    timeout: 15_000,
  })
  return ran.stdout.trim()
}

test('a script that dispatches ends by itself', async () => {
  const out = await runScript(`
    const store = new RedisStore('${inject('redisUrl')}', ${options})
    await store.open()
    const call = { caller: 'web', number: 1 }
    console.log(await store.enqueue('emails', call, [{ id: '0000000000001', key: 'k', payload: '1' }]))
    store.clear('emails', 'waiting').then((removed) => console.log('removed', removed))
  `)
  expect(out.split('\n')).toEqual(["[ 'queued' ]", 'removed 1'])
})

test('a script that has claimed jobs and listens for notifications ends by itself, unless a wait is pending', async () => {
  const out = await runScript(`
    const store = new RedisStore('${inject('redisUrl')}', ${options})
    await store.open()
    await store.exchange('idle', { caller: 'w', number: 1 }, [], { limit: 1, leaseMs: 1000 })
    store.wait('w', 200).then((rung) => console.log('waited', rung))
  `)
  expect(out).toBe('waited []')
})

test('a script whose server is dead ends when its calls have failed', async () => {
  const server = await Server.start()
  await server[Symbol.asyncDispose]()
  const { ms, value } = await timed(
    runScript(`
      const store = new RedisStore('${server.url}', { ...${options}, patience: 500 })
      store.open().catch((error) => console.log(error.code))
    `),
  )
  expect(value).toBe('STORE_UNREACHABLE')
  expect(ms).toBeLessThan(5_000)
})
