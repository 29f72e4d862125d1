/**
 * A newer release has dispatched jobs that no worker can read. Each alarm must report these jobs until a
 * worker can read the jobs.
 */

import { expect, test } from 'vitest'
import { defined } from '../../../lark/src/defined.ts'
import { remarksOn } from '../../src/commands/look/queue-remarks.ts'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { metrics, operate, type PendingFilter } from '../../src/operate.ts'
import { answerOfStore } from '../../src/telemetry/health/endpoints.ts'
import { levelsOf } from '../../src/telemetry/levels.ts'
import { Bench, type Connect, Record } from './bench.ts'

class GreetJob extends Job {
  override readonly key: string = 'greet'
  handle(_payload: { names: string[] }) {}
}

class NewGreetJob extends GreetJob {
  static override readonly version = 2
  static override readonly upcasters = { 1: (payload: unknown) => payload }
}

class WelcomeJob extends GreetJob {
  override readonly key = 'welcome'
}

/** Returns the alarms about the queue `default`. */
async function alarms(bench: Bench) {
  // Each call uses another client, because a client keeps what it has read for a second.
  const jobs = bench.client({ queues: { default: { target: 1 }, low: {} } })
  const operating = operate(jobs)
  const { at, queues } = await operating.overview()
  const { stranded, oldest, counts } = queues.find(({ queue }) => queue === 'default')!
  const status = await operating.status()
  const findings = await operating.doctor()
  const { checks } = await operating.monitor({ maxAge: 1, maxWaiting: { default: 1 } })
  const text = await metrics(jobs)
  const levels = await levelsOf(insideOf(bench.client()))
  return {
    stranded,
    counts: [counts, ...status.queues.filter(({ queue }) => queue === 'default').map((each) => each.counts)],
    remarks: [...remarksOn(status)].map(({ text }) => text).join('\n'),
    since: oldest && at - oldest,
    doctor: findings.filter(({ code, level }) => code === 'stranded-jobs' && level !== 'ok'),
    monitor: checks.filter(({ ok }) => !ok),
    slo: await answerOfStore('/slo', insideOf(jobs)),
    gauge: /^lark_jobs_stranded{queue="default"} (.+)$/m.exec(text)?.[1],
    stored: ['waiting', 'delayed'].map(
      (state) => new RegExp(`^lark_jobs_stored{queue="default",state="${state}"} (.+)$`, 'm').exec(text)?.[1],
    ),
    age: Number(/^lark_jobs_oldest_waiting_seconds{queue="default"} (.+)$/m.exec(text)?.[1]),
    levels: levels.queues.find(({ queue }) => queue === 'default'),
  }
}

