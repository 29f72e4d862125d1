/** Which SQLite library a process uses, on each version of Node, with and without the package `libsql`. */
import { readFile } from 'node:fs/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { preferred } from '../../src/store/sqlite/library.ts'
import { Caller } from '../conformance/caller.ts'
import { isSound, node24 } from '../node24/node24.js'
import { Server } from '../redis/server.ts'
import { Child } from './child.ts'
import { Folder } from './folder.ts'
import { Installation } from './installation.ts'

/** The path of Node 24, which the tests install when they run on an older Node. */
let node = process.execPath
beforeAll(() => {
  node = node24()
}, 300_000)

const useAndTell = (connection: string) => `
  const { runs, said } = await use(${JSON.stringify(connection)})
  console.log(JSON.stringify({ runs, said, loaded: loaded() }))`

test('an application that uses Redis does not need the binary of libsql', async () => {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
  expect(JSON.parse(text)).toMatchObject({
    dependencies: { '@s18i/lark': expect.any(String) },
    optionalDependencies: { libsql: expect.any(String) },
  })
  expect(Object.keys(JSON.parse(text).dependencies)).toEqual(['@s18i/lark', 'croner'])
})

test.each([
  [undefined, 'libsql'],
  ['3.49.1', 'libsql'],
  ['3.51.2', 'libsql'],
  ['3.51.3', 'node:sqlite'],
  ['3.53.0', 'node:sqlite'],
  ['4.0', 'node:sqlite'],
])('if Node has SQLite %s, the library %s is tried first', (version, first) => {
  expect(preferred(version)[0]).toBe(first)
  expect([...preferred(version)].sort()).toEqual(['libsql', 'node:sqlite'])
})

describe('on Node 24', () => {
  test('the library is loaded when a store is opened, and not when Lark is imported', async () => {
    await using app = await Installation.make('binary')
    expect(JSON.parse((await app.run('console.log(JSON.stringify(loaded()))', node)).stdout)).toEqual([])
  })

  test.each(['binary', 'package', 'none'] as const)('node:sqlite is enough, libsql: %s', async (libsql) => {
    await using app = await Installation.make(libsql)
    const { stdout, stderr } = await app.run(useAndTell(app.connection), node)
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({ runs: 20, said: [], loaded: ['node:sqlite'] })
  })

  test('a second copy of Lark uses the library that the first copy has chosen, also in threads', async () => {
    await using app = await Installation.make('binary')
    const connection = JSON.stringify(app.connection)
    const { stdout } = await app.run(
      `
      setEnvironmentData('@s18i/lark-jobs: SQLite library', 'libsql')
      const { runs } = await use(${connection})
      const script = \`
        const { createJobs } = await import('@s18i/lark-jobs')
        const { operate } = await import('@s18i/lark-jobs/operate')
        await operate(createJobs({ connection: ${connection.replaceAll('"', "'")} })).ping()
        require('node:worker_threads').parentPort.postMessage(process.moduleLoadList)\`
      const thread = new Worker('(async () => {' + script + '})()', { eval: true })
      thread.once('message', async (list) => {
        const inThread = list.some((name) => name.endsWith('Binding sqlite'))
        await thread.terminate()
        console.log(JSON.stringify({ runs, loaded: loaded(), inThread }))
      })`,
      node,
    )
    expect(JSON.parse(stdout)).toEqual({ runs: 20, loaded: ['libsql'], inThread: false })
  })

  test('the application may use libsql itself for another file', async () => {
    await using app = await Installation.make('binary')
    const { stdout } = await app.run(
      `
      const Libsql = createRequire(import.meta.url)('libsql')
      const timer = setInterval(() => {
        const own = new Libsql('own.db')
        own.exec('CREATE TABLE IF NOT EXISTS notes (text); INSERT INTO notes VALUES (1)')
        own.close()
      }, 1)
      const { runs, said } = await use(${JSON.stringify(app.connection)}, 500)
      clearInterval(timer)
      console.log(JSON.stringify({ runs, said }))`,
      node,
    )
    expect(JSON.parse(stdout)).toEqual({ runs: 500, said: [] })
  })

  test('a process that uses Redis loads no SQLite library', async () => {
    await using app = await Installation.make('binary')
    await using server = await Server.start('redis-server')
    const { stdout } = await app.run(useAndTell(server.url), node)
    expect(JSON.parse(stdout)).toMatchObject({ runs: 20, loaded: [] })
  })

  test('if a worker with libsql and a worker with node:sqlite share a file, each job runs exactly once', async () => {
    await using folder = await Folder.make()
    const nodes = [isSound ? undefined : process.execPath, node]
    const workers = nodes.map((each, n) => new Child('work', folder.file, `worker-${n}`, { node: each }))
    const ran: string[][] = [[], []]
    // Both workers must have begun, because otherwise the first one might run every job.
    await Promise.all(workers.map((worker) => worker.message()))
    const allRan = new Promise<void>((resolve) => {
      for (const [n, worker] of workers.entries())
        worker.onMessage((done: string[]) => {
          ran[n]!.push(...done)
          if (ran.flat().length >= 2_000) resolve()
        })
    })
    const webs = nodes.map((each, n) => new Child('dispatch', folder.file, `web-${n}`, { node: each }))
    expect(await Promise.all(webs.map((child) => child.ended()))).toEqual([0, 0])
    await allRan
    for (const worker of workers) worker.tell('stop')
    expect(await Promise.all(workers.map((worker) => worker.ended()))).toEqual([0, 0])
    expect(new Set(ran.flat()).size).toBe(ran.flat().length)
    for (const each of ran) expect(each.length).toBeGreaterThan(0)
    await using store = await folder.store()
    expect(await store.counts('emails')).toMatchObject({ completed: 2_000, waiting: 0, active: 0 })
    expect(await new Caller(store, 'ada', 'emails').claim()).toEqual([])
  })
})

