/** A command that changes many jobs is interrupted with Ctrl-C, or killed. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, inject, test, vi } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { Record } from '../working/bench.ts'
import { App } from './app.ts'

const MANY = 2_000

class ChargeJob extends Job {
  override readonly key = 'charge'
  override delay = '1h'
  handle(_payload: { n: number }) {}
}

test('an interrupted command says how many jobs it has changed, and does not change the other jobs', async () => {
  await using app = await App.make({})
  await using jobs = createJobs({ connection: `sqlite:${join(app.folder, '.lark/jobs.db')}` })
  await jobs.dispatchMany(
    new ChargeJob(),
    Array.from({ length: MANY }, (_, n) => ({ n })),
  )
  const folder = join(app.folder, '.lark/removed')
  const written = async () => {
    const [name] = await readdir(folder).catch(() => [])
    return name === undefined ? '' : readFile(join(folder, name), 'utf8')
  }
  const { child, result } = app.lark('jobs:remove', '--job=charge', '--yes')
  // A job is written into the file before it is removed, so the file may have jobs that are not counted as
  // removed yet.
  const left = async () => (await jobs.status()).queues[0]!.counts.delayed
  while ((await left()) === MANY && child.exitCode === null) await pause(2)
  child.kill('SIGINT')
  const { code, stderr } = await result
  const [, said = ''] = /^! Interrupted: removed ([\d,]+) jobs, and no more$/m.exec(stderr) ?? []
  expect(code, stderr).toBe(130)
  const removed = Number(said.replace(',', ''))
  const delayed = await left()
  expect(delayed).toBe(MANY - removed)
  expect(removed).toBeGreaterThan(0)
  expect(delayed).toBeGreaterThan(0)
  expect((await written()).trim().split('\n')).toHaveLength(removed)
  expect((await app.run('jobs:audit')).stdout).toMatch(
    new RegExp(`\\bcommand +remove +jobs of key charge +interrupted at ${said}$`, 'm'),
  )
})

const ran: number[] = []

class MailJob extends Job {
  override readonly key = 'mail'
  override queueName = 'emials'
  handle({ n }: { n: number }) {
    ran.push(n)
  }
}

test.each(['sqlite', 'redis'])(
  'a move whose process is killed several times loses no job, and no job runs twice (%s)',
  async (store) => {
    ran.length = 0
    const config = `export default { jobs: { queues: ['default'], prefix: process.env.PREFIX || 'lark' } }`
    const prefix = newPrefix()
    const redis = inject('redisUrl')
    await using app = await App.make(
      { 'lark.config.js': config },
      store === 'redis' ? { LARK_JOBS_URL: redis, PREFIX: prefix } : {},
    )
    const connection = store === 'redis' ? redis : `sqlite:${join(app.folder, '.lark/jobs.db')}`
    const of = { connection, ...(store === 'redis' && { prefix }) }
    try {
      await using wrong = createJobs({ ...of, queues: ['emials'] })
      await using jobs = createJobs({ ...of, queues: ['default'] })
      await wrong.dispatchMany(
        new MailJob(),
        Array.from({ length: MANY }, (_, n) => ({ n })),
      )
      const counts = async (name: string) =>
        (await jobs.status()).queues.find(({ queue }) => queue === name)?.counts.waiting ?? 0
      const command = ['jobs:move', '--queue=emials', '--to=default'] as const
      for (let kills = 0; kills < 3; kills++) {
        const before = await counts('default')
        const { child, result } = app.lark(...command)
        while ((await counts('default')) === before && child.exitCode === null) await pause(1)
        child.kill('SIGKILL')
        await result
      }
      expect(await counts('emials')).toBeGreaterThan(0)
      expect((await app.run(...command)).code).toBe(0)
      expect(await counts('emials')).toBe(0)
      const worker = await jobs.work({ jobs: [MailJob], queues: ['default'], report: new Record() })
      // Workers complete the move of jobs that were on their way when the process died.
      await vi.waitFor(() => expect(ran.length).toBeGreaterThanOrEqual(MANY), { timeout: 60_000 })
      await worker.stop()
      expect(ran.toSorted((one, other) => one - other)).toEqual(Array.from({ length: MANY }, (_, n) => n))
      expect((await app.run('jobs:audit')).stdout).toMatch(
        /\bcommand +move +jobs of queue emials to queue default +/,
      )
    } finally {
      if (store === 'redis') await removeKeys(redis, prefix)
    }
  },
  120_000,
)
