/**
 * An application whose jobs write a trace and act as their payload says (exit, hang, block), and functions
 * that inspect these jobs.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import { connect } from '../../src/store/connect.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App, type Running } from './app.ts'
import { traceFiles } from './trace.ts'

const files = {
  ...traceFiles,
  'jobs/MoodJob.js': `
    import { appendFileSync, readFileSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    import { Job } from '@s18i/lark-jobs'
    const trace = (what, n) => appendFileSync(process.env.TRACE, what + ' ' + process.pid + ' ' + n + '\\n')
    const starts = () => readFileSync(process.env.TRACE, 'utf8').match(/^start .* 1000$/gm)?.length ?? 0
    // A loop would also block, but would take CPU time from other tests.
    const block = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    /** A job that acts as its payload says. */
    export class MoodJob extends Job {
      key = 'mood'
      queueName = 'other'
      tries = 3
      backoff = 0
      async handle({ n, mood }) {
        trace('start', n)
        if (mood === 'exits') process.exit(3)
        if (mood === 'blocks' && this.attempt === 1) block()
        if (mood === 'blocks behind an await' && this.attempt === 1) await (async () => block(await null))()
        // This job does not end before another job has blocked the process.
        if (mood === 'naps' && starts() < 5) await sleep(600_000)
        if (mood === 'hangs' && this.attempt === 1) await new Promise(() => {})
        if (mood === 'blocks its hook') throw new Error('no')
        trace('end', n)
        return mood === 'talks' ? 'x'.repeat(50_000) : true
      }
      failed(error, { n, mood }) {
        trace('told', n + ' ' + error.code)
        if (mood === 'blocks its hook') block()
      }
    }`,
  'mood.js': `
    import { MoodJob } from './jobs/MoodJob.js'
    const job = new MoodJob()
    const [mood, timeout, count, tries] = process.argv.slice(2)
    if (timeout) job.timeout = timeout
    if (tries) job.tries = Number(tries)
    const moods = mood.split(', ')
    await job.dispatchMany(Array.from({ length: Number(count) * moods.length }, (_, i) => ({ n: 1_000, mood: moods[i % moods.length] })))
    console.log(job.id)`,
}

type Mood =
  | 'exits'
  | 'hangs'
  | 'blocks'
  | 'blocks behind an await'
  | 'blocks its hook'
  | 'naps'
  | 'talks'
  | 'fine'

export interface Traced {
  app: App
  /** Starts `lark jobs:work` with these flags. */
  work(...flags: string[]): Running
  /** Dispatches `count` jobs that sleep for `ms` milliseconds each. */
  fill(count: number, ms: number): Promise<void>
  /**
   * Dispatches a job for each word. The job acts as the word says. Jobs hang or block only at their first
   * attempt.
   * @returns the id, if there is only one job
   */
  mood(
    words: Mood | `${Mood}, ${string}`,
    options?: { timeout?: string; count?: number; tries?: number },
  ): Promise<string>
}

/** Makes an application whose jobs write a trace. @param url of its store; undefined: the embedded store */
export async function tracedApp(url?: string): Promise<Traced & AsyncDisposable> {
  const prefix = newPrefix()
  const app = await App.make(files, { LARK_JOBS_URL: url, PREFIX: prefix })
  if (url !== undefined) app.atEnd(() => removeKeys(url, prefix))
  await app.write({ 'trace.txt': '' })
  const bin = join(app.folder, 'node_modules/@s18i/lark/dist/bin.js')
  return {
    app,
    work: (...flags) =>
      app.start([bin, 'jobs:work', ...flags], '.', { TRACE: join(app.folder, 'trace.txt') }),
    async fill(count, ms) {
      expect(await app.start(['fill.js', String(count), String(ms)]).result).toMatchObject({ code: 0 })
    },
    async mood(word, { timeout = '', count = 1, tries } = {}) {
      const words = [word, timeout, String(count), ...(tries === undefined ? [] : [String(tries)])]
      return (await app.start(['mood.js', ...words]).result).stdout.trim()
    },
    [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
  }
}

/** Waits until the condition is true. */
export async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await pause(10)
}

/** Whether a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Opens the store of an application in this process, because a process for each call would be slow. */
export async function storeOf({ folder, env }: App): Promise<Store> {
  const store = await connect(env.LARK_JOBS_URL ?? `sqlite:${folder}/.lark/jobs.db`, env.PREFIX!)
  await store.open()
  return store
}

export const countsOf = async (app: App, queue: 'default' | 'other') => {
  await using store = await storeOf(app)
  return await store.counts(queue)
}