// CI also runs the tests on a Node whose SQLite is too old.
if (!isSound)
  describe('on a Node without a sound SQLite', () => {
    test('the library is loaded when a store is opened, and not when Lark is imported', async () => {
      await using app = await Installation.make('binary')
      expect(JSON.parse((await app.run('console.log(JSON.stringify(loaded()))')).stdout)).toEqual([])
    })

    test('libsql is used', async () => {
      await using app = await Installation.make('binary')
      const { stdout, stderr } = await app.run(useAndTell(app.connection))
      expect(stderr).toBe('')
      expect(JSON.parse(stdout)).toEqual({ runs: 20, said: [], loaded: ['libsql'] })
    })

    test('a process that uses Redis loads no SQLite library', async () => {
      await using app = await Installation.make('binary')
      await using server = await Server.start('redis-server')
      const { stdout } = await app.run(useAndTell(server.url))
      expect(JSON.parse(stdout)).toMatchObject({ runs: 20, loaded: [] })
    })

    test.each([
      ['none', "Cannot find module 'libsql'"],
      ['package', "Cannot find module '@libsql/"],
    ] as const)(
      'without an SQLite library, the error of a dispatch says what to do, libsql: %s',
      async (libsql, reason) => {
        await using app = await Installation.make(libsql)
        const { stdout } = await app.run(`
      const jobs = createJobs({ connection: ${JSON.stringify(app.connection)} })
      const { code, message, hint, cause } = await jobs.dispatch(new CountJob(), {}).catch((error) => error)
      console.log(JSON.stringify({ code, message, hint, cause: cause.message }))`)
        expect(JSON.parse(stdout)).toEqual({
          code: 'SQLITE_MISSING',
          message: `${app.connection} needs an SQLite library, and Node ${process.versions.node} on ${process.platform}-${process.arch} has none`,
          hint: expect.stringMatching(/Node 22\.13 or later.*npm install libsql/),
          cause: expect.stringContaining(reason),
        })
      },
    )
  })
