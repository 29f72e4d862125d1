import { expect, test } from 'vitest'
import { backoff, exponential, Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, Record } from './bench.ts'

/** The pause before the next attempt. */
export function backingOff(connect: Connect): void {
  test('a function computes the pause from the attempt and the error', async () => {
    await using bench = await Bench.make(connect)
    const asked: unknown[] = []
    class AskedJob extends Job {
      override tries = 3
      override backoff = backoff((attempt, error) => {
        asked.push([attempt, error.message])
        return attempt === 1 ? 0 : '2h'
      })
      handle() {
        throw new Error(`no ${this.attempt}`)
      }
    }
    const job = new AskedJob()
    await bench.jobs.dispatch(job)
    const report = new Record()
    await bench.work([AskedJob], { report })
    await report.ends(2)
    await bench.jobs.close()
    expect(asked).toEqual([
      [1, 'no 1'],
      [2, 'no 2'],
    ])
    expect(report.endings.map(({ outcome }) => outcome.kind === 'failed' && outcome.retryIn)).toEqual([
      0, 7_200_000,
    ])
    // A backoff function belongs to the class and is not stored with the job.
    expect((await bench.jobs.find(job.id!))?.options).toBeUndefined()
  })

  test.each([
    [
      'throws',
      'backoff threw: no idea: the default is used',
      () => {
        throw new Error('no idea')
      },
    ],
    [
      'returns no duration',
      "backoff returned 'soon'; it must be milliseconds, or a text like '30s', '5m', '2h' or '1d': the default is used",
      () => 'soon',
    ],
  ])(
    'if a backoff function %s, the default pause is used, and the log of the job says so',
    async (_, line, fails) => {
      await using bench = await Bench.make(connect)
      class OddJob extends Job {
        override backoff = fails as () => string
        handle() {
          return false
        }
      }
      const job = new OddJob()
      await bench.jobs.dispatch(job)
      const report = new Record()
      await bench.work([OddJob], { report })
      await report.ends(1)
      await bench.jobs.close()
      const [ending] = report.endings
      const pause = ending?.outcome.kind === 'failed' ? ending.outcome.retryIn! : -1
      expect(pause).toBeGreaterThanOrEqual(500)
      expect(pause).toBeLessThanOrEqual(1_000)
      expect((await bench.jobs.find(job.id!))?.log.map(({ level, text }) => `${level} ${text}`)).toEqual([
        `warn ${line}`,
      ])
    },
  )

  test('a backoff function may be async, and gets the payload', async () => {
    await using bench = await Bench.make(connect)
    class AskingJob extends Job {
      override tries = 2
      override backoff = backoff(async (attempt, error: Error, payload: { vip: boolean }) => {
        await Promise.resolve()
        if (error.message !== 'busy') throw new Error('what is this?')
        return payload.vip ? 7_000_000 + attempt : 'soon'
      })
      handle({ message }: { vip: boolean; message: string }) {
        throw new Error(message)
      }
    }
    const handles = await bench.jobs.dispatch([
      AskingJob.with({ vip: true, message: 'busy' }),
      AskingJob.with({ vip: false, message: 'busy' }),
      AskingJob.with({ vip: true, message: 'gone' }),
    ])
    const report = new Record()
    await bench.work([AskingJob], { report })
    await report.ends(3)
    const pauses = report.endings.map(({ job, outcome }) => [
      job.id,
      outcome.kind === 'failed' && outcome.retryIn,
    ])
    const pauseOf = new Map(pauses as [string, number][])
    expect(pauseOf.get(handles[0].id)).toBe(7_000_001)
    for (const { id } of handles.slice(1)) expect(pauseOf.get(id)).toBeLessThanOrEqual(1_000)
    expect(report.lines).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^warn: backoff returned 'soon'; it must be .*: the default is used$/),
        'warn: backoff threw: what is this?: the default is used',
      ]),
    )
  })

  test('a backoff function for a single job is refused, and a pause of another kind is kept with the job', async () => {
    await using bench = await Bench.make(connect)
    class ClassJob extends Job {
      override backoff: Job['backoff'] = backoff((attempt) => attempt)
      handle() {
        return false
      }
    }
    const job = new ClassJob()
    job.backoff = () => '5m'
    await expect(bench.jobs.dispatch(job)).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message:
        'ClassJob: backoff is a function of one job; it must be a duration, a list of these, or exponential()',
    })
    job.backoff = '2h'
    await bench.jobs.dispatch(job)
    await (await bench.work([ClassJob], { stopWhenEmpty: true })).done
    expect(await bench.jobs.find(job.id!)).toMatchObject({
      state: 'delayed',
      options: { backoff: [7_200_000] },
    })
  })

  test.each([
    [
      'a fixed one',
      1_000,
      [
        [1_000, 1_000],
        [1_000, 1_000],
      ],
    ],
    [
      'a doubled one',
      exponential({ from: 1_000, jitter: 0 }),
      [
        [1_000, 1_000],
        [2_000, 2_000],
      ],
    ],
    [
      'one that is half left to chance',
      exponential({ from: 10_000, jitter: 0.5 }),
      [
        [5_000, 10_000],
        [10_000, 20_000],
      ],
    ],
  ])('%s', async (_, pause, expected) => {
    await using bench = await Bench.make(connect)
    class PausingJob extends Job {
      override backoff: Job['backoff'] = pause
      handle() {
        return false
      }
    }
    await bench.jobs.dispatch(new PausingJob())
    const { store } = await insideOf(bench.jobs).open()
    for (const [least, most] of expected) {
      const report = new Record()
      const worker = await bench.work([PausingJob], { report })
      await report.ends(1)
      await worker.stop()
      const { id } = report.endings[0]!.job
      const { outcome } = report.endings[0]!
      const retryIn = outcome.kind === 'failed' ? outcome.retryIn! : -1
      expect(retryIn).toBeGreaterThanOrEqual(least!)
      expect(retryIn).toBeLessThanOrEqual(most!)
      expect(await store.alter('default', [id], { kind: 'run-now' })).toEqual(['done'])
    }
  })
}