export function stranding(connect: Connect) {
  test.each([
    [
      'a version of a payload',
      NewGreetJob,
      'its payload is of version 2, and its class here is of version 1',
    ],
    ['a key', WelcomeJob, 'the worker has no class with this key'],
  ])(
    'every alarm reports jobs with %s that no worker knows, until a worker can read them',
    async (_, Newer, because) => {
      await using bench = await Bench.make(connect)
      const { jobs } = bench
      const list = [new Newer(), new Newer()]
      for (const job of list) await jobs.dispatch(job, { names: ['Ada'] })
      const since = (await jobs.find(list[0]!.id!))!.queuedAt
      const report = new Record()
      const older = await bench.work([GreetJob], { report })
      await report.ends(2)
      await older.stop()

      const found = await alarms(bench)
      const { key } = list[0]!
      expect(found.stranded).toMatchObject({ count: 2, since, id: list[0]!.id, key, because })
      expect(found.since).toBe(since)
      expect(found.counts).toMatchObject(Array(2).fill({ waiting: 2, delayed: 0 }))
      expect(found.stored).toEqual(['2', '0'])
      expect(found.remarks).toContain('default: no worker could read 2 jobs, the first for ')
      expect(found.remarks).toContain(`see lark jobs:why ${list[0]!.id}`)
      const [finding] = found.doctor
      expect(found.doctor).toHaveLength(1)
      expect(finding).toMatchObject({ level: 'error', subject: 'default' })
      expect(finding!.text).toMatch(/^no worker could read 2 jobs, the first for .+, a job of '.+': /)
      expect(finding!.advice).toContainEqual({ do: 'cancel', queue: 'default', key })
      expect(found.monitor).toMatchObject([
        { queue: 'default', what: 'age', stranded: 2 },
        { queue: 'default', what: 'waiting', found: 2, limit: 1 },
      ])
      expect(found.slo).toEqual({
        status: 503,
        text: expect.stringMatching(
          /^default: the oldest job has waited .+ \(no worker could read 2 of them\)\n$/,
        ),
      })
      const untargeted = insideOf(bench.client({ queues: ['default', 'low'] }))
      expect((await answerOfStore('/slo', untargeted)).text).toBe('default: no worker could read 2 jobs\n')
      expect(found.gauge).toBe('2')
      expect(found.age).toBeGreaterThan(0)
      expect(found.levels).toMatchObject({ stranded: 2, states: { waiting: 2, delayed: 0 } })
      expect(found.levels!.oldest).toBeGreaterThan(0)
      // The delay keeps the jobs from becoming due again before the check.
      const operating = operate(jobs)
      await operating.reschedule(
        list.map(({ id }) => id!),
        '1h',
      )
      await jobs.dispatch(new GreetJob().with({ names: [] }).delayed('2h'))
      const [due] = await jobs.dispatch([new GreetJob().with({ names: [] })] as const)
      expect(await jobs.find(list[0]!.id!)).toMatchObject({ state: 'waiting', because })
      for (const more of [{}, { key }, { tag: 'none' }, { since: '1h' as const }])
        for (const limit of [1, 100]) {
          const found = async (state: 'waiting' | 'delayed' | ('waiting' | 'delayed')[]) => {
            const all: string[] = []
            let cursor: string | undefined
            do {
              const page = await operating.list(
                { queue: 'default', state, ...more },
                defined({ limit, cursor }),
              )
              all.push(...page.jobs.map((each) => `${each.key} ${each.state}`))
              cursor = page.cursor
            } while (cursor !== undefined)
            return all.sort()
          }
          const known = 'tag' in more ? [] : [`${key} waiting`, `${key} waiting`]
          const now = 'tag' in more || ('key' in more && key !== 'greet') ? [] : ['greet waiting']
          const later = now.map(() => 'greet delayed')
          expect(await found('waiting')).toEqual([...known, ...now].sort())
          expect(await found('delayed')).toEqual(later)
          expect(await found(['delayed', 'waiting'])).toEqual([...known, ...now, ...later].sort())
        }
      const counted = async (filter: PendingFilter) =>
        (await operating.cancel(filter, { dryRun: true })).cancelled
      for (const more of [{}, { tag: 'none' }, { key }]) {
        const known = 'tag' in more ? 0 : 2
        const others = 'tag' in more || ('key' in more && key !== 'greet') ? 0 : 1
        expect(await counted({ queue: 'default', state: 'waiting', ...more })).toBe(known + others)
        expect(await counted({ queue: 'default', state: 'delayed', ...more })).toBe(others)
      }
      expect(await operating.cancel({ queue: 'default', state: 'delayed' })).toMatchObject({ cancelled: 1 })
      await operating.cancel([due.id])
      expect(await operating.runNow({ queue: 'default', key }, { dryRun: true })).toEqual({ rescheduled: 2 })
      const why = await operate(jobs).why(list[0]!.id!)
      expect(why!.reasons.find(({ kind }) => kind === 'delayed')).toMatchObject({
        text: expect.stringMatching(`^No worker could read it for .+: ${because}$`),
        remedy: { do: 'see-doctor' },
      })

      await operate(jobs).runNow(list.map(({ id }) => id!))
      await (await bench.work([Newer], { stopWhenEmpty: true })).done
      expect(await jobs.find(list[0]!.id!)).toMatchObject({ state: 'completed' })
      const after = await alarms(bench)
      expect(after).toMatchObject({ doctor: [], monitor: [], slo: { status: 200 }, gauge: '0', age: 0 })
      expect([after.stranded, after.since]).toEqual([undefined, undefined])
      expect(after.levels).toMatchObject({ stranded: 0, oldest: 0 })
    },
  )
}
