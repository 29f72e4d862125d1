/**
 * The separate file of the lease thread next to a bundle. The file may belong to another release, or another
 * thread of the program may run it.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { MessageChannel, Worker as Thread } from 'node:worker_threads'
import { afterEach, expect, it, vi } from 'vitest'
import { LEASE_THREAD, LeaseThread } from '../../src/worker/lease/lease-thread.ts'
import { Unread } from '../../src/worker/lease/unread.ts'
import { threadFile } from '../../src/worker/thread-file.ts'
import { Folder, options } from '../sqlite/folder.ts'
import { open as openRaw } from '../sqlite/raw.ts'

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

it('the lease thread reports a wrong version to a worker, and the worker can stop', async () => {
  const thread = start(LEASE_THREAD)
  const { port1: port, port2: theirs } = new MessageChannel()
  thread.postMessage({ watch: { version: '999.0.0' }, port: theirs }, [theirs])
  const [answer] = await once(port, 'message')
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  expect(answer).toBe(
    `Its file is of @s18i/lark-jobs ${JSON.parse(manifest).version}, and the worker of 999.0.0: build both from one release`,
  )
  const closed = once(port, 'close')
  port.postMessage('end')
  await closed
})

it('the file does nothing in a thread that is not the lease thread, and this thread can end', async () => {
  const thread = start('of the program')
  const [code] = await once(thread, 'exit')
  expect(code).toBe(0)
})

/** Starts a lease thread for a store in a file, and resolves when the thread has begun to watch. */
async function watching(file: string): Promise<LeaseThread> {
  const location = { connection: `sqlite:${file}`, prefix: 'lark', options }
  const thread = new LeaseThread(
    { location, caller: 'ada', leaseMs: 15_000, window: 100, kills: false },
    (text) => expect.unreachable(text),
    () => {},
  )
  thread.serve('default', new Unread())
  thread.start()
  await vi.waitFor(async () => expect(thread.pulse.isDozing).toBe(true), { timeout: 10_000, interval: 20 })
  return thread
}

it('the lease thread stays after its last worker has stopped, and does not keep the process alive', async () => {
  await using folder = await Folder.make()
  const store = await folder.store()
  let started = 0
  const count = () => void started++
  process.on('worker', count)
  for (let turn = 0; turn < 3; turn++) await (await watching(folder.file)).stop()
  process.off('worker', count)
  expect(started).toBeLessThan(3)
  expect(process.getActiveResourcesInfo()).not.toContain('MessagePort')
  await store.close()
})

it('the lease thread closes its store when the process ends, also while another process has locked the file', async () => {
  await using folder = await Folder.make()
  const store = await folder.store()
  const thread = await watching(folder.file)
  const locker = openRaw(folder.file)
  locker.exec('BEGIN IMMEDIATE')
  thread.processEnds({ cause: 'ended with exit code 3', outcomes: [] })
  expect(thread.awaitEnd(performance.now() + 200)).toBe(false)
  thread.giveUp()
  // After that, Node may end the thread, because it is in no call to SQLite. (If Node ended the thread during
  // a call to SQLite, the process would abort.)
  expect(thread.awaitEnd(performance.now() + 10_000)).toBe(true)
  locker.close()
  await thread.stop()
  await store.close()
})

it('the lease thread does not report outcomes as sent if it can no longer read the store', async () => {
  await using folder = await Folder.make()
  const store = await folder.store()
  const thread = await watching(folder.file)
  const newer = openRaw(folder.file)
  newer.exec('PRAGMA user_version = 999')
  newer.close()
  const outcome = { kind: 'completed' } as const
  thread.processEnds({ outcomes: [['default', [{ id: 'a', token: 'ada.1', outcome }]]] })
  expect(thread.awaitEnd(performance.now() + 10_000)).toBe(true)
  expect(thread.hasTold).toBe(false)
  await thread.stop()
  await store.close()
})
