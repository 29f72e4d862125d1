/** `jobs:show`: one job as people see it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryConsole, run } from '@s18i/lark'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { JobsShowCommand } from '../../src/commands/look/jobs-show.ts'
import { createJobs, group, Job, Jobs, limiter } from '../../src/index.ts'
import { Record, signal } from '../working/bench.ts'

const folder = mkdtempSync(join(tmpdir(), 'lark-show-'))
let files = 0

beforeEach(() => vi.stubEnv('LARK_JOBS_URL', `sqlite:${join(folder, `${++files}.db`)}`))
afterEach(async () => {
  await Jobs.close()
  vi.unstubAllEnvs()
})
afterAll(() => rmSync(folder, { recursive: true }))

class ShopJob extends Job {
  override key = 'shop'
  override group = group(({ shop }: { shop: string }) => shop)
  override limiter = limiter({ concurrency: 5 })
  handle(_payload: { shop: string; text?: string }) {
    this.release('1h', 'the shop is closed')
  }
}

async function show(id: string | null | undefined, ...words: string[]) {
  const console = new MemoryConsole()
  expect(await run(['jobs:show', id!, ...words], { commands: [JobsShowCommand], console })).toBe(0)
  return console.stdout
}

test('jobs:show prints the tags', async () => {
  const { id } = await new ShopJob().with({ shop: 'acme' }).tagged('billing', 'vip').dispatch()
  expect(await show(id)).toMatch(/\nGroup +acme\nTags +billing, vip\n/)
  await Jobs.cancel(id)
})

test('jobs:show prints the group, the limiter, and why the job was released', async () => {
  const job = new ShopJob()
  await job.dispatch({ shop: '#77' })
  expect(await show(job.id)).toMatch(
    /^State +waiting\nWhy +No living worker serves its queue default\nQueue +default\nGroup +#77\nLimiter +of its class\nQueued /m,
  )
  await (await Jobs.work({ jobs: [ShopJob], report: new Record(), stopWhenEmpty: true })).done
  const shown = await show(job.id)
  expect(shown).toMatch(/^State +delayed$/m)
  expect(shown).toMatch(/^Put back +the shop is closed\nRuns +1 \(1 released\)$/m)
  expect(JSON.parse(await show(job.id, '--json'))).toMatchObject({
    group: '#77',
    because: 'the shop is closed',
  })
})

test('jobs:show prints why a person cancelled the job, without characters that change the terminal, and when the payload was edited', async () => {
  const handle = await ShopJob.with({ shop: 'acme' }).dispatch()
  expect(await handle.edit({ shop: 'acme', text: 'new' })).toBe(true)
  expect(await handle.cancel('sold out\n\u001b[31mState completed')).toBe(true)
  const shown = await show(handle.id)
  expect(shown).toMatch(/^State +cancelled \(user\)$/m)
  expect(shown).toMatch(/^Because +sold out\S*State completed$/m)
  expect(shown).not.toContain('\u001b')
  expect(shown).toMatch(/^Edited +20\d\d-.* ago\)$/m)
  expect(shown).toContain('"text": "new"')
})

test('jobs:show prints the worker of a running job', async () => {
  const begun = signal()
  const end = signal()
  class LongJob extends Job {
    async handle() {
      begun.resolve()
      await end.promise
    }
  }
  await using other = createJobs({ connection: process.env.LARK_JOBS_URL! })
  const worker = await other.work({ jobs: [LongJob], report: new Record() })
  const job = new LongJob()
  await job.dispatch()
  await begun.promise
  const [living] = (await Jobs.status()).workers
  expect(await show(job.id)).toMatch(new RegExp(`^Held by +${living!.id}$`, 'm'))
  end.resolve()
  await worker.stop()
  expect(await show(job.id)).not.toContain('Held by')
})

test('jobs:show prints the beginning and the size of a large payload', async () => {
  const job = new ShopJob()
  await job.dispatch({ shop: 'a', text: 'word '.repeat(80_000) })
  const shown = await show(job.id)
  expect(shown.length).toBeLessThan(10_000)
  expect(shown).toContain(
    `  … the beginning of 400,022 bytes; lark jobs:show ${job.id} --json prints all of them\n`,
  )
  expect(JSON.parse(await show(job.id, '--json')).payload.text).toHaveLength(400_000)
})
