/** `jobs:steps`, `jobs:send`, and the steps in `jobs:show`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryConsole, run } from '@s18i/lark'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { JobsSendCommand } from '../../src/commands/change/jobs-send.ts'
import { JobsListCommand } from '../../src/commands/look/jobs-list.ts'
import { JobsShowCommand } from '../../src/commands/look/jobs-show.ts'
import { JobsStatusCommand } from '../../src/commands/look/jobs-status.ts'
import { JobsStepsCommand } from '../../src/commands/look/jobs-steps.ts'
import { JobsWhyCommand } from '../../src/commands/look/jobs-why.ts'
import { remarkWords, whenWords } from '../../src/commands/words/job-words.ts'
import { createJobs, defineSignal, Job, type Jobs } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { FOREVER } from '../../src/model/journal.ts'
import { metrics, type StoredJob } from '../../src/operate.ts'
import { Record } from '../working/bench.ts'

const folder = mkdtempSync(join(tmpdir(), 'lark-steps-'))
const commands = [
  ...[JobsListCommand, JobsSendCommand, JobsShowCommand, JobsStatusCommand, JobsStepsCommand, JobsWhyCommand],
]
let files = 0
let jobs: Jobs

beforeEach(() => {
  const connection = `sqlite:${join(folder, `${++files}.db`)}`
  vi.stubEnv('LARK_JOBS_URL', connection)
  jobs = createJobs({ connection })
})
afterEach(async () => {
  await jobs.close()
  vi.unstubAllEnvs()
})
afterAll(() => rmSync(folder, { recursive: true }))

const approved = defineSignal<{ by: string }>('approved')
class PublishJob extends Job {
  override readonly key = 'publish'
  async handle() {
    await this.step('draft', () => ({ text: 'secret draft' }))
    await this.step(['mail', 'a\u001b[2J'], () => undefined)
    await this.waitFor(approved, { timeout: '7d' })
    await this.sleep('cool down', '1h')
  }
}

async function lark(...words: string[]) {
  const console = new MemoryConsole()
  const code = await run(words, { commands, console })
  const said = console.stdout + console.stderr
  expect(said).not.toContain('\u001b[2J')
  return { code, said, json: () => JSON.parse(console.stdout) }
}

/** Returns the id of a job that waits for the signal. */
async function waiting(): Promise<string> {
  const { id } = await jobs.dispatch(new PublishJob().with())
  await work(1)
  return id
}

async function work(runs: number): Promise<void> {
  const report = new Record()
  const worker = await jobs.work({ jobs: [PublishJob], report })
  await report.ends(runs)
  await worker.stop()
}

