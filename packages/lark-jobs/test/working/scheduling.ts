import { expect, test } from 'vitest'
import { cron, every, Job, unique } from '../../src/index.ts'
import { operate } from '../../src/operate.ts'
import { Bench, type Connect, Record } from './bench.ts'
import { damageSchedule } from './setting-schedules.ts'

const SECOND = 1_000

/**
 * Makes a class with a schedule of every second, and notes the instants of its jobs and how late each began.
 */
function secondly(key: string) {
  const instants: number[] = []
  const late: number[] = []
  class SecondlyJob extends Job {
    override readonly key = key
    override schedule = every('1s')
    handle() {
      instants.push(this.scheduledFor!.getTime())
      late.push(Date.now() - instants.at(-1)!)
    }
  }
  return { SecondlyJob, instants, late }
}

const ids = async (bench: Bench) => (await bench.jobs.schedules.list()).map(({ id }) => id)

/** Workers declare and fire schedules. */
export function scheduling(connect: Connect): void {
  test("with several workers, each tick of a class's schedule becomes one job", async () => {
    await using bench = await Bench.make(connect)
    const { SecondlyJob, instants, late } = secondly('secondly')
    const report = new Record()
    for (const client of [bench.jobs, bench.client(), bench.client()])
      await bench.work([SecondlyJob], { report }, client)
    await report.ends(3)
    // The jobs are queued before their instants, and begin at their instants.
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0)
    const [first] = instants.sort()
    expect(first! % SECOND).toBe(0)
    expect(instants).toEqual(instants.map((_, i) => first! + i * SECOND))
    const info = (await bench.jobs.schedules.get('secondly'))!
    expect(info).toMatchObject({
      ofClass: true,
      state: 'running',
      when: 'every 1s',
      key: 'secondly',
      skipped: [],
    })
    expect(info.ticks).toBeGreaterThanOrEqual(3)
    // The outcome of the last job may be on its way.
    expect(info.runs.slice(0, 2).map(({ tick, state }) => [tick, state])).toEqual(
      instants.slice(0, 2).map((tick) => [tick, 'completed']),
    )
  })

  test('a running worker fires a schedule that another process sets, with its payload', async () => {
    await using bench = await Bench.make(connect)
    const told: unknown[] = []
    class TenantJob extends Job {
      override readonly key = 'tenant'
      override queueName = 'emails'
      handle({ tenant }: { tenant: number }) {
        told.push([tenant, this.id])
      }
    }
    const report = new Record()
    await bench.work([TenantJob], { report })
    const { schedules } = bench.client()
    const info = await schedules.set('tenant-7', TenantJob.with({ tenant: 7 }), every('1s', { limit: 2 }))
    await report.ends(2)
    const at = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z')
    expect(told).toEqual([
      [7, `tenant-7@${at(info.next!)}`],
      [7, `tenant-7@${at(info.next! + SECOND)}`],
    ])
    expect(await schedules.list({ state: 'ended' })).toMatchObject([{ ticks: 2, ended: { why: 'limit' } }])
    const again = (limit: number) =>
      schedules.set('tenant-7', TenantJob.with({ tenant: 7 }), every('1s', { limit }))
    expect(await again(2)).toMatchObject({ state: 'ended', ticks: 2 })
    expect(await again(3)).toMatchObject({ state: 'running', ticks: 0 })
  })

  test('the history has rejected jobs of a unique class', async () => {
    await using bench = await Bench.make(connect)
    class UniqueJob extends Job {
      override readonly key = 'unique'
      override unique = unique()
      handle() {}
    }
    const { jobs } = bench
    await jobs.dispatch(UniqueJob.with().delayed('1h'))
    await jobs.schedules.set('unique', UniqueJob.with(), every('1s', { limit: 1 }))
    const report = new Record()
    await bench.work([UniqueJob, secondly('other').SecondlyJob], { report })
    // The other schedule ticks after this one.
    await report.ends(2)
    expect(await jobs.schedules.get('unique')).toMatchObject({
      state: 'ended',
      lastRun: { state: 'rejected' },
    })
  })

  test("a damaged record of a class's schedule stops no other schedules, and the worker reports it", async () => {
    await using bench = await Bench.make(connect)
    const damaged = secondly('a-damaged')
    const fine = secondly('b-fine')
    const first = await bench.work([damaged.SecondlyJob])
    await first.stop()
    await damageSchedule(bench.jobs, 'a-damaged')
    const report = new Record()
    await bench.work([damaged.SecondlyJob, fine.SecondlyJob], { report }, bench.client())
    await report.ends(1)
    expect(fine.instants).toHaveLength(1)
    expect(report.warnings.join()).toContain("a schedule 'a-damaged'")
  })

  test('a worker refuses a class with a schedule that never ticks', async () => {
    await using bench = await Bench.make(connect)
    class NeverJob extends Job {
      override readonly key = 'never'
      override schedule = cron('0 0 30 2 *')
      handle() {}
    }
    await expect(bench.work([NeverJob])).rejects.toThrow(
      "Schedule never: the expression is '0 0 30 2 *'; it must be one that names some date: this one never ticks",
    )
  })

  test('if schedules are turned off, a worker declares and fires no schedules, and says so', async () => {
    await using bench = await Bench.make(connect)
    const { SecondlyJob, instants } = secondly('off')
    class EndedJob extends Job {
      override readonly key = 'ended'
      handle() {}
    }
    const off = bench.client({ schedules: { enabled: false } })
    const report = new Record()
    await bench.work([SecondlyJob, EndedJob], { report }, off)
    expect(report.warnings.join()).toContain(
      'This schedule does not run here: off. jobs.schedules.enabled turns schedules on',
    )
    expect(await ids(bench)).toEqual([])
    class WrongJob extends Job {
      override readonly key = 'wrong'
      override schedule = { when: every('1s'), payload: new Map() }
      handle(_payload: unknown) {}
    }
    await expect(bench.work([WrongJob], { report }, off)).rejects.toThrow('payload is a Map')
    const { next } = await off.schedules.set('set', EndedJob.with(), every('1s'))
    // The worker also fires no schedules that code has set.
    const other = new Record()
    await (await bench.work([SecondlyJob], { report: other }, off)).stop()
    expect(other.warnings.join()).toContain('These schedules do not run here: off, set.')
    await off.dispatch(EndedJob.with().delayed(Math.max(0, next! + 1_500 - Date.now())))
    await report.ends(1)
    expect(await operate(bench.jobs).schedules.get('set')).toMatchObject({ ticks: 0, next })
    expect(instants).toEqual([])
  })
}
