/**
 * The shared lifecycle of all running parts (`worker/part.ts`): a part does nothing before `start` and after
 * `stop`, and each step may be repeated. These tests cover each part of a worker that is in the list of
 * `parts.ts`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { filesBelow, read } from '../../../../test/source.ts'
import { Job } from '../../src/index.ts'
import { IsolationPool } from '../../src/isolation/pool.ts'
import type { AnnouncedWorker } from '../../src/model/record.ts'
import type { Operated } from '../../src/operate/operated.ts'
import type { JobConstructor } from '../../src/options/job-class.ts'
import { Registry } from '../../src/options/registry.ts'
import type { ConfiguredOutbox } from '../../src/outbox/outbox-database.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { HandBack } from '../../src/supervisor/hand-back.ts'
import { SourceWatch } from '../../src/supervisor/source-watch.ts'
import { Supervisor } from '../../src/supervisor/supervisor.ts'
import { WorkerProcess } from '../../src/supervisor/worker-process.ts'
import { HealthServer } from '../../src/telemetry/health/health-server.ts'
import { type HttpAddress, HttpServer } from '../../src/telemetry/health/http-server.ts'
import { Systemd } from '../../src/telemetry/health/systemd.ts'
import { through } from '../../src/testing/link.ts'
import type { WorkerOptions } from '../../src/worker/options.ts'
import type { Lifecycle, Part } from '../../src/worker/part.ts'
import { wire } from '../../src/worker/parts.ts'
import { Worker } from '../../src/worker/worker.ts'
import { Caller } from '../conformance/caller.ts'
import { job } from '../conformance/jobs.ts'
import { Folder, options as storeOptions } from '../sqlite/folder.ts'

class SomeJob extends Job {
  handle() {}
}

beforeEach(() => {
  // The timers are fake, to check that a part starts its timers only once.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
})
afterEach(() => {
  vi.useRealTimers()
})

interface Setting extends AsyncDisposable {
  folder: Folder
  options: WorkerOptions
  /** How many calls the store has had. */
  calls(): number
}

const outbox: ConfiguredOutbox = { for: 'sqlite', execute: () => [], listen: undefined, name: 'outbox' }

/** Makes options for a worker with a new store. */
async function setting(): Promise<Setting> {
  const folder = await Folder.make()
  const opened = await folder.store()
  let calls = 0
  const store: Store = through(opened, (_verb, _args, go) => {
    calls++
    return go()
  })
  const registry = new Registry()
  registry.add(SomeJob as JobConstructor)
  const options: WorkerOptions = {
    ...{ store, registry, id: 'ada', queues: ['default'], onStuck() {} },
    location: { connection: `sqlite:${folder.file}`, prefix: 'lark', options: storeOptions },
    report: { wrote() {}, ended() {}, info() {}, warn: (text) => expect.unreachable(text) },
    ...{ schedules: { declared: [], placeOf: () => 'default' }, outbox },
  }
  return {
    ...{ folder, options, calls: () => calls },
    async [Symbol.asyncDispose]() {
      await opened.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** The parts of a worker that was not started. */
function partsOf(options: WorkerOptions): readonly Part[] {
  const record = (): AnnouncedWorker => ({
    ...{ id: 'ada', host: 'here', pid: 1, queues: ['default'], strict: false, keys: [] },
    ...{ concurrency: 1, running: 0, startedAt: 0, seenAt: 0, state: 'running', version: '1.0.0' },
  })
  const obeying = { state: 'running', quiet() {}, resume() {}, restart() {} } as const
  return wire(options, { id: 'ada', signal: new AbortController().signal, obeying, record, turned() {} }).all
}

/** Resolves when all work that waits for no timer is done. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn()
}

/**
 * Returns the activities of this process: handles that keep the process alive, timers, and listeners for the
 * end of the process.
 */
function running(): string[] {
  const handles = process
    .getActiveResourcesInfo()
    .filter((name) => /^(FSEvent|Process|TCPServer)Wrap$/.test(name))
  return [...handles.sort(), `${vi.getTimerCount()} timers`, `${process.listenerCount('exit')} listeners`]
}

/** A handle that is being closed disappears after a few turns. */
async function runs(expected: readonly string[]): Promise<void> {
  for (let i = 0; i < 5_000 && running().join() !== expected.join(); i++) await turn()
  expect(running()).toEqual(expected)
}

/** @param make makes the part that is started and stopped, in a setting of its own */
function livesOnce(make: (setting: Setting) => Lifecycle) {
  test('nothing runs before it starts', async () => {
    await using at = await setting()
    const nothing = running()
    const part = make(at)
    await settled()
    expect([running(), at.calls()]).toEqual([nothing, 0])
    await Promise.all([part.stop(0), part.stop(0)])
    await part.start()
    await settled()
    expect([running(), at.calls()]).toEqual([nothing, 0])
  })

  test('each step may be repeated, and after `stop` nothing is left', async () => {
    await using at = await setting()
    const nothing = running()
    const part = make(at)
    await Promise.all([part.start(), part.start()])
    await settled()
    const started = [running(), at.calls()]
    await part.start()
    await settled()
    expect([running(), at.calls()]).toEqual(started)
    void part.quiet()
    await settled()
    const quiet = [running(), at.calls()]
    void part.quiet()
    await settled()
    expect([running(), at.calls()]).toEqual(quiet)
    await Promise.all([part.stop(0), part.stop(0)])
    await runs(nothing)
    const calls = at.calls()
    await part.start()
    void part.quiet()
    await part.stop(0)
    await part[Symbol.asyncDispose]()
    await settled()
    expect([running(), at.calls()]).toEqual([nothing, calls])
  })
}

/** Starts a process that ends when it is told to stop. */
function start(): ChildProcess {
  const code = "process.on('message', ({ lark }) => lark.kind === 'stop' && process.exit())"
  return spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'ignore', 'ignore', 'ipc', 'pipe'] })
}

