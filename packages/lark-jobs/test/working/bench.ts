/**
 * The tests of dispatching and working share an empty store, clients on it, and a report that they can await.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Jobs } from '../../src/api/jobs.ts'
import type { WorkOptions } from '../../src/api/work.ts'
import {
  createJobs,
  type EndedRun,
  type Job,
  type JobConstructor,
  type JobsConfig,
  type LogLine,
  type WorkerReport,
} from '../../src/index.ts'
import type { ClaimedJob } from '../../src/model/record.ts'
import type { Remedy } from '../../src/model/remedy.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { keysThatMention, newPrefix, removeKeys, rewordLimits } from '../redis/place.ts'
import { rewordLanes } from '../sqlite/raw.ts'

export type Connect = () => Promise<{
  connection: string
  prefix?: string
  /** Finds the keys or files of the store that contain a text. */
  mentions?(text: string): Promise<string[]>
  /** As `Place.rewordLimits` of the conformance tests. */
  rewordLimits?(from: string, to: string): Promise<void>
  remove(): Promise<void>
}>

/** A new database file. */
export const sqliteFile: Connect = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lark-'))
  const file = join(folder, 'jobs.db')
  return {
    connection: `sqlite:${file}`,
    mentions: async (text) => {
      const files = await readdir(folder)
      const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'latin1')))
      return files.filter((_, i) => texts[i]!.includes(text))
    },
    rewordLimits: async (from, to) => rewordLanes(file, from, to),
    remove: () => rm(folder, { recursive: true }),
  }
}

/** A new key prefix on a Redis server. */
export function redisPrefix(url: string): Connect {
  return async () => {
    const prefix = newPrefix()
    return {
      ...{ connection: url, prefix },
      mentions: (text) => keysThatMention(url, prefix, text),
      rewordLimits: (from, to) => rewordLimits(url, prefix, from, to),
      remove: () => removeKeys(url, prefix),
    }
  }
}

type AnyJob = new () => Job

export class Bench implements AsyncDisposable {
  readonly jobs: Jobs
  readonly place: Awaited<ReturnType<Connect>>
  readonly #clients: Jobs[] = []

  private constructor(place: Awaited<ReturnType<Connect>>) {
    this.place = place
    this.jobs = this.client()
  }

  static async make(connect: Connect): Promise<Bench> {
    return new Bench(await connect())
  }

  /** Makes another client on the same store, as another process would have it. */
  client(config: JobsConfig = {}): Jobs {
    const { connection, prefix } = this.place
    const client = createJobs({
      connection,
      queues: ['default', 'emails', 'low'],
      ...(prefix !== undefined && { prefix }),
      ...config,
    })
    this.#clients.push(client)
    return client
  }

  /**
   * Starts a worker for these classes. The worker stops at the end of the test, and gives its jobs back at
   * once.
   */
  work(jobs: readonly AnyJob[], options: WorkOptions = {}, client = this.jobs): Promise<Worker> {
    return client.work({ report: new Record(), ...options, jobs: jobs as unknown as JobConstructor[] })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
    await this.place.remove()
  }
}

/** Keeps the reports of a worker, and resolves when enough runs have ended. */
export class Record implements WorkerReport {
  readonly endings: EndedRun[] = []
  readonly lines: string[] = []
  readonly warnings: string[] = []
  readonly remedies: Remedy[] = []
  #awaited: { count: number; resolve: () => void }[] = []

  /** Resolves when `count` runs have ended. */
  ends(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#awaited.push({ count, resolve })
      this.#tell()
    })
  }

  wrote(_lease: ClaimedJob, _name: string, line: LogLine): void {
    this.lines.push(`${line.level}: ${line.text}`)
  }

  ended(ending: EndedRun): void {
    this.endings.push(ending)
    this.#tell()
  }

  warn(text: string, remedy?: Remedy): void {
    this.warnings.push(text)
    if (remedy !== undefined) this.remedies.push(remedy)
  }

  info(text: string): void {
    this.warnings.push(text)
  }

  #tell(): void {
    this.#awaited = this.#awaited.filter(({ count, resolve }) => {
      if (this.endings.length < count) return true
      resolve()
      return false
    })
  }
}

/** A promise and the function that resolves it. */
export function signal<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
