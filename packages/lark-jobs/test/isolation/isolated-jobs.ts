/**
 * Isolated job classes. Isolated processes load this file, so it imports the package as an application does.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import {
  context,
  defineSignal,
  group,
  isolated,
  Job,
  Jobs,
  limiter,
  NonRetryableError,
  unique,
} from '@s18i/lark-jobs'

const file = import.meta.url

abstract class IsolatedJob extends Job {
  override isolate = isolated({ file, grace: 100 })
  override tries = 1
}

/** A job that returns its process, its payload and its context. */
export class EchoJob extends IsolatedJob {
  handle(payload: { text?: string } = {}) {
    this.info(`echoes ${payload.text}`)
    this.progress(1, 2, 'half')
    const { id, attempt } = this
    return { pid: process.pid, id, attempt, payload, context: context() }
  }
}

export class Teapot extends Error {
  override name = 'Teapot'
  readonly code = 'E_TEAPOT'
  readonly status = 418
  readonly socket = { self: undefined as unknown, big: 1n }
}

/** The arguments of `retryIf` and `failed`, by id. Both are called in the worker. */
export const told = new Map<string, unknown[]>()

export class ThrowJob extends IsolatedJob {
  override tries = 3
  override backoff = 0
  handle(payload: { how: 'error' | 'text' | 'final' | 'fail' | 'false' }) {
    if (payload.how === 'text') throw 'just a text'
    if (payload.how === 'final') throw new NonRetryableError('stolen', { cause: new Error('by whom?') })
    if (payload.how === 'fail') this.fail(new Teapot('failed itself'))
    if (payload.how === 'false') return false
    throw new Teapot('short and stout', { cause: new RangeError('too hot') })
  }

  override retryIf(error: unknown): boolean {
    told.set(this.id!, [error])
    return (error as { status?: number }).status !== 418
  }

  override failed(error: unknown): void {
    told.set(this.id!, [...(told.get(this.id!) ?? []), error])
  }
}

/** A job that its first run releases. */
export class ReleaseJob extends IsolatedJob {
  handle() {
    if (this.attempt === 1 && !released.has(this.id!)) {
      released.add(this.id!)
      this.release(0, 'not yet')
    }
    return process.pid
  }
}
const released = new Set<string>()

/** A job that returns a value that JSON cannot represent. */
export class OddJob extends IsolatedJob {
  handle() {
    return { big: 1n }
  }
}

/** A job that ignores its signal in one of several ways, and keeps its process busy. */
export class HoldJob extends IsolatedJob {
  override timeout = 2_000
  async handle(payload: { how: 'loop' | 'wait' | 'never' | 'child'; file?: string }) {
    if (payload.how === 'child') {
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
      writeFileSync(payload.file!, `${process.pid} ${child.pid}`)
    }
    this.info('begins')
    if (payload.how === 'loop') for (;;);
    if (payload.how === 'wait') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    await new Promise(() => {})
  }
}

/** What happened to the jobs of a strict group, in order. */
export const happened: string[] = []

/** A job that keeps its process busy after a step. Everything around the handler runs in the worker. */
export class BusyJob extends IsolatedJob {
  override timeout = 2_000
  override tries = 2
  override backoff = 0
  override group = group(() => 'one', { strict: true })
  override middleware() {
    return [
      async function around(job: { attempt: number }, next: () => Promise<unknown>) {
        try {
          return await next()
        } finally {
          happened.push(`left attempt ${job.attempt}`)
        }
      },
    ]
  }

  async handle(payload: { holds: boolean }) {
    if (!payload.holds) return
    await this.step('charge', () => this.info('charges'), { undo: () => this.info('gives back') })
    this.progress(1, 3)
    this.info('holds')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }

  override failed(error: unknown): void {
    happened.push((error as { code: string }).code)
  }
}

/** A job that ends when its file exists, and removes the file. */
export class FileJob extends IsolatedJob {
  async handle(payload: { file: string }) {
    this.info('begins')
    while (!existsSync(payload.file)) await pause(10)
    rmSync(payload.file)
    return process.pid
  }
}

