/**
 * The processes of a supervisor: when an ended process is replaced although the store is slow, and why
 * processes end.
 */
import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { Supervisor } from '../../src/supervisor/supervisor.ts'
import { WorkerProcess } from '../../src/supervisor/worker-process.ts'
import { through } from '../../src/testing/link.ts'
import { Deferred } from '../../src/waiting/deferred.ts'
import { Caller } from '../conformance/caller.ts'
import { job } from '../conformance/jobs.ts'
import { Folder } from '../sqlite/folder.ts'

/** The program of a process. Its argument says whether it is the first process. */
const program = `
  const tell = (report, then) => process.send({ lark: report }, then)
  tell({ kind: 'serving' }, () => {
    if (process.argv[1] === 'first') process.exit(3)
    tell({ kind: 'ended', finished: true }, () => process.exit())
  })`

test('if a replacement process has already finished, no further process starts when the job that ended the first process is found', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const finished = new Deferred<void>()
  // The first answer about the jobs of the dead process comes only when the next process has run all its
  // jobs.
  const slow = through(store, async (verb, _, go) => {
    if (verb === 'recover') await finished.promise
    return go()
  })
  await new Caller(store, 'web', 'emails').enqueue(job({ options: { maxCrashes: 1 } }))
  let started = 0
  const said: string[] = []
  const supervisor = new Supervisor({
    ...{ processes: 1, store: slow, queues: ['emails'], limiters: [], remarks: [] },
    report: { warn: (text) => said.push(text), info: (text) => said.push(text), counted() {} },
    start: ({ worker }) => {
      const isFirst = ++started === 1
      if (isFirst) void new Caller(store, worker, 'emails').claim()
      const child = spawn(process.execPath, ['-e', program, isFirst ? 'first' : 'next'], {
        stdio: ['ignore', 'ignore', 'ignore', 'ipc', 'pipe'],
      })
      if (!isFirst) child.once('close', () => setImmediate(finished.resolve))
      return child
    },
  })
  supervisor.start()
  expect(await supervisor.done).toMatchObject({ isInOrder: true })
  expect(said.join()).toContain('1 job failed with WORKER_DIED')
  expect(started).toBe(2)
  await supervisor.stop()
})

test.each([
  ['exits', 'process.exit(3)', true],
  ['breaks down', 'process.kill(process.pid, "SIGABRT")', true],
  ['is killed', 'process.kill(process.pid, "SIGKILL")', false],
  ['exits after it was told to stop', 'process.on("message", () => process.exit(3))', false],
])('a process that %s: whether what it ran has ended it', async (how, code, fromWithin) => {
  const program = `process.send({ lark: { kind: 'serving' } }, () => { ${code} })`
  const child = new WorkerProcess(
    ...([1, 1] as const),
    () => spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'ignore', 'ignore', 'ipc', 'pipe'] }),
    () => {},
  )
  await child.start()
  await child.began
  if (how.includes('told')) await child.stop()
  expect(await child.departed).toMatchObject({ kind: 'died', fromWithin })
  await child.stop()
})
