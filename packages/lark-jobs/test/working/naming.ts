import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { circuitBreaker, group, Job, unique, withoutOverlapping } from '../../src/index.ts'
import { Random } from '../conformance/random.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

/** Users give these names. Lark must never confuse two different names. */
export function naming(connect: Connect): void {
  test('a lock belongs to its class: key `report` with value `admin:7` differs from key `report:admin` with value `7`', async () => {
    await using bench = await Bench.make(connect)
    const ran: unknown[] = []
    class ReportJob extends Job {
      override readonly key = 'report'
      override unique = unique((payload: { of: string; secret?: string }) => payload.of, { replace: true })
      async handle(payload: { of: string; secret?: string }) {
        ran.push([this.constructor.name, payload])
      }
    }
    class AdminReportJob extends Job {
      override readonly key = 'report:admin'
      override unique = unique((payload: { of: string; secret?: string }) => payload.of, { replace: true })
      async handle(payload: { of: string; secret?: string }) {
        ran.push([this.constructor.name, payload])
      }
    }
    await bench.jobs.dispatch(new AdminReportJob(), { of: '7' })
    await bench.jobs.dispatch(new ReportJob(), { of: 'admin:7', secret: 'not for the other' })
    await (await bench.work([AdminReportJob, ReportJob], { stopWhenEmpty: true, concurrency: 1 })).done
    expect(ran).toEqual([
      ['AdminReportJob', { of: '7' }],
      ['ReportJob', { of: 'admin:7', secret: 'not for the other' }],
    ])
  })

  test('names may have any characters, and each name gets one job', async () => {
    await using bench = await Bench.make(connect)
    const signs = ['a', ':', '%', '#', '=', '~', '|', '\0', '\n', 'é', '😀', '\u001e', 'a'.repeat(60)]
    const random = new Random(11)
    const keys = ['a', 'a:', 'a:a', 'a%3A', '#a', '~#a', '=a']
    const classes = keys.map((key) => {
      class NamedJob extends Job {
        override readonly key = key
        override unique = unique((name: string) => name)
        handle(_name: string) {}
      }
      return NamedJob
    })
    for (const NamedJob of classes) {
      const payloads = Array.from({ length: 400 }, () =>
        Array.from({ length: random.below(4) }, () => random.pick(signs)!).join(''),
      )
      const job = new NamedJob()
      await bench.jobs.dispatchMany(job, payloads)
      expect(job.ids, job.key).toHaveLength(new Set(payloads).size)
    }
  })

  test('a group with a name that looks like a keepLast group or a hash is still a separate group', async () => {
    await using bench = await Bench.make(connect)
    const long = 'l'.repeat(80)
    const hash = `#${createHash('sha256').update(long).digest('base64url')}`
    const began: string[] = []
    const both = signal()
    const go = signal()
    const begin = async (name: string) => {
      if (began.push(name) === 4) both.resolve()
      await go.promise
    }
    class SyncJob extends Job {
      override readonly key = 'sync'
      override unique = unique((id: number) => id, { keepLast: true })
      handle = (_id: number) => begin('keepLast')
    }
    class ShopJob extends Job {
      override group = group((shop: string) => shop, { concurrency: 1 })
      handle = (shop: string) => begin(shop)
    }
    await bench.jobs.dispatch(new SyncJob(), 1)
    for (const shop of ['=sync:1', long, hash]) await bench.jobs.dispatch(new ShopJob(), shop)
    const worker = await bench.work([SyncJob, ShopJob] as unknown as (new () => Job)[])
    // Each job is alone in its group, so all run at the same time.
    await both.promise
    go.resolve()
    await worker.stop()
    expect(began.toSorted()).toEqual(['keepLast', '=sync:1', long, hash].toSorted())
  })

  test('to pause a group with a name like a keepLast group pauses only this group', async () => {
    await using bench = await Bench.make(connect)
    const ran: string[] = []
    class ShopJob extends Job {
      override group = group((shop: string) => shop)
      async handle(shop: string) {
        ran.push(shop)
      }
    }
    await bench.jobs.pause({ queue: 'default', group: '#general' })
    for (const shop of ['#general', '~#general', 'general']) await bench.jobs.dispatch(new ShopJob(), shop)
    const report = new Record()
    await bench.work([ShopJob], { report })
    await report.ends(2)
    expect(ran.toSorted()).toEqual(['general', '~#general'])
    await bench.jobs.resume({ queue: 'default', group: '#general' })
    await report.ends(3)
    expect(ran[2]).toBe('#general')
  })

  test('a person resumes a paused group with a long name by the hash in the status', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const long = 'a shop with a long name '.repeat(4)
    await jobs.pause({ queue: 'default', group: long })
    const [queue] = (await jobs.status()).queues
    const [paused] = queue!.pausedGroups
    expect(paused).toEqual({ groupHash: expect.stringMatching(/^#[\w-]{43}$/) })
    const { groupHash } = paused as { groupHash: string }
    // A group may also have the text of the hash as its name.
    expect(await jobs.resume({ queue: 'default', group: groupHash })).toMatchObject({ wasPaused: false })
    expect(await jobs.resume({ queue: 'default', groupHash })).toMatchObject({ wasPaused: true })
    expect((await jobs.status()).queues[0]!.pausedGroups).toEqual([])
    for (const wrong of [{ groupHash: 'acme' }, { group: 'acme', groupHash }])
      await expect(jobs.resume({ queue: 'default', ...wrong })).rejects.toMatchObject({
        code: 'FILTER_INVALID',
      })
  })

  test('a name with half of a surrogate pair is refused, because the store could not distinguish such names', async () => {
    await using bench = await Bench.make(connect)
    class HalfJob extends Job {
      override unique = unique((name: string) => name)
      handle(_name: string) {}
    }
    await expect(bench.jobs.dispatch(new HalfJob(), '\ud800')).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: 'HalfJob: unique gave a text with half of a surrogate pair; it must give a text or a number',
    })
    await expect(bench.jobs.pause({ queue: 'default', group: 'a\ud800' })).rejects.toMatchObject({
      code: 'FILTER_INVALID',
    })
    expect(() => circuitBreaker({ name: '\ud800' })).toThrow('name is')
    expect(() => withoutOverlapping({ shared: '\ud800' })).toThrow('shared is')
  })

  test('withoutOverlapping: shared `a` with the name `b:c` is different from shared `a:b` with the name `c`', async () => {
    await using bench = await Bench.make(connect)
    const both = signal()
    let running = 0
    const make = (shared: string, name: string, key: string) => {
      class SharedJob extends Job {
        override readonly key = key
        override middleware() {
          return [withoutOverlapping(() => name, { shared })]
        }
        async handle() {
          if (++running === 2) both.resolve()
          await both.promise
        }
      }
      return SharedJob
    }
    const classes = [make('a', 'b:c', 'one'), make('a:b', 'c', 'two')]
    for (const each of classes) await bench.jobs.dispatch(new each())
    const worker = await bench.work(classes as unknown as (new () => Job)[], { stopWhenEmpty: true })
    await worker.done
    expect(running).toBe(2)
  })
}