/** A job that runs until its signal is aborted. */
export class PatientJob extends IsolatedJob {
  override isolate = isolated({ file, grace: '20s' })
  async handle() {
    this.info('begins')
    await once(this.signal, 'abort')
    this.info(`was told: ${(this.signal.reason as Error & { code: string }).code}`)
    throw this.signal.reason
  }
}

export class EndJob extends IsolatedJob {
  async handle(payload: { how: 'exit' | 'abort' | 'segv' | 'full' | 'uncaught' }) {
    process.stderr.write('the last words\n')
    if (payload.how === 'exit') process.exit(3)
    if (payload.how === 'abort') process.kill(process.pid, 'SIGABRT')
    if (payload.how === 'segv') process.kill(process.pid, 'SIGSEGV')
    const all: number[][] = []
    while (payload.how === 'full') all.push(Array(4_000_000).fill(0.5))
    setTimeout(() => {
      throw new Error('nobody catches this')
    })
    await new Promise(() => {})
  }
}

export class OnceJob extends IsolatedJob {
  override tries = 5
  override maxCrashes = 1
  handle() {
    process.exit(0)
  }
}

/** The action of each attempt. `step`: the attempt records a step, and then ends the process. */
export class CrashJob extends IsolatedJob {
  override tries = 5
  override backoff = 0
  override maxCrashes = 2
  async handle(payload: { how: ('exit' | 'throw' | 'step')[] }) {
    const how = payload.how[this.attempt - 1]
    if (how === 'throw') throw new Error('no crash')
    if (how === 'step') await this.step('progress', () => 1)
    process.exit(1)
  }
}

export class GreedyJob extends IsolatedJob {
  override isolate = isolated({ file, memory: '150mb' })
  handle() {
    const all: Buffer[] = []
    for (;;) all.push(Buffer.alloc(2 ** 20, 1))
  }
}

export const approved = defineSignal<{ by: string }>('approved')

export class StepJob extends IsolatedJob {
  override tries = 3
  override backoff = 0
  async handle(payload: { dies?: boolean } = {}) {
    const first = await this.step('first', () => process.pid)
    if (payload.dies && (await this.step('once', () => this.attempt)) === this.attempt) process.exit(1)
    await this.sleep('long', 1_100)
    const answer = await this.waitFor(approved)
    const child = await this.runJob('child', new EchoJob().with({ text: 'from a step' }))
    return { first, by: answer?.value.by, child: child.payload }
  }
}

export class UndoneJob extends IsolatedJob {
  async handle() {
    await this.step('charge', () => 'card', { undo: (card) => this.info(`gives back: ${card}`) })
    throw new Error('no stock')
  }
}

/**
 * A job that commits in a database of the application, and whose process dies before the worker knows of the
 * commit.
 */
export class BookJob extends IsolatedJob {
  override tries = 2
  override backoff = 0
  async handle({ file }: { file: string }) {
    const db = await databaseIn(file)
    const opener = {
      async transaction(work: (tx: typeof db) => Promise<unknown>) {
        db.exec('BEGIN IMMEDIATE')
        await work(db)
        db.exec('COMMIT')
        if (this.dies) process.exit(1)
      },
      dies: this.attempt === 1,
    }
    return this.stepIn(opener, 'book', (tx) => {
      tx.prepare('INSERT INTO orders VALUES (?)').run(this.attempt)
      return { pid: process.pid, attempt: this.attempt }
    })
  }
}

async function databaseIn(file: string) {
  const { default: Libsql } = await import('libsql')
  return new Libsql(file)
}

export class LimitedJob extends IsolatedJob {
  override limiter = limiter({ concurrency: 1 })
  override unique = unique((payload: { at: number }) => payload.at)
  override group = group((payload: { at: number }) => payload.at % 2)
  async handle(_: { at: number }) {
    const began = Date.now()
    await pause(30)
    return [began, Date.now()]
  }
}

export class FlowJob extends IsolatedJob {
  async handle() {
    const status = await this.flow!.status()
    return status?.counts.total
  }
}

export class WorkJob extends IsolatedJob {
  async handle() {
    await Jobs.work({ jobs: [] })
  }
}
