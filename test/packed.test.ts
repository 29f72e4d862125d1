/**
 * The published packages: their contents, and how Node, TypeScript and bundlers find them. `npm run matrix`
 * runs them with real tools.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { App, Result } from '../packages/lark-jobs/test/processes/app.ts'
import { compile, installPacked, makeApp, packInto } from './program.ts'
import { filesBelow, read, root } from './source.ts'

const packs = mkdtempSync(join(tmpdir(), 'lark-packed-'))
const libraries = ['lark', 'lark-jobs', 'lark-bullmq']
const names = [...libraries, 'lark-jobs-bench', 'lark-dashboard']
const tarballs = new Map<string, string>()
let app: App

beforeAll(async () => {
  const packed = packInto(packs)
  for (const name of names)
    tarballs.set(name, packed.find((file) => basename(file).startsWith(`s18i-${name}-0`))!)
  app = await makeApp({})
  await installPacked(app, packed)
}, 120_000)

afterAll(async () => {
  await app[Symbol.asyncDispose]()
  rmSync(packs, { recursive: true })
})

/** Runs a script of the application. @returns its output */
async function printed(file: string, text: string, ...flags: string[]): Promise<string> {
  await app.write({ [file]: text })
  const { code, stdout, stderr }: Result = await app.start([...flags, file]).result
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return stdout.trim()
}

