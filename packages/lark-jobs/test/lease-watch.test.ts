/**
 * The file of the lease thread beside a bundle: it may be of another release, or be run by another thread of the
 * program.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { MessageChannel, Worker as Thread } from 'node:worker_threads'
import { afterEach, expect, it } from 'vitest'
import { LEASE_THREAD } from '../src/worker/lease/lease-thread.ts'
import { threadFile } from '../src/worker/thread-file.ts'

const file = threadFile('lease-watch')!
const threads: Thread[] = []

function start(workerData: unknown): Thread {
  const thread = new Thread(file, { workerData, execArgv: [] })
  threads.push(thread)
  return thread
}

afterEach(async () => {
  await Promise.all(threads.splice(0).map((thread) => thread.terminate()))
})

it('reports the wrong version to a worker, and lets it stop', async () => {
  const thread = start(LEASE_THREAD)
  const { port1: port, port2: theirs } = new MessageChannel()
  thread.postMessage({ watch: { version: '999.0.0' }, port: theirs }, [theirs])
  const [answer] = await once(port, 'message')
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  expect(answer).toBe(
    `Its file is of @s18i/lark-jobs ${JSON.parse(manifest).version}, and the worker of 999.0.0: build both from one release`,
  )
  const closed = once(port, 'close')
  port.postMessage('end')
  await closed
})

it('does nothing in a thread that is not the lease thread, and lets the thread end', async () => {
  const thread = start('of the program')
  const [code] = await once(thread, 'exit')
  expect(code).toBe(0)
})
