/** Tests the adapter of BullMQ's own tests with a checkout that has one test of each kind. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { skippedTest } from './files.ts'

const jiti = join(dirname(createRequire(import.meta.url).resolve('jiti/package.json')), 'lib/jiti-cli.mjs')
const main = join(import.meta.dirname, 'main.ts')

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lark-suite-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function suite(...words: string[]) {
  const child = spawn(process.execPath, [jiti, main, ...words])
  const said = { out: '', error: '' }
  child.stdout.on('data', (text) => (said.out += text))
  child.stderr.on('data', (text) => (said.error += text))
  const code = await new Promise((resolve) => child.on('close', resolve))
  return { code, ...said }
}

const files = {
  'package.json': '{ "version": "6.0.0" }',
  'tests/utils/connection-factory.ts': `let factory
export const setConnectionFactory = (given) => { factory = given }
export const createTestConnection = () => factory()`,
  'tests/scripts.test.ts': `import { expect, it } from 'vitest'
it('is skipped', () => expect(1).toBe(1))`,
  'tests/each.test.ts': `import { afterAll, describe, expect, it } from 'vitest'
import { Queue, Worker } from '../src/classes'
import { delay } from '../src/utils'
import { createTestConnection } from './utils/connection-factory'

const connection = createTestConnection()
afterAll(() => connection.quit())
const isLark = Queue.name !== 'Queue'

describe('each', () => {
  it('passes', async () => {
    const queue = new Queue('one', { connection })
    const ended = new Promise((resolve) => {
      const worker = new Worker('one', async ({ data }) => data + 1, { connection })
      worker.on('completed', (job, value) => resolve(worker.close().then(() => value)))
    })
    await queue.add('job', 1)
    expect(await ended).toBe(2)
    await queue.close()
  })
  it('is refused in a processor, and waits', async () => {
    const queue = new Queue('two', { connection })
    await new Promise(async (resolve) => {
      const worker = new Worker('two', async (job) => { await job.getJobs?.(); queue.getBackend() }, { connection })
      worker.on('completed', () => resolve(worker.close()))
      await queue.add('job', 1)
    })
    await queue.close()
  }, 2_000)
  it('hangs', () => (isLark ? new Promise(() => {}) : delay(1)), 300)
  it('blocks nobody', () => expect(1).toBe(1))
  it('fails', () => expect(isLark).toBe(false))
  it('fails on both', () => expect(1).toBe(2))
})`,
}

describe('npm run bullmq-suite', () => {
  test('without a folder or with a wrong one, the command prints one line', async () => {
    const none = await suite()
    expect(none).toEqual({
      code: 2,
      out: '',
      error: 'Name a checkout of BullMQ: npm run bullmq-suite -- FOLDER\n',
    })
    const { code, error } = await suite(folder)
    expect({ code, error }).toEqual({
      code: 2,
      error: `${folder} is no checkout of BullMQ 6: npm run bullmq-suite -- FOLDER\n`,
    })
  })

  test.each(['redis', 'sqlite'])('sorts each test on %s', async (store) => {
    const checkout = join(folder, store)
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(checkout, name)), { recursive: true })
      writeFileSync(join(checkout, name), text)
    }
    const json = join(checkout, 'results.json')
    const baseline = join(checkout, 'baseline.json')
    const { code, out } = await suite(checkout, '--store', store, '--json', json, '--baseline', baseline)
    const all: { name: string; verdict: string; why?: string }[] = JSON.parse(readFileSync(json, 'utf8'))
    expect(all.map(({ name, verdict }) => `${name}: ${verdict}`)).toEqual([
      'each > passes: passes',
      'each > is refused in a processor, and waits: refused',
      'each > hangs: hangs',
      'each > blocks nobody: passes',
      'each > fails: fails',
      'is skipped: internals',
    ])
    expect(all[1]!.why).toBe('the method getBackend()')
    expect(all[5]!.why).toBe(skippedTest('tests/scripts.test.ts', 'is skipped'))
    expect(out).toMatch(/^all +6 +2 +1 +1 +1 +1$/m)
    expect(code).toBe(1)
  })
})
