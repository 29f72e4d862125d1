/**
 * Tests of jobs that people dispatch by hand (the list of classes, the schemas of payloads, refused
 * dispatches), and of changes of many jobs.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { createJobs, Job, type Jobs, unique } from '../../src/index.ts'
import { operate } from '../../src/operate.ts'

class ImportJob extends Job {
  override key = 'import'
  override queueName = 'imports'
  static override schema = z.object({ file: z.string(), rows: z.int().optional() })
  async handle(_: { file: string; rows?: number }) {}
}

class DatedJob extends Job {
  override key = 'dated'
  static override schema = z.object({ at: z.coerce.date() }).transform(({ at }) => at)
  async handle() {}
}

class SyncJob extends Job {
  override key = 'sync'
  override unique = unique(({ shop }: { shop: string }) => shop)
  async handle(_: { shop: string }) {}
}

let jobs: Jobs

beforeEach(() => {
  const classes = [SyncJob, ImportJob, DatedJob]
  jobs = createJobs({ connection: 'sqlite::memory:', jobs: classes, queues: ['default', 'imports'] })
})
afterEach(() => jobs.close())

test('the list of job classes has their queues, and the schemas that can be converted to JSON Schema', async () => {
  const classes = await operate(jobs).classes()
  expect(classes.map(({ key, queue }) => `${key} in ${queue}`)).toEqual([
    'dated in default',
    'import in imports',
    'sync in default',
  ])
  expect(classes[1]!.schema).toMatchObject({
    type: 'object',
    properties: { file: { type: 'string' }, rows: { type: 'integer' } },
    required: ['file'],
  })
  expect('schema' in classes[2]!).toBe(false)
})

test('a job that a person dispatches is queued, rejected with the reason, or refused, and the audit has an entry in each case', async () => {
  const by = operate(jobs, { actor: { name: 'ada', from: 'dashboard' } })
  const first = await by.dispatch('sync', { shop: 'a' }, { queueName: 'imports', delay: '5m', id: 'sync-a' })
  expect(first).toEqual({ id: 'sync-a', queue: 'imports', queued: true })
  expect(await jobs.find('sync-a')).toMatchObject({ state: 'delayed', payload: { shop: 'a' } })
  const second = await by.dispatch('sync', { shop: 'a' }, { queueName: 'imports' })
  expect(second).toMatchObject({ id: 'sync-a', queued: false, rejection: { reason: 'unique', by: 'sync-a' } })
  await expect(by.dispatch('import', { file: 7 })).rejects.toMatchObject({ code: 'PAYLOAD_INVALID' })
  await expect(by.dispatch('imports', {})).rejects.toMatchObject({
    code: 'UNKNOWN_JOB',
    message: expect.stringMatching(/^operate\(\)\.dispatch\(\): there is no job/),
  })
  const { entries } = await by.audit()
  expect(entries.map(({ who, what, on, count, outcome }) => [who, what, on, count, outcome])).toEqual([
    ['ada', 'dispatch', 'class imports', 0, 'failed'],
    ['ada', 'dispatch', 'class import', 0, 'failed'],
    ['ada', 'dispatch', 'class sync', 0, 'done'],
    ['ada', 'dispatch', 'class sync', 1, 'done'],
  ])
})

test('a person cannot dispatch a job that runs a command', async () => {
  await expect(operate(jobs).dispatch('lark:command', { command: 'jobs:purge' })).rejects.toMatchObject({
    code: 'UNKNOWN_JOB',
  })
  expect((await jobs.list()).jobs).toEqual([])
})

test('a change of many jobs does not block the event loop, so its signal can end it', async () => {
  const many = Array.from({ length: 1_000 }, (_, n) => new ImportJob().with({ file: `${n}.csv` }))
  await jobs.dispatch(many)
  const abort = new AbortController()
  const onProgress = () => void setImmediate(() => abort.abort())
  const { cancelled } = await jobs.cancel({ key: 'import' }, { signal: abort.signal, onProgress })
  expect(cancelled).toBe(250)
})
