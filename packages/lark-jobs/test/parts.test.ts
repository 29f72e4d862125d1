/**
 * One lifecycle for all that runs (`worker/part.ts`): nothing runs before `start` and after `stop`, and each step may be
 * taken again. A new part of a worker is tested here as soon as it is in the list of `wiring.ts`.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { filesBelow, read } from '../../../test/source.ts'
import { Job } from '../src/index.ts'
import type { AnnouncedWorker } from '../src/model/record.ts'
import type { JobConstructor } from '../src/options/job-class.ts'
import { Registry } from '../src/options/registry.ts'
import type { Store } from '../src/store/contract/store.ts'
import { through } from '../src/testing/link.ts'
import type { WorkerOptions } from '../src/worker/options.ts'
import type { Lifecycle, Part } from '../src/worker/part.ts'
import { wire } from '../src/worker/wiring.ts'
import { Worker } from '../src/worker/worker.ts'
import { Folder, options as storeOptions } from './sqlite/folder.ts'

class SomeJob extends Job {
  handle() {}
}

beforeEach(() => {
  // Those that start something see whether it is there once or twice.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A worker's options, on a store of its own. `seen` tells what runs, and how many calls were made so far. */
async function setting() {
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
    place: { connection: `sqlite:${folder.file}`, prefix: 'lark', options: storeOptions },
    report: { wrote() {}, ended() {}, info() {}, warn: (text) => expect.unreachable(text) },
    schedules: { declared: [], placeOf: () => 'default' },
  }
  const timers = vi.getTimerCount()
  const exits = process.listenerCount('exit')
  return {
    options,
    running: () => ({ timers: vi.getTimerCount() - timers, exits: process.listenerCount('exit') - exits }),
    calls: () => calls,
    async [Symbol.asyncDispose]() {
      await opened.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** The parts of a worker that is not there. */
function partsOf(options: WorkerOptions): readonly Part[] {
  const record = (): AnnouncedWorker => ({
    ...{ id: 'ada', host: 'here', pid: 1, queues: ['default'], strict: false, keys: [] },
    ...{ concurrency: 1, running: 0, startedAt: 0, seenAt: 0, state: 'running', version: '1.0.0' },
  })
  const obeying = { state: 'running', quiet() {}, resume() {}, restart() {} } as const
  return wire(options, { id: 'ada', signal: new AbortController().signal, obeying, record, turned() {} }).all
}

/** Until all that can go on without a timer has gone on. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn()
}

interface Setting {
  running(): object
  calls(): number
}

/** @param make makes what is started and stopped, in a setting of its own */
function livesOnce<S extends Setting & AsyncDisposable>(
  open: () => Promise<S>,
  make: (setting: S) => Lifecycle,
) {
  test('nothing runs before it starts', async () => {
    await using at = await open()
    const nothing = at.running()
    const part = make(at)
    await settled()
    expect([at.running(), at.calls()]).toEqual([nothing, 0])
    await Promise.all([part.stop(0), part.stop(0)])
    await part.start()
    await settled()
    expect([at.running(), at.calls()]).toEqual([nothing, 0])
  })

  test('each step may be taken again, and after `stop` nothing is left', async () => {
    await using at = await open()
    const nothing = at.running()
    const part = make(at)
    await Promise.all([part.start(), part.start()])
    await settled()
    const started = [at.running(), at.calls()]
    await part.start()
    await settled()
    expect([at.running(), at.calls()]).toEqual(started)
    void part.quiet()
    await settled()
    const quiet = [at.running(), at.calls()]
    void part.quiet()
    await settled()
    expect([at.running(), at.calls()]).toEqual(quiet)
    await Promise.all([part.stop(0), part.stop(0)])
    await settled()
    expect(at.running()).toEqual(nothing)
    const calls = at.calls()
    await part.start()
    void part.quiet()
    await part.stop(0)
    await part[Symbol.asyncDispose]()
    await settled()
    expect([at.running(), at.calls()]).toEqual([nothing, calls])
  })
}

describe('each part of a worker', () => {
  const registry = new Registry()
  const schedules = { declared: [], placeOf: () => 'default' }
  const report = { wrote() {}, ended() {}, info() {}, warn() {} }
  const parts = partsOf({ store: {} as Store, registry, report, queues: [], schedules })

  describe.each(parts.map((part, index) => ({ name: part.constructor.name, index })))(
    '$name',
    ({ index }) => {
      livesOnce(setting, ({ options }) => partsOf(options)[index]!)

      test('is quiet when it starts, if it was told so before, and then takes more again', async () => {
        await using at = await setting()
        await using part = partsOf(at.options)[index]!
        void part.quiet()
        await part.start()
        expect(part.isRunning).toBe(false)
        part.resume()
        expect(part.isRunning).toBe(true)
        void part.stop()
        part.resume()
        expect([part.isRunning, part.isStopped]).toEqual([false, true])
      })
    },
  )

  test('lists every part that there is in worker/', () => {
    const files = filesBelow('packages/lark-jobs/src/worker', '.ts')
    const classes = files.flatMap((file) =>
      [
        ...read(`packages/lark-jobs/src/worker/${file}`).matchAll(/^(?:export )?class (\w+) extends Part/gm),
      ].map(([, name]) => name),
    )
    // Each claimer is stopped by those that serve its partition, and the watch is in the lease thread.
    const others = ['Claimer', 'LeaseWatch']
    expect([...parts.map((part) => part.constructor.name), ...others].sort()).toEqual(classes.sort())
  })
})

describe('a worker', () => {
  livesOnce(setting, ({ options }) => new Worker(options))
})
