/** What other features see of a suspended job: its permits and its name are free, and it has not ended. */
import { expect, test } from 'vitest'
import { defineSignal, every, Job, withoutOverlapping } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { bookOf } from '../../src/operate/schedules/schedule-info.ts'
import { operate } from '../../src/operate.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

const approved = defineSignal('approved')

export function suspending(connect: Connect): void {
  test('a suspended job gives its permit back, and needs one again to go on', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ limiters: { one: { concurrency: 1 } } })
    const began = signal()
    const go = signal()
    class AskJob extends Job {
      override limiter = 'one'
      async handle() {
        await this.waitFor(approved)
        return 'approved'
      }
    }
    class HoldJob extends Job {
      override limiter = 'one'
      async handle() {
        began.resolve()
        await go.promise
      }
    }
    const report = new Record()
    await bench.work([AskJob, HoldJob], { report }, client)
    const asking = await client.dispatch(new AskJob().with())
    await report.ends(1)
    await client.dispatch(new HoldJob().with())
    await began.promise
    await asking.send(approved)
    expect(await operate(client).why(asking.id)).toMatchObject({ reasons: [{ kind: 'limiter' }] })
    go.resolve()
    expect(await asking.result({ timeout: '20s' })).toBe('approved')
  })

  test('two suspended jobs may have the same name of withoutOverlapping, and go on one after the other', async () => {
    await using bench = await Bench.make(connect)
    let now = 0
    let most = 0
    class AskJob extends Job {
      override middleware() {
        return [withoutOverlapping({ releaseAfter: 10 })]
      }
      async handle() {
        most = Math.max(most, ++now)
        await this.step('begin', () => {})
        now -= 1
        await this.waitFor(approved)
        most = Math.max(most, ++now)
        await this.step('end', () => {})
        now -= 1
      }
    }
    const handles = await bench.jobs.dispatch([new AskJob().with(), new AskJob().with()])
    await bench.work([AskJob])
    for (const handle of handles)
      await expect.poll(async () => (await handle.status())?.suspended).toEqual(['approved'])
    await Promise.all(handles.map((handle) => handle.send(approved)))
    for (const handle of handles) await handle.result({ timeout: '20s' })
    expect(most).toBe(1)
  })

  test.each([
    ['skip', 0, 'delayed'],
    ['cancel', 1, 'cancelled'],
  ] as const)(
    'a suspended job has not ended for its schedule, with overlap %s',
    async (overlap, count, state) => {
      await using bench = await Bench.make(connect)
      class AskJob extends Job {
        override readonly key = 'ask'
        async handle() {
          await this.waitFor(approved)
        }
      }
      await bench.jobs.schedules.set('ask', new AskJob().with(), every('1d', { overlap }))
      await bench.jobs.schedules.runNow('ask')
      await bench.work([AskJob])
      const jobs = async () => (await bench.jobs.list({ key: 'ask' })).jobs
      await expect.poll(jobs).toMatchObject([{ state: 'delayed', suspended: ['approved'] }])
      const book = bookOf(await insideOf(bench.jobs).open())
      const { ticks } = await book.plan((await book.get('ask'))!, 86_400_000)
      expect(ticks).toHaveLength(count)
      expect(await jobs()).toMatchObject([{ state }])
    },
  )
}