describe.each(names)('%s', (name) => {
  const folder = `packages/${name}`

  // This bound finds accidents, such as a bundled dependency. The code itself grows with the features: 473 kB
  // on 2026-11-26; 1,334 kB before BullMQ had its own package and before source maps were exact only to the
  // line; 1,000 kB since the declarations have no file headers and the Lua has no indentation. After that
  // came durable steps, also in databases, isolated processes, the search in the stores, and changes at a
  // pace: 1,219 kB on 2026-12-03.
  test('has at most 1,270 kB', () => {
    expect(statSync(tarballs.get(name)!).size).toBeLessThan(1_270_000)
  })

  test('satisfies publint', async () => {
    const { messages } = await publint({ pkgDir: join(root, folder), strict: true, pack: 'npm' })
    expect(messages).toEqual([])
  })

  test('has a repository and a description', () => {
    const { repository, bugs, keywords, license } = JSON.parse(read(`${folder}/package.json`))
    expect(repository).toMatchObject({ type: 'git', directory: folder })
    expect(repository.url).toMatch(/^git\+https:\/\//)
    expect(bugs).toMatch(/^https:\/\//)
    expect(keywords.length).toBeGreaterThan(5)
    expect(license).toBe('MIT')
  })

  test('has source maps that lead to the line of each function', () => {
    const maps = filesBelow(`${folder}/dist`, '.js.map').map((file) => `${folder}/dist/${file}`)
    expect(maps.length).toBeGreaterThan(0)
    let checked = 0
    for (const file of maps) {
      const map = new SourceMap(JSON.parse(read(file)))
      for (const [line, text] of read(file.slice(0, -'.map'.length)).split('\n').entries()) {
        const declared = /^(?:async )?(?:function|class) (\w+)(?=[( ])/.exec(text)
        // The bundler adds one function, for `await using`.
        if (declared === null || declared[1] === '_usingCtx') continue
        const identifier = declared[1]!
        const entry = map.findEntry(line, declared[0].length - identifier.length)
        if (!('originalSource' in entry)) throw new Error(`${file}:${line + 1} leads nowhere`)
        const source = resolve(root, dirname(file), entry.originalSource)
        expect(existsSync(source), source).toBe(true)
        expect(readFileSync(source, 'utf8').split('\n')[entry.originalLine], `${file}:${line + 1}`).toContain(
          identifier.replace(/\$\d+$/, ''),
        )
        checked++
      }
    }
    expect(checked).toBeGreaterThan(libraries.includes(name) ? 50 : 10)
  })
})

test.each([...libraries, 'lark-dashboard'])(
  '%s has correct types for every kind of module resolution',
  async (name) => {
    const data = createPackageFromTarballData(readFileSync(tarballs.get(name)!))
    // These entries are the programs of a thread and of a process, so they export nothing.
    const checked = await checkPackage(data, {
      excludeEntrypoints: ['./lease-watch', './isolated', './processor-file'],
    })
    expect(checked.types && checked.problems).toEqual([])
  },
)

test.each([
  ['lark-jobs-bench', ['jobs:bench']],
  ['lark-bullmq', ['jobs:check-bullmq', 'jobs:import-bullmq']],
])('%s adds its commands if the application names the package', async (name, added) => {
  const dependencies = { '@s18i/lark': '*', '@s18i/lark-jobs': '*' }
  const keys = async (more: object) => {
    await app.write({ 'named/package.json': JSON.stringify({ dependencies: { ...dependencies, ...more } }) })
    const bin = join(app.folder, 'node_modules/@s18i/lark/dist/bin.js')
    const { stdout } = await app.start([bin, 'list', 'jobs', '--json'], 'named').result
    return (JSON.parse(stdout) as { key: string }[]).map(({ key }) => key)
  }
  const before = await keys({})
  expect(added.filter((key) => before.includes(key))).toEqual([])
  expect(await keys({ [`@s18i/${name}`]: '*' })).toEqual(expect.arrayContaining(added))
})

test('lark-dashboard contains the licence of each package that the browser loads with it', () => {
  const text = execFileSync('tar', ['-xzOf', tarballs.get('lark-dashboard')!, 'package/dist/LICENSES.txt'], {
    encoding: 'utf8',
  })
  const bundled = ['@preact/signals', '@preact/signals-core', 'preact', 'uplot']
  expect(text.match(/^\S+ [\d.]+ \(MIT\)$/gm)).toEqual(
    bundled.map((name) => `${name} ${JSON.parse(read(`node_modules/${name}/package.json`)).version} (MIT)`),
  )
  for (const name of bundled) expect(text).toContain(read(`node_modules/${name}/LICENSE`).trim())
  // No other dependency is bundled in any package.
  const sources = names.flatMap((name) =>
    filesBelow(`packages/${name}/dist`, '.js.map').flatMap(
      (file) => JSON.parse(read(`packages/${name}/dist/${file}`)).sources as string[],
    ),
  )
  expect(sources.filter((source) => source.includes('node_modules'))).toEqual([])
})

test('Node 20 can parse each file, so no file contains `await using`', () => {
  for (const name of names) {
    const files = filesBelow(`packages/${name}/dist`, '.js')
    expect(files.length).toBeGreaterThan(1)
    expect(files.filter((file) => /\bawait using\b/.test(read(`packages/${name}/dist/${file}`)))).toEqual([])
  }
})

test('only one file contains the text of the Lua scripts', () => {
  const listed = execFileSync('tar', ['-tzf', tarballs.get('lark-jobs')!], { encoding: 'utf8' }).split('\n')
  const files = listed.filter((file) => /\.(js|cjs|ts|lua|map)$/.test(file))
  const unpacked = join(app.folder, 'node_modules/@s18i/lark-jobs')
  const text = (file: string) => readFileSync(join(unpacked, file.replace(/^package\//, '')), 'utf8')
  expect(files.filter((file) => text(file).includes("redis.call('HGET'"))).toEqual(['package/dist/lua.js'])
})

test('an import() whose path is known only at run time is unchanged in the build, with its comments for bundlers', () => {
  const kept =
    /import\(\s*\/\* @vite-ignore \*\/\s*\/\* webpackIgnore: true \*\/\s*\/\* turbopackIgnore: true \*\/\s*\w+\s*\)/
  expect(read('packages/lark/dist/configuration.js')).toMatch(kept)
  // Every other import() loads a file of the package, a named package, or a module of Node.
  const imported = names.flatMap((name) =>
    // The files that the browser of the dashboard loads are texts in one of these modules.
    modulesOf(name).flatMap((file) =>
      [...read(`packages/${name}/dist/${file}`).matchAll(/(?<=(?:await|return) )import\(([^)]*)\)/g)].map(
        ([, what]) => what!,
      ),
    ),
  )
  const known = (what: string) =>
    /^"(\.\/[\w-]+\.js|node:[\w/]+|libsql|ioredis|@clack\/prompts|@s18i\/lark)"$/.test(what)
  expect(imported.filter((what) => !known(what) && !kept.test(`import(${what})`))).toEqual([])
})

function modulesOf(name: string): string[] {
  return filesBelow(`packages/${name}/dist`, '.js').filter(
    (file) => name !== 'lark-dashboard' || file !== 'page.js',
  )
}

describe('a program', () => {
  const trace = `import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(\`
      import { writeSync } from 'node:fs'
      export async function load(url, context, next) {
        if (url.includes('/@s18i/')) writeSync(1, url.replace(/^.*\\\\/@s18i\\\\//, '') + '\\\\n')
        return next(url, context)
      }
    \`))`
  const job = `import { Job, Jobs, createJobs } from '@s18i/lark-jobs'
    class PingJob extends Job { key = 'ping'; handle() { return 'pong' } }
    const jobs = createJobs({ connection: 'sqlite::memory:' })\n`
  const loadedBy = async (file: string, text: string) => {
    await app.write({ 'trace.mjs': trace })
    return (await printed(file, text, '--no-deprecation', '--import', './trace.mjs')).split('\n').sort()
  }
  const atImport = [
    'lark-jobs/dist/dispatch.js',
    'lark-jobs/dist/index.js',
    'lark/dist/configuration.js',
    'lark/dist/internal.js',
  ]
  const toDispatch = [...atImport, 'lark-jobs/dist/sqlite-store.js', 'lark-jobs/dist/contract.js'].sort()

  /** This chunk contains only a few lines of the bundler. */
  // This chunk is for stored errors: a worker writes them, and a program that looks at jobs reads them.
  const jobError = 'lark-jobs/dist/job-error.js'
  const runtime = 'lark-jobs/dist/rolldown-runtime.js'

  test('that imports the queue loads four files', async () => {
    expect(await loadedBy('import.mjs', job)).toEqual(atImport)
  })

  test('that imports the queue loads no module of Node for networks, threads or processes', async () => {
    const heavy = ['net', 'tls', 'dns', 'http', 'child_process', 'cluster', 'inspector']
    // On Node 26, `node:util` itself loads `net` if stdout is a pipe.
    const text = `import 'node:util'
      const before = new Set(process.moduleLoadList)
      await import('@s18i/lark-jobs')
      const loaded = process.moduleLoadList.filter((name) => !before.has(name))
      console.log(loaded.filter((name) => /^NativeModule (${heavy.join('|')})$/.test(name)).length, loaded.length > 0)`
    expect(await printed('native.mjs', text)).toBe('0 true')
  })

  const loaded = (file: string): string[] => [
    file,
    ...[...read(`packages/lark-jobs/dist/${file}`).matchAll(/from "\.{1,2}\/([\w-]+\.js)"/g)].flatMap(
      ([, name]) => loaded(name!),
    ),
  ]

  test('commands that only read jobs, also to complete names, load no worker and no parser of cron expressions', () => {
    for (const command of ['status', 'pause', 'list', 'why'])
      expect(loaded(`commands/jobs-${command}.js`)).not.toEqual(
        expect.arrayContaining([expect.stringMatching(/^(lease|work|schedules)/)]),
      )
  })

  test('no file of the package itself loads /internal, which is for other packages', () => {
    const files = filesBelow('packages/lark-jobs/dist', '.js')
    expect(files.filter((file) => loaded(file).includes('internal.js'))).toEqual(['internal.js'])
  })

  test('no store loads code of a worker', () => {
    for (const store of ['redis-store.js', 'sqlite-store.js'])
      expect(loaded(store).filter((file) => /^(lease|work|command)/.test(file))).toEqual([])
  })

  test('that dispatches loads one store, and no worker', async () => {
    const text = `${job}await jobs.dispatch(new PingJob())\nawait jobs.close()`
    expect(await loadedBy('dispatch.mjs', text)).toEqual(toDispatch)
  })

  test('that reads jobs loads the operations, and a program that runs jobs loads the worker', async () => {
    const looks = `${job}await jobs.status()\nawait jobs.close()`
    expect(await loadedBy('look.mjs', looks)).toEqual(
      [...toDispatch, jobError, 'lark-jobs/dist/operations.js', runtime].sort(),
    )
    const works = `${job}const report = new Proxy({}, { get: () => () => {} })
      const worker = await jobs.work({ jobs: [PingJob], stopWhenEmpty: true, report })
      await worker.done
      await jobs.close()`
    expect(await loadedBy('work.mjs', works)).toEqual(
      [
        ...toDispatch,
        jobError,
        'lark-jobs/dist/credentials.js',
        'lark-jobs/dist/lease.js',
        'lark-jobs/dist/outbox.js',
        'lark-jobs/dist/run.js',
        'lark-jobs/dist/schedules.js',
        'lark-jobs/dist/work.js',
        runtime,
      ].sort(),
    )
  })

  test('that sets a schedule loads no worker, and a program that only dispatches loads no parser of cron expressions', async () => {
    const cron = `${job.replace('Jobs,', 'Jobs, cron,')}const when = cron('0 8 * * 1-5')\n`
    const sets = `${cron}await jobs.schedules.set('ping', PingJob.with(), when)\nawait jobs.close()`
    const loaded = await loadedBy('set.mjs', sets)
    expect(loaded).toContain('lark-jobs/dist/schedules.js')
    expect(loaded.filter((file) => /work|lease/.test(file))).toEqual([])
    const dispatches = `${cron}await jobs.dispatch(PingJob.with())\nawait jobs.close()`
    expect(await loadedBy('cron.mjs', dispatches)).toEqual(toDispatch)
    const parsing = filesBelow('packages/lark-jobs/dist', '.js').filter((file) =>
      read(`packages/lark-jobs/dist/${file}`).includes('from "croner"'),
    )
    expect(parsing).toEqual(['schedules.js'])
  })

  test('has one queue, whether imported or required', async () => {
    const text = `const required = require('@s18i/lark-jobs')
      const config = require('@s18i/lark/config')
      const { operate } = require('@s18i/lark-jobs/operate')
      const all = ['@s18i/lark-jobs', '@s18i/lark/config', '@s18i/lark', '@s18i/lark-jobs/operate'].map((name) => import(name))
      Promise.all(all).then(([jobs, own, lark, operating]) => {
        console.log(operate === operating.operate)
        console.log(required.Jobs === jobs.Jobs, required.Job === jobs.Job, config.LarkError === jobs.LarkError)
        console.log(config.loadConfig === own.loadConfig, require('@s18i/lark').Command === lark.Command)
      })`
    expect(await printed('required.cjs', text)).toBe('true\ntrue true true\ntrue true')
  })

  test('has readable stacks, and stacks with the lines of the sources if source maps are on', async () => {
    const text = `import { Jobs } from '@s18i/lark-jobs'
      await Jobs.pause({ colour: 'red' }).catch(({ stack }) => console.log(stack))`
    const built = await printed('stack.mjs', text)
    expect(built).toMatch(/at checkFilter \(.*\/@s18i\/lark-jobs\/dist\/operations\.js:\d+:\d+\)/)
    const mapped = await printed('stack.mjs', text, '--enable-source-maps')
    const place = /at checkFilter \(.*\/@s18i\/lark-jobs\/src\/(operate\/look\/filter\.ts):(\d+):\d+\)/.exec(
      mapped,
    )
    expect(read(`packages/lark-jobs/src/${place?.[1]}`).split('\n')[Number(place?.[2]) - 1]).toMatch(
      /schema\.readAll/,
    )
  })
})

/**
 * With this flag, `require` cannot load ES modules, as in Jest on Node 20, and so loads the CommonJS build.
 */
const withoutEsm = '--no-experimental-require-module'

describe('the CommonJS build', () => {
  test('has the same exports as the ES modules', async () => {
    const text = `const same = (name) => import(name).then((esm) =>
        console.log(Object.keys(require(name)).sort().join() === Object.keys(esm).sort().join(), require(name) !== esm))
      same('@s18i/lark-jobs').then(() => same('@s18i/lark-jobs/operate')).then(() => same('@s18i/lark-bullmq')).then(() => same('@s18i/lark')).then(() => same('@s18i/lark/config'))`
    expect(await printed('exports.cjs', text, withoutEsm)).toBe(Array(5).fill('true true').join('\n'))
  })

  test.each(['ts', 'mjs', 'cjs'])('dispatches and works with a lark.config.%s', async (extension) => {
    const config = `{ jobs: { queues: ['${extension}'] } }`
    await app.write({
      [`${extension}/lark.config.${extension}`]: `${extension === 'cjs' ? 'module.exports =' : 'export default'} ${config}`,
      [`${extension}/jobs/PingJob.cjs`]: `const { Job } = require('@s18i/lark-jobs')
        exports.PingJob = class PingJob extends Job { queueName = '${extension}'; handle() { return 'pong' } }`,
    })
    const text = `const { Jobs } = require('@s18i/lark-jobs')
      const { PingJob } = require('./jobs/PingJob.cjs')
      const report = new Proxy({}, { get: (_, word) => word === 'warn' ? console.log : () => {} })
      const main = async () => {
        const job = new PingJob()
        await job.dispatch()
        const worker = await Jobs.work({ stopWhenEmpty: true, report })
        await worker.done
        console.log((await Jobs.find(job.id)).result)
        await Jobs.close()
      }
      main()`
    expect(await printed(`${extension}/main.cjs`, text, withoutEsm)).toBe('pong')
  })

  test('shares the queue with the ES modules, and recognises their instances', async () => {
    const text = `const one = require('@s18i/lark-jobs')
      import('@s18i/lark-jobs').then(async (other) => {
        console.log(one.Job !== other.Job, one.Jobs === other.Jobs)
        class OneJob extends one.Job { handle() {} }
        class OtherJob extends other.Job { handle() {} }
        console.log(new OneJob() instanceof other.Job, new OtherJob() instanceof one.Job, new OneJob() instanceof OtherJob)
        const error = await other.createJobs({ connection: 'x:' }).status().catch((error) => error)
        console.log(error instanceof one.JobsError, error instanceof one.LarkError, new Error() instanceof one.JobsError)
        console.log(one.JobsError.is(error, 'STORE_INVALID'), one.JobsError.is(error, 'STORE_REFUSED'))
        console.log(new one.NonRetryableError() instanceof other.NonRetryableError, error instanceof one.NonRetryableError)
        await new OneJob().dispatch()
        await new OtherJob().dispatch()
        console.log((await one.Jobs.status()).queues[0].counts.waiting)
        const { operate } = await import('@s18i/lark-jobs/operate')
        console.log((await operate(one.createJobs({ connection: 'sqlite:.lark/jobs.db' })).status()).queues[0].counts.waiting)
        await other.Jobs.close()
      })`
    expect(await printed('copies.cjs', text, withoutEsm)).toBe(
      'true true\ntrue true false\ntrue true false\ntrue false\ntrue false\n2\n2',
    )
  })

  test('works in a sandbox like that of Jest with the modules of the sandbox, and with a configuration that only Node can import', async () => {
    await app.write({
      'sandbox/lark.config.mjs': "export default { jobs: { queues: ['mail'] } }",
      'sandbox/mailer.cjs': "exports.send = () => 'really sent'",
      'sandbox/jobs/SendJob.cjs': `const { Job } = require('@s18i/lark-jobs')
        const mailer = require('../mailer.cjs')
        exports.SendJob = class SendJob extends Job { queueName = 'mail'; handle() { return mailer.send() } }`,
      'sandbox/test.cjs': `const { Jobs } = require('@s18i/lark-jobs')
        const { SendJob } = require('./jobs/SendJob.cjs')
        require('./mailer.cjs').send = () => 'mocked'
        const report = new Proxy({}, { get: (_, word) => word === 'warn' ? console.log : () => {} })
        exports.done = (async () => {
          const job = new SendJob()
          await job.dispatch()
          const worker = await Jobs.work({ stopWhenEmpty: true, report })
          await worker.done
          const error = await Jobs.pause({ queue: 'none' }).catch((error) => error)
          await import('node:fs').catch(({ code }) => console.log(code))
          console.log((await Jobs.find(job.id)).result, error instanceof Error)
          await Jobs.close()
        })()`,
      'sandbox/main.cjs': `const { readFileSync } = require('node:fs')
        const { createRequire, isBuiltin } = require('node:module')
        const vm = require('node:vm')
        const { process, console, setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate } = globalThis
        const { queueMicrotask, performance, AbortController, AbortSignal, URL, Buffer, structuredClone } = globalThis
        const context = vm.createContext({
          process, console, setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate,
          queueMicrotask, performance, AbortController, AbortSignal, URL, Buffer, structuredClone,
        })
        const modules = new Map()
        function load(file) {
          if (file.endsWith('.mjs')) throw Object.assign(new Error('an ES module'), { code: 'ERR_REQUIRE_ESM' })
          if (modules.has(file)) return modules.get(file).exports
          const module = { exports: {} }
          modules.set(file, module)
          const outside = createRequire(file)
          const require = (id) => (isBuiltin(id) ? outside(id) : load(outside.resolve(id)))
          const text = '(function (exports, require, module, __filename, __dirname) {' + readFileSync(file) + '\\n})'
          const run = new vm.Script(text, { filename: file }).runInContext(context)
          run(module.exports, require, module, file, require('node:path').dirname(file))
          return module.exports
        }
        load(require.resolve('./test.cjs')).done.catch(console.error)`,
    })
    const { stdout, stderr } = await app.start([withoutEsm, 'sandbox/main.cjs']).result
    expect(stderr).toBe('')
    expect(stdout).toBe('ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING\nmocked true\n')
  })

  test('has the same Lua as the ES modules', async () => {
    const text = `import('@s18i/lark-jobs').then(async () => {
        const { createRequire } = require('node:module')
        const path = require.resolve('@s18i/lark-jobs').replace('index.cjs', 'redis-store.cjs')
        console.log(typeof createRequire(path)(path).RedisStore)
      })`
    expect(await printed('lua.cjs', text, withoutEsm)).toBe('function')
  })
})

test('the declarations have the same classes, whether imported or required', async () => {
  const compilerOptions = {
    module: 'nodenext',
    strict: true,
    noEmit: true,
    target: 'es2022',
    types: ['node'],
  }
  await app.write({
    'typed/tsconfig.json': JSON.stringify({
      compilerOptions: { ...compilerOptions, lib: ['es2023', 'esnext.disposable'], skipLibCheck: false },
    }),
    'typed/required.cts': `import { defineConfig } from '@s18i/lark/config'
      import { Job, Jobs } from '@s18i/lark-jobs'
      export class SendJob extends Job { handle(payload: { to: string }) { return payload.to } }
      export const jobs: Jobs = Jobs
      export const config = defineConfig({ jobs: { queues: ['default'] } })`,
    'typed/imported.mts': `import { type Job, Jobs, type JobsConfig, defineConfig } from '@s18i/lark-jobs'
      import { operate } from '@s18i/lark-jobs/operate'
      import { config, jobs, SendJob } from './required.cjs'
      const job: Job = new SendJob()
      const instance: Jobs = jobs
      const section: JobsConfig | undefined = defineConfig(config).jobs
      await Jobs.dispatch(new SendJob(), { to: 'a' })
      // @ts-expect-error: the payload is not what handle takes
      await instance.dispatch(new SendJob(), { to: 1 })
      const failed: Promise<number> = operate(instance).retry('failed', 'emails')
      // @ts-expect-error: no such condition
      await operate(instance).cancel({ colour: 'red' })
      console.log(job, section, failed)`,
  })
  expect(await compile(app, 'typed')).toBe('')
})
