/**
 * Upgrades an application, with the packed packages and npm: 0.1.1 continues the jobs that 0.1.0 has stored,
 * workers of both versions run side by side, and 0.1.0 refuses a store that a later version has migrated.
 * 0.1.1 is packed from the same sources.
 */
import { execFile, execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Connection } from '../packages/lark-jobs/src/store/redis/client/connection.ts'
import { versionOf } from '../packages/lark-jobs/src/store/sqlite/layout.ts'
import { App } from '../packages/lark-jobs/test/processes/app.ts'
import { addressOf, Server } from '../packages/lark-jobs/test/redis/server.ts'
import { open as openRaw } from '../packages/lark-jobs/test/sqlite/raw.ts'
import { packInto } from './program.ts'
import { Registry } from './registry.ts'
import { read } from './source.ts'

const { version } = JSON.parse(read('packages/lark/package.json')) as { version: string }
const next = version.replace(/\d+$/, (patch) => `${Number(patch) + 1}`)

const packs = mkdtempSync(join(tmpdir(), 'lark-upgrade-'))
let registry: Registry
let before: App
let after: App
let server: Server

/** Makes another version of a packed package. */
function asNext(tarball: string): string {
  const folder = join(packs, basename(tarball, '.tgz'))
  mkdirSync(folder)
  execFileSync('tar', ['-xzf', tarball, '-C', folder])
  for (const each of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!/package\.json$|\.c?js$/.test(each)) continue
    const file = join(folder, each)
    const text = readFileSync(file, 'utf8')
    // As in a patch release, the ranges of dependencies do not change. A range begins with a caret, so the
    // replacement affects only versions.
    writeFileSync(file, text.replaceAll(`"${version}"`, `"${next}"`))
  }
  const target = join(packs, `next-${basename(tarball)}`)
  execFileSync('tar', ['-czf', target, '-C', folder, 'package'])
  return target
}

async function npm(app: App, ...words: string[]): Promise<void> {
  const settings = join(packs, 'npmrc')
  writeFileSync(settings, `registry=${registry.url}\naudit=false\nfund=false\nignore-scripts=true\n`)
  const env = {
    ...process.env,
    NPM_CONFIG_USERCONFIG: settings,
    NPM_CONFIG_CACHE: join(packs, 'cache'),
    npm_config_registry: registry.url,
  }
  await promisify(execFile)('npm', words, { cwd: app.folder, env })
}

/**
 * The program that both versions run. With the older version, the program leaves jobs and keeps working. With
 * the newer version, the program continues these jobs.
 */
const shop = `
import { createRequire } from 'node:module'
import { chain, every, Job, Jobs } from '@s18i/lark-jobs'
import { operate } from '@s18i/lark-jobs/operate'

const { version } = createRequire(import.meta.url)('@s18i/lark-jobs/package.json')
class EchoJob extends Job {
  key = 'echo'
  queueName = 'new'
  handle({ text }) {
    return text + ' by ' + version
  }
}
class FlakyJob extends Job {
  key = 'flaky'
  queueName = 'trouble'
  tries = 1
  async handle() {
    if (process.argv[2] === 'leave') throw new Error('down')
    return 'up by ' + version
  }
}
const jobs = [EchoJob, FlakyJob]
const echo = (text, queue) => new EchoJob().with({ text }).onQueue(queue)

if (process.argv[2] === 'leave') {
  const failed = await new FlakyJob().with().dispatch()
  await (await Jobs.work({ jobs, queues: 'trouble', stopWhenEmpty: true })).done
  const waiting = await echo('waiting', 'new').dispatch()
  const delayed = await echo('delayed', 'new').delayed('1h').dispatch()
  const flow = await chain([echo('first', 'old'), ([text]) => echo(text, 'new')]).dispatch()
  await Jobs.schedules.set('hourly', echo('tick', 'new'), every('1h'))
  const worker = await Jobs.work({ jobs, queues: 'old' })
  process.once('SIGTERM', async () => {
    await worker.stop()
    await Jobs.close()
  })
  while ((await flow.status()).counts.completed < 1) await new Promise((soon) => setTimeout(soon, 20))
  console.log(JSON.stringify({ failed: failed.id, waiting: waiting.id, delayed: delayed.id, flow: flow.id }) + ';')
} else {
  const ids = JSON.parse(process.argv[3])
  const look = operate()
  const stored = (await Jobs.status()).queues.map(({ queue, counts }) => [queue, counts])
  const { state, counts } = await Jobs.flow(ids.flow).status()
  const worker = await Jobs.work({ jobs, queues: ['new', 'trouble'] })
  const resultOf = (id, queue = 'new') => Jobs.handle(EchoJob, id, { queue }).result({ timeout: '2m' })
  const results = { waiting: await resultOf(ids.waiting), flow: await Jobs.flow(ids.flow).result({ timeout: '2m' }) }
  await Jobs.runNow(ids.delayed)
  results.delayed = await resultOf(ids.delayed)
  await Jobs.retry(ids.failed)
  results.failed = await resultOf(ids.failed, 'trouble')
  const tick = await Jobs.schedules.runNow('hourly')
  results.tick = await resultOf(tick.id)
  results.older = await (await echo('asked', 'old').dispatch()).result({ timeout: '2m' })
  const workers = await look.workers.list()
  const findings = await look.doctor()
  await worker.stop()
  await Jobs.close()
  console.log(JSON.stringify({
    stored: Object.fromEntries(stored),
    flow: [state, counts.completed, counts.total],
    results,
    workers: workers.map(({ version, queues }) => [version, ...queues].join(' ')).sort(),
    findings: findings.filter(({ code }) => code === 'lark-versions').map(({ level }) => level),
  }))
}
`