/** Starts an isolated process that ends when it is told to end. */
function startIsolated(): ChildProcess {
  const code = "process.on('message', ({ lark }) => lark.kind === 'end' && process.exit())"
  const stdio = ['ignore', 'ignore', 'ignore', 'ipc', 'pipe'] as const
  return spawn(process.execPath, ['-e', code], { stdio: [...stdio], serialization: 'advanced' })
}

const address: HttpAddress = { host: '127.0.0.1', port: 0 }
const answer = async () => ({ status: 200, text: '' })
const nobody = {} as Operated
const nothing = () => undefined
/** The parts of a supervisor, and of the reports about workers. */
const others: Record<string, (setting: Setting) => Lifecycle> = {
  WorkerProcess: () => new WorkerProcess(1, 1, start, () => {}),
  IsolationPool: () =>
    new IsolationPool({
      ...{ processes: 2, idle: 60_000, warn: (text) => expect.unreachable(text) },
      ...{ setting: { classes: [], makes: false, boots: false, traced: false }, start: startIsolated },
    }),
  HandBack: ({ options }) => new HandBack({ ...options, limiters: [] }),
  SourceWatch: ({ folder }) => new SourceWatch(folder.path, () => {}),
  HttpServer: () => new HttpServer(address, answer),
  HealthServer: () => new HealthServer(address, nobody, (text) => expect.unreachable(text)),
  Systemd: () => Systemd.find(nothing, nothing)!,
}

const registry = new Registry()
const schedules = { declared: [], placeOf: () => 'default' }
const silent = { wrote() {}, ended() {}, info() {}, warn() {} }
const workerParts = partsOf({
  store: {} as Store,
  registry,
  report: silent,
  queues: [],
  schedules,
  outbox,
}).map((part) => part.constructor.name)

describe.each(workerParts)('%s, a part of a worker', (name) => {
  const make = (options: WorkerOptions) => partsOf(options).find((part) => part.constructor.name === name)!
  livesOnce(({ options }) => make(options))

  test('starts as quiet if it was told so before, and takes jobs again after resume', async () => {
    await using at = await setting()
    await using part = make(at.options)
    void part.quiet()
    await part.start()
    expect(part.isRunning).toBe(false)
    part.resume()
    expect(part.isRunning).toBe(true)
    void part.stop()
    part.resume()
    expect([part.isRunning, part.isStopped]).toEqual([false, true])
  })
})

describe.each(Object.entries(others))('%s', (_, make) => {
  beforeEach(() => {
    vi.stubEnv('NOTIFY_SOCKET', '/nowhere')
    vi.stubEnv('WATCHDOG_USEC', '1000000')
  })
  afterEach(() => {
    vi.unstubAllEnvs()
  })
  livesOnce(make)
})

test('every part is tested here', () => {
  const classes = ['worker', 'supervisor', 'isolation', 'telemetry'].flatMap((room) => {
    const files = filesBelow(`packages/lark-jobs/src/${room}`, '.ts').map((file) =>
      read(`packages/lark-jobs/src/${room}/${file}`),
    )
    return files.flatMap((text) =>
      [...text.matchAll(/^(?:export )?class (\w+) extends Part/gm)].map(([, name]) => name),
    )
  })
  // The claimer is stopped by the part that serves its partition, and the watch runs in the lease thread.
  const tested = [...workerParts, ...Object.keys(others), 'Claimer', 'LeaseWatch']
  expect(tested.sort()).toEqual(classes.sort())
})

describe('a worker', () => {
  livesOnce(({ options }) => new Worker(options))

  test('takes no job if it is told to be quiet while it starts', async () => {
    await using at = await setting()
    const { store } = at.options
    await new Caller(store, 'web', 'default').enqueue(job())
    const worker = new Worker(at.options)
    const starting = worker.start()
    void worker.quiet()
    await starting
    await worker.stop()
    expect(await store.counts('default')).toMatchObject({ waiting: 1, delayed: 0, completed: 0 })
  })
})

describe('a supervisor', () => {
  livesOnce(({ options }) => {
    const report = { ...options.report, warn() {}, counted() {} }
    return new Supervisor({ ...options, processes: 2, start, limiters: [], remarks: [], report })
  })
})
