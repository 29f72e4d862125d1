/** A command begins a change at a pace, and the workers that continue the change are killed. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, test, vi } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import { operate } from '../../src/operate.ts'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { Record } from '../working/bench.ts'
import { App } from './app.ts'

const MANY = 24

class ChargeJob extends Job {
  override readonly key = 'charge'
  override tries = 1
  handle(_: { n: number }) {
    throw new Error('The bank is down')
  }
}

/** The class in the workers completes the jobs now, except for the first ten jobs. */
const file = `
import { appendFileSync } from 'node:fs'
import { Job } from '@s18i/lark-jobs'

export class ChargeJob extends Job {
  key = 'charge'
  tries = 1
  handle({ n }) {
    appendFileSync('ran.txt', n + ' ' + Date.now() + '\\n')
    if (n < 10) throw new Error('The bank is down')
  }
}
`

test.each(['sqlite', 'redis'])(
  'a change goes on when its worker is killed, keeps its pace, and retries no job twice (%s)',
  async (store) => {
    const config = `export default { jobs: { prefix: process.env.PREFIX || 'lark' } }`
    const prefix = newPrefix()
    const redis = inject('redisUrl')
    await using app = await App.make(
      { 'lark.config.js': config, 'jobs/ChargeJob.js': file },
      store === 'redis' ? { LARK_JOBS_URL: redis, PREFIX: prefix } : {},
    )
    const ran = async () => {
      const text = await readFile(join(app.folder, 'ran.txt'), 'utf8').catch(() => '')
      return text
        .split('\n')
        .slice(0, -1)
        .map((line) => line.split(' ').map(Number) as [n: number, at: number])
    }
    const connection = store === 'redis' ? redis : `sqlite:${join(app.folder, '.lark/jobs.db')}`
    try {
      await using jobs = createJobs({ connection, ...(store === 'redis' && { prefix }) })
      await jobs.dispatchMany(
        new ChargeJob(),
        Array.from({ length: MANY }, (_, n) => ({ n })),
      )
      await (await jobs.work({ jobs: [ChargeJob], report: new Record(), stopWhenEmpty: true })).done
      const begun = await app.run('jobs:retry', '--all', '--limit=8', '--per=4s', '--json')
      expect(begun.code, begun.stderr).toBe(0)
      const { id, total } = JSON.parse(begun.stdout)
      expect(total).toBe(MANY)
      // After some jobs, kill the only worker and start another worker.
      for (const goal of [8, 16]) {
        const { child, result } = app.lark('jobs:work')
        await vi.waitFor(async () => expect((await ran()).length).toBeGreaterThanOrEqual(goal), {
          timeout: 40_000,
          interval: 20,
        })
        child.kill('SIGKILL')
        await result
      }
      const last = app.lark('jobs:work')
      await vi.waitFor(
        async () => {
          const [change] = await operate(jobs).changes.list()
          expect(change).toMatchObject({ id, done: MANY, left: 0 })
          expect(new Set((await ran()).map(([n]) => n)).size).toBe(MANY)
        },
        { timeout: 60_000, interval: 100 },
      )
      await vi.waitFor(
        async () => expect((await operate(jobs).changes.list())[0]).toMatchObject({ state: 'done' }),
        { timeout: 30_000, interval: 100 },
      )
      last.child.kill('SIGTERM')
      await last.result
      const first = new Map((await ran()).toReversed())
      const times = [...first.values()].sort((one, other) => one - other)
      // Eight jobs later, a job belongs to a later lot. Runs may begin late, so the compared time is a bit
      // shorter.
      for (const [i, at] of times.slice(8).entries()) expect(at - times[i]!).toBeGreaterThan(3_000)
      const { counts } = (await jobs.status()).queues[0]!
      expect(counts).toMatchObject({ failed: 10, completed: MANY - 10, waiting: 0, delayed: 0 })
      const { jobs: ended } = await jobs.list<ChargeJob>({}, { limit: 100 })
      expect(ended).toHaveLength(MANY)
      // A job with two retries would have failed three times.
      for (const { errors, state } of ended) {
        const declined = errors.filter(({ message }) => message === 'The bank is down')
        expect(declined).toHaveLength(state === 'failed' ? 2 : 1)
      }
    } finally {
      if (store === 'redis') await removeKeys(redis, prefix)
    }
  },
  180_000,
)
