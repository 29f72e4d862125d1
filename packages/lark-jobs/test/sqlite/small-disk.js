/**
 * A process whose store is on a disk of a few MiB: `node small-disk.js <what fills it> <folder>`. A worker
 * and two dispatchers in this process use the file. The process reports the results to the test, and uses the
 * built package.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createJobs, Job } from '../../dist/index.js'

const [filler, folder] = process.argv.slice(2)
const connection = `sqlite:${join(folder, 'jobs.db')}`
const HELD = 4
/** Milliseconds after which the process reports its present results, and the test fails. */
const LONGEST = 40_000

/**
 * Empties the log in another process, because a second SQLite library in this process might release the locks
 * of the store.
 */
function emptyLog(file) {
  const script = `
    import Libsql from 'libsql'
    new Libsql(${JSON.stringify(file)}).exec('PRAGMA wal_checkpoint(TRUNCATE)')`
  execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: import.meta.dirname })
}

let started = 0
let release
const released = new Promise((resolve) => {
  release = resolve
})
/** Called after each change. */
let look = () => {}
function until(isSo) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, LONGEST, false)
    look = () => {
      if (!isSo()) return
      clearTimeout(timer)
      resolve(true)
    }
    look()
  })
}

class HoldJob extends Job {
  async handle() {
    started += 1
    look()
    await released
  }
}
class FillJob extends Job {
  handle() {}
}

const said = []
let ended = 0
const tell = (text) => {
  said.push(text)
  look()
}
const report = {
  wrote() {},
  ended() {
    ended += 1
    look()
  },
  warn: tell,
  info: tell,
}

const webs = [createJobs({ connection }), createJobs({ connection })]
const jobs = createJobs({ connection })
const inside = Object.getOwnPropertySymbols(Object.getPrototypeOf(jobs)).find(({ description }) =>
  description.endsWith('.inside'),
)
const { store } = await jobs[inside].open()
/** How often the store refused each verb of the worker. */
const refused = {}
for (const verb of ['exchange', 'survey']) {
  const original = store[verb].bind(store)
  store[verb] = (...args) =>
    original(...args).catch((error) => {
      refused[verb] = (refused[verb] ?? 0) + 1
      look()
      throw error
    })
}
const worker = await jobs.work({ jobs: [HoldJob, FillJob], report, concurrency: HELD })
for (let held = 0; held < HELD; held += 1) await webs[0].dispatch(new HoldJob())
await until(() => started === HELD)

let accepted = HELD
const dispatch = (n) =>
  webs[n % 2].dispatch(new FillJob(), { text: 'x'.repeat(2_000) }).then(() => accepted++)
const fill = async (count) => {
  for (let n = 0; n < count; n += 20)
    await Promise.all(Array.from({ length: 20 }, (_, place) => dispatch(place)))
}
const failure = (error) => ({ code: error.code, message: error.message })

const scenarios = {
  /** Dispatches fill the disk. */
  async dispatches() {
    const first = await fill(Number.POSITIVE_INFINITY).catch(failure)
    const before = accepted
    release()
    const isDone = await until(() => ended === accepted)
    // Dispatch the same number of jobs again, because completed jobs make room. Dispatches are faster than
    // the worker, so the loop waits for the worker.
    while (accepted < before * 2) {
      const done = ended
      const refusal = await fill(1_000).catch(failure)
      if (refusal !== undefined && !(await until(() => ended > done || ended === accepted))) break
    }
    const again = accepted - before
    return { first, before, isDone, again, isDoneAgain: await until(() => ended === accepted) }
  },

  /** Another program fills the disk, and makes room after a while. */
  async neighbour() {
    await fill(200)
    // Empty the log, because otherwise small calls would find room in it.
    emptyLog(join(folder, 'jobs.db'))
    const path = join(folder, 'neighbour')
    const file = openSync(path, 'w')
    try {
      for (const size of [65_536, 4_096, 1]) {
        try {
          for (;;) if (writeSync(file, Buffer.alloc(size)) < size) break
        } catch {
          // The disk is full: less than this size is free.
        }
      }
    } finally {
      closeSync(file)
    }
    release()
    const first = await dispatch(0).catch(failure)
    const isRefused = await until(() => ['exchange', 'survey'].every((verb) => refused[verb] > 0))
    rmSync(path)
    const isDone = await until(() => ended === accepted)
    await fill(20)
    return { first, isRefused, isDone, isDoneAgain: await until(() => ended === accepted) }
  },
}

const outcome = await scenarios[filler]()
await worker.stop()
const status = await jobs.status()
process.send({
  ...outcome,
  accepted,
  ended,
  said,
  completed: worker.summary.completed,
  queues: status.queues,
})
await Promise.all([...webs, jobs].map((client) => client.close()))
process.disconnect()