test('jobs:steps lists the steps of a job, and prints their results only on request', async () => {
  const { id } = await jobs.dispatch(new PublishJob().with())
  expect((await lark('jobs:steps', id)).said).toBe(`i ${id} has recorded no steps, and no signal came\n`)
  expect((await lark('jobs:steps', id, '--json')).json()).toEqual({ id, steps: [], signals: [] })
  await work(1)
  const { code, said } = await lark('jobs:steps', id)
  expect(code).toBe(0)
  expect(said).toMatch(
    /^STEP +STATE +TOOK +ENDED +SIZE *\ndraft +done +\d+ ms +.* ago +23 B *\nmail a\S+ +done +\d+ ms +.* ago *\napproved +waiting +in [67] d.*\n$/,
  )
  expect((await lark('jobs:steps', id, '--values')).said).toMatch(
    /\ndraft\n {2}\{\n {4}"text": "secret draft"\n/,
  )
  const { steps, waitsFor } = (await lark('jobs:steps', id, '--json')).json()
  expect(waitsFor).toEqual(['approved'])
  const times = { took: expect.any(Number), at: expect.any(Number) }
  expect(steps[0]).toEqual({ key: 'draft', name: 'draft', state: 'done', isWait: false, size: 23, ...times })
  const shown = await lark('jobs:show', id)
  expect(shown.said).toMatch(/\nWhy +No living worker serves its queue default \(and 1 more: lark jobs:why /)
  expect(shown.said).toMatch(
    /\nSteps\n {2}draft +done .* 23 B\n {2}mail .* +done .*\n {2}approved +waiting +in [67] d/,
  )
  expect(shown.said).not.toContain('secret draft')
  expect((await lark('jobs:show', id, '--json')).json().steps.steps).toHaveLength(3)
  expect((await lark('jobs:steps', 'nobody')).said).toContain('There is no job nobody')
})

test('the command that jobs:why names sends the signal', async () => {
  const id = await waiting()
  expect((await lark('jobs:why', id)).said).toContain(`→ lark jobs:send ${id} approved`)
  const would = await lark('jobs:send', id, 'approved', '{"by":"ada"}', '--dry-run')
  expect((await lark('jobs:send', id, 'aproved', '--dry-run')).said).toBe(
    `✓ Would send aproved to ${id}: it gets the signal when it waits for it\ni ${id} now waits for approved\n`,
  )
  expect(would).toMatchObject({
    code: 0,
    said: `✓ Would send approved to ${id}: it waits for this signal, and goes on\n`,
  })
  for (let times = 0; times < 2; times++)
    expect((await lark('jobs:send', id, 'approved', '{"by":"ada"}', '--id=a')).said).toContain(
      `Sent approved to ${id}`,
    )
  expect((await lark('jobs:show', id)).said).toMatch(
    /\nSignals that it has not taken\n {2}approved +kept +12 B\n/,
  )
  await work(1)
  const { signals, steps } = (await lark('jobs:steps', id, '--json')).json()
  expect(signals).toEqual([{ name: 'approved', isTaken: true, size: 12 }])
  expect(steps.at(-1)).toMatchObject({ name: 'cool down', state: 'waiting' })
  expect((await lark('jobs:send', id, 'other', '--json')).json()).toEqual({
    ...{ job: id, signal: 'other', sent: true, state: 'delayed', wakes: false },
  })
  const wrong = await lark('jobs:send', id, 'approved', '{by')
  expect(wrong).toMatchObject({ code: 2, said: expect.stringContaining('The value is not JSON') })
  await jobs.cancel(id)
  expect(await lark('jobs:send', id, 'approved')).toMatchObject({
    ...{ code: 1, said: `! ${id} is cancelled, and takes no more signals\n` },
  })
})

test('jobs:list, jobs:status and the metrics show suspended jobs', async () => {
  const one = await waiting()
  const later = new PublishJob()
  later.delay = '1h'
  await jobs.dispatch(later)
  const status = await lark('jobs:status')
  expect(status.said).toMatch(/^QUEUE +WAITING +DELAYED +RETRYING/m)
  expect(status.said).toMatch(/^default +0 +2 \(1 suspended\) +0 /m)
  expect((await lark('jobs:status', '--json')).json().queues[0]).toMatchObject({ suspended: 1 })
  expect((await lark('jobs:list', '--state=delayed')).said).toMatch(
    new RegExp(`${one}.* in .*suspended until approved`),
  )
  // Without a timeout, only a signal ends the wait, so no time is shown.
  const due = Date.now() + FOREVER - 1_000
  expect(whenWords({ state: 'delayed', queuedAt: 1, dueAt: due } as unknown as StoredJob)).toBe('')
  expect(await metrics(jobs)).toMatch(/^lark_jobs_suspended\{queue="default"\} 1$/m)
  const suspended = ['$child:a', '$approval:["publish",7]']
  expect(remarkWords({ state: 'delayed', errors: [], suspended } as unknown as StoredJob)).toBe(
    'suspended until the answer to publish 7 or another job has ended',
  )
  // The sleep of the job is over, and its queue is paused.
  expect(remarkWords({ state: 'waiting', errors: [], suspended: [] } as unknown as StoredJob)).toBe('')
})

test('jobs:steps forgets the steps with a name', async () => {
  const id = await waiting()
  const would = await lark('jobs:steps', id, '--forget=draft', '--dry-run')
  expect(would).toMatchObject({ code: 0, said: `✓ Would forget 1 step of ${id}: draft\n` })
  expect((await lark('jobs:steps', id, '--forget=draft', '--json')).json()).toEqual({
    id,
    forgotten: ['draft'],
  })
  expect((await lark('jobs:steps', id)).said).toMatch(/\ndraft +forgotten/)
  const wrong = await lark('jobs:steps', id, '--forget=nothing')
  expect(wrong).toMatchObject({
    code: 1,
    said: expect.stringContaining(`${id} has recorded no step 'nothing'`),
  })
  expect((await lark('jobs:steps', id, '--dry-run')).code).toBe(2)
  expect((await lark('jobs:steps', id, '--forget=draft', '--values')).code).toBe(2)
})

test('the readable part of a damaged journal is shown', async () => {
  const id = await waiting()
  const { store } = await insideOf(jobs).open()
  const { count: at } = (await store.journals.read('default', id, 0))!
  await store.journals.append('default', id, { at, entries: ['b\u001b[2Jroken', 'rlast\n1'] })
  for (const command of ['jobs:steps', 'jobs:show']) {
    const { said } = await lark(command, id)
    expect(said).toContain('last')
    expect(said).toContain('1 entry of its journal is damaged, and cannot be read')
  }
})

test('each list shows that a job is undoing its steps', async () => {
  class TripJob extends Job {
    override tries = 1
    async handle() {
      await this.step('book', () => 1, { backoff: '1h', undo: () => Promise.reject(new Error('down')) })
      throw new Error('sold out')
    }
  }
  const { id } = await jobs.dispatch(new TripJob().with())
  const report = new Record()
  const worker = await jobs.work({ jobs: [TripJob], report })
  await report.ends(2)
  await worker.stop()
  expect((await lark('jobs:list')).said).toMatch(/delayed .* undoing/)
  expect((await lark('jobs:show', id)).said).toMatch(/\nState +delayed \(undoing\)\n/)
  const { said } = await lark('jobs:steps', id)
  expect(said).toMatch(/\nbook +undoing +1 try failed, the next in /)
  expect(said).toContain(`${id} is undoing its steps, and then it ends`)
  expect((await lark('jobs:why', id)).said).toContain(
    'Its steps are undone, and then it fails: Error: sold out',
  )
})