beforeAll(async () => {
  ;[registry, server] = await Promise.all([Registry.start(), Server.start()])
  const packed = packInto(packs).filter((file) => /s18i-lark(-jobs)?-\d/.test(file))
  for (const file of packed) registry.take(file)
  const files = {
    'package.json': '{ "private": true, "type": "module" }',
    'lark.config.js': "export default { jobs: { queues: ['old', 'new', 'trouble'] } }",
    'shop.js': shop,
  }
  before = await App.make(files)
  rmSync(join(before.folder, 'node_modules'), { recursive: true })
  await npm(before, 'install', '@s18i/lark', '@s18i/lark-jobs')
  for (const file of packed) registry.take(asNext(file))
  after = await App.make({})
  rmSync(join(after.folder, 'node_modules'), { recursive: true })
  cpSync(before.folder, after.folder, { recursive: true })
  // npm takes the newest version that the caret in package.json allows.
  await npm(after, 'update')
}, 120_000)

afterAll(async () => {
  for (const each of [before, after, server, registry]) await each?.[Symbol.asyncDispose]()
  rmSync(packs, { recursive: true })
})

const lark = 'node_modules/@s18i/lark/bin/lark.js'

describe.each([
  ['SQLite', () => `sqlite:${join(packs, 'jobs.db')}`],
  ['Redis', () => server.url],
])('on %s', (name, urlOf) => {
  test('jobs of the older version go on while a worker of the older version still runs', async () => {
    const env = { LARK_JOBS_URL: urlOf() }
    const older = before.start(['shop.js', 'leave'], '.', env)
    let left = ''
    older.child.stdout!.on('data', (text) => (left += text))
    await older.says(';')
    const newer = await after.start(['shop.js', 'go-on', left.split(';')[0]!], '.', env).result
    expect(newer.code, newer.stderr).toBe(0)
    expect(JSON.parse(newer.stdout)).toEqual({
      stored: {
        old: expect.objectContaining({ waiting: 0, completed: 1 }),
        new: expect.objectContaining({ waiting: 2, delayed: 1 }),
        trouble: expect.objectContaining({ waiting: 0, failed: 1 }),
      },
      flow: ['open', 1, 2],
      results: {
        waiting: `waiting by ${next}`,
        flow: `first by ${version} by ${next}`,
        delayed: `delayed by ${next}`,
        failed: `up by ${next}`,
        tick: `tick by ${next}`,
        older: `asked by ${version}`,
      },
      workers: [`${next} new trouble`, `${version} old`].sort(),
      findings: ['warning'],
    })
    older.child.kill('SIGTERM')
    expect(await older.result).toMatchObject({ code: 0 })
  }, 120_000)

  test('the older version refuses the layout of a newer version with one line', async () => {
    const url = urlOf()
    if (name === 'Redis') {
      const raw = new Connection(addressOf(url))
      await raw.send(['SET', 'lark:{meta}:layout', '2.0c0de'])
      raw.close()
    } else {
      const raw = openRaw(url.slice('sqlite:'.length))
      raw.exec(`PRAGMA user_version = ${versionOf('2.0c0de')}`)
      raw.close()
    }
    const { code, stdout, stderr } = await before.start([lark, 'jobs:status'], '.', { LARK_JOBS_URL: url })
      .result
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    const [line, hint, ...more] = stderr.trimEnd().split('\n')
    expect(line).toMatch(/^✗ .* has layout 2; this version of Lark reads layout 1$/)
    expect(hint).toMatch(/^ {2}Use the version of Lark that made it, or another /)
    expect(more).toEqual([])
  })
})
