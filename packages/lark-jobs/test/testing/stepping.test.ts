/** Jobs with steps in a fake: sleeps end on the clock of the fake, and handles send signals. */
import Libsql from 'libsql'
import { expect, test, vi } from 'vitest'
import { defineSignal, Job, type Make } from '../../src/index.ts'
import { Jobs } from '../../src/testing.ts'

const approved = defineSignal<{ by: string }>('approved')
const rejected = defineSignal('rejected')
const now = new Date('2026-11-27T08:00:00Z')
const day = 86_400_000

const called: string[] = []
class PublishJob extends Job {
  override tries = 3
  override backoff = '1m'
  async handle({ article }: { article: string }) {
    await this.step('draft', () => void called.push('draft'))
    const answer = await this.waitFor({ approved, rejected }, { timeout: '7d' })
    if (answer?.name !== 'approved') return answer?.name ?? 'nobody'
    await this.sleep('cool down', '3d')
    await this.step('publish', () => void called.push(`publish ${article}`))
    return answer.value.by
  }
}

const clear = () => called.splice(0)

test('when the test moves the clock by three days, sleeps end, and steps run once', async () => {
  clear()
  await using fake = Jobs.fake({ now })
  const handle = await new PublishJob().with({ article: 'a' }).dispatch()
  expect(await fake.drain()).toMatchObject({ suspended: 1, completed: 0 })
  expect(await handle.status()).toMatchObject({ state: 'delayed', suspended: ['approved', 'rejected'] })
  expect(await handle.send(approved, { by: 'ada' }, { id: 'click' })).toBe(true)
  expect(await fake.drain()).toMatchObject({ suspended: 1, completed: 0 })
  await fake.advance('2d')
  expect(await fake.drain()).toMatchObject({ suspended: 0, completed: 0 })
  await fake.advance('1d')
  expect(await fake.drain()).toMatchObject({ completed: 1 })
  expect(await handle.result()).toBe('ada')
  expect(called).toEqual(['draft', 'publish a'])
  expect(fake.now).toBe(+now + 3 * day)
})

test('a test that awaits a result moves the clock to the end of sleeps and to the timeout of a wait', async () => {
  await using fake = Jobs.fake({ now })
  const [one, two] = await Jobs.dispatch([
    new PublishJob().with({ article: 'a' }),
    new PublishJob().with({ article: 'b' }),
  ])
  await one!.send(approved, { by: 'ada' })
  expect(await one!.result()).toBe('ada')
  expect(fake.now).toBe(+now + 3 * day)
  expect(await two!.result()).toBe('nobody')
  expect(fake.now).toBe(+now + 7 * day)
})

test('a spy reports what a job waits for, and for how long', async () => {
  await using fake = Jobs.fake({ now })
  const handle = await new PublishJob().with({ article: 'a' }).dispatch()
  const suspended = await fake.spy(PublishJob).suspended({ article: 'a' })
  expect(suspended).toMatchObject({ id: handle.id, signals: ['approved', 'rejected'], in: 7 * day })
  await handle.send(rejected)
  expect(await fake.spy(PublishJob).completed()).toMatchObject({ result: 'rejected' })
  expect(fake.now).toBe(+now)
})

test('a job that waits for ever does not become due in a drain', async () => {
  class WaitJob extends Job {
    handle() {
      return this.waitFor(approved)
    }
  }
  await using fake = Jobs.fake({ now })
  const handle = await new WaitJob().with().dispatch()
  expect(await fake.drain({ withDelayed: true })).toMatchObject({ suspended: 1 })
  expect(await fake.drain({ withDelayed: '90d' })).toMatchObject({ suspended: 0 })
  await expect(handle.result()).rejects.toMatchObject({ code: 'FAKE_IDLE' })
  await handle.send(approved, { by: 'ada' })
  expect(await handle.result()).toEqual({ value: { by: 'ada' } })
})

test('a job may sleep more often than a drain may run jobs', async () => {
  class DripJob extends Job {
    async handle() {
      for (let mail = 0; mail < 40; mail++) await this.sleep(['mail', mail], '1h')
    }
  }
  await using fake = Jobs.fake({ now })
  await new DripJob().dispatch()
  expect(await fake.drain({ withDelayed: true, most: 10 })).toMatchObject({ suspended: 40, completed: 1 })
  expect(fake.now).toBe(+now + 40 * 3_600_000)
})

test('short sleeps and the pauses between tries of a step also use the clock of the fake', async () => {
  class FlakyJob extends Job {
    async handle() {
      await this.sleep('a moment', 500)
      return this.step(
        'flaky',
        ({ attempt }) => {
          if (attempt < 3) throw new Error('no')
          return attempt
        },
        { tries: 3, backoff: [200, '1h'] },
      )
    }
  }
  await using fake = Jobs.fake({ now })
  const handle = await new FlakyJob().with().dispatch()
  expect(await handle.result()).toBe(3)
  expect(fake.now).toBe(+now + 500 + 200 + 3_600_000)
})

test('if a worker dies during a job, recorded steps are kept, and the other steps run again', async () => {
  clear()
  class ChargeJob extends Job {
    async handle() {
      await this.step('charge', () => void called.push('charge'))
      await this.step('tell', () => {
        called.push('tell')
        if (called.length < 3) return fake.crash()
      })
    }
  }
  await using fake = Jobs.fake({ now })
  await new ChargeJob().dispatch()
  expect(await fake.drain({ withDelayed: true })).toMatchObject({ completed: 1, crashed: 1 })
  expect(called).toEqual(['charge', 'tell', 'tell'])
})

test('a step in a database needs no table, and may use a stub', async () => {
  const db = new Libsql(':memory:')
  db.exec('CREATE TABLE orders (id INTEGER)')
  class BookJob extends Job {
    async handle() {
      const count = await this.stepIn(
        db,
        'book',
        (tx) => tx.prepare('INSERT INTO orders VALUES (7)').run().changes,
      )
      const stub = { orders: [] as number[] }
      await this.stepIn(stub, 'stub', (tx) => void tx.orders.push(7))
      return [count, stub.orders]
    }
  }
  await using _ = Jobs.fake({ now })
  const handle = await new BookJob().with().dispatch()
  expect(await handle.result()).toEqual([1, [7]])
  expect(await new BookJob().dispatchNow()).toEqual([1, [7]])
  expect(db.prepare('SELECT id FROM orders').pluck().all()).toEqual([7, 7])
  db.close()
})

test('steps also work with the fake timers of the test runner', async () => {
  clear()
  vi.useFakeTimers()
  try {
    await using _ = Jobs.fake({ now })
    const handle = await new PublishJob().with({ article: 'a' }).dispatch()
    await handle.send(approved, { by: 'ada' })
    expect(await handle.result()).toBe('ada')
    expect(called).toEqual(['draft', 'publish a'])
  } finally {
    vi.useRealTimers()
  }
})

test('with dispatchNow, sleeps move the clock, and a wait ends with a signal or when the test moves the clock', async () => {
  clear()
  await using fake = Jobs.fake({ now })
  let id = ''
  class OneJob extends PublishJob {
    override async handle(payload: { article: string }) {
      id = this.id!
      return super.handle(payload)
    }
  }
  const answered = new OneJob().dispatchNow({ article: 'a' })
  await expect.poll(() => called).toEqual(['draft'])
  expect(await Jobs.handle(OneJob, id).send(approved, { by: 'ada' })).toBe(true)
  expect(await answered).toBe('ada')
  expect(fake.now).toBe(+now + 3 * day)
  const late = new OneJob().dispatchNow({ article: 'b' })
  await expect.poll(() => called).toHaveLength(3)
  await fake.advance('7d')
  expect(await late).toBe('nobody')
  fake.assertNothingDispatched()
})

test('the time in which a job is suspended does not count for its retryUntil', async () => {
  const runs: string[] = []
  class AskJob extends Job {
    override retryUntil = '1h'
    override backoff = '25m'
    async handle({ releases }: { releases: boolean }) {
      runs.push(`${this.attempt}`)
      const answer = await this.waitFor(rejected, { timeout: '3d' })
      if (releases) this.release('50m')
      await this.sleep('cool down', '1d')
      throw new Error(`no answer: ${answer}`)
    }
  }
  await using fake = Jobs.fake({ now })
  const handle = await new AskJob().with({ releases: false }).dispatch()
  await expect(handle.result()).rejects.toThrow('no answer')
  expect(runs).toEqual(['1', '1', '1', '2', '3'])
  const ended = fake.now
  expect(ended).toBe(+now + 4 * day + 50 * 60_000)
  const other = await new AskJob().with({ releases: true }).dispatch()
  await expect(other.result()).rejects.toMatchObject({ cause: { code: 'RETRY_UNTIL_PASSED' } })
  expect(fake.now).toBe(ended + 3 * day + 50 * 60_000)
})

class PageJob extends Job {
  async handle({ page }: { page: number }) {
    called.push(`page ${page}`)
    await this.sleep('render', '1d')
    if (page === 9) this.fail('no ink')
    return `page ${page}`
  }
}
class BookJob extends Job {
  override tries = 1
  async handle({ pages }: { pages: number[] }) {
    await this.sleep('cool down', '1d')
    const all = await Promise.all(
      pages.map((page) => this.runJob(['page', page], new PageJob().with({ page }))),
    )
    await this.sleep('bind', '1d')
    return all
  }
}

test('child jobs are asserted like other jobs, and their sleep of three days ends when the clock moves', async () => {
  clear()
  await using fake = Jobs.fake({ now })
  const handle = await new BookJob().with({ pages: [1, 2] }).dispatch()
  expect(await fake.drain()).toMatchObject({ suspended: 1 })
  await fake.advance('1d')
  expect(await fake.drain()).toMatchObject({ suspended: 3, completed: 0 })
  expect([...called].sort()).toEqual(['page 1', 'page 2'])
  fake.assertDispatched(PageJob, { page: 1 })
  expect(await handle.result()).toEqual(['page 1', 'page 2'])
  expect(fake.now).toBe(+now + 3 * day)
  expect(called).toEqual(['page 1', 'page 2', 'page 1', 'page 2'])
  const other = await new BookJob().with({ pages: [9] }).dispatch()
  await expect(other.result()).rejects.toMatchObject({ code: 'JOB_FAILED' })
  expect(await fake.spy(PageJob).failed({ page: 9 })).toMatchObject({ last: true })
})

test('dispatchNow() runs each child once in its own process, and `make` makes the child as for a worker', async () => {
  clear()
  const made: string[] = []
  const make: Make = (Class) => {
    made.push(Class.name)
    return { job: new Class(), dispose: () => void made.push('dispose') }
  }
  await using fake = Jobs.fake({ now, config: { make } })
  expect(await new BookJob().dispatchNow({ pages: [1] })).toEqual(['page 1'])
  expect(fake.now).toBe(+now + 3 * day)
  expect(called).toEqual(['page 1'])
  expect(made).toEqual(['PageJob', 'dispose'])
  await expect(new BookJob().dispatchNow({ pages: [9] })).rejects.toMatchObject({
    name: 'StepError',
    code: 'JOB_FAILED',
    child: { state: 'failed', queue: 'default' },
    message: expect.stringMatching(/^PageJob \S+ has failed: no ink$/),
  })
  fake.assertNothingDispatched()
})

test('with dispatchNow, children sleep at the same time, also if they begin and go on at different times', async () => {
  clear()
  class NightJob extends Job {
    async handle({ nights }: { nights: number }) {
      for (let n = 0; n < nights; n++) await this.sleep(['night', n], '1d')
      called.push(`${nights} nights at ${(fake.now - +now) / day}`)
    }
  }
  class TourJob extends Job {
    async handle() {
      const all = [2, 1, 3].map((nights) =>
        this.runJob(['part', nights], new NightJob().with({ nights })).then(() =>
          this.step(
            ['tell', nights],
            () => void called.push(`told of ${nights} at ${(fake.now - +now) / day}`),
          ),
        ),
      )
      await Promise.all([...all, this.sleep('visa', '12h')])
      return (fake.now - +now) / day
    }
  }
  await using fake = Jobs.fake({ now })
  expect(await new TourJob().dispatchNow()).toBe(3)
  const told = [1, 2, 3].flatMap((n) => [`${n} nights at ${n}`, `told of ${n} at ${n}`])
  expect(called).toEqual(told)
})

/** A job whose second undo fails once. */
class TripJob extends Job {
  async handle() {
    await this.step('flight', () => 1, { undo: (got) => void called.push(`undo flight ${got}`) })
    await this.sleep('cool down', '3d')
    await this.step('hotel', () => 2, {
      backoff: '1h',
      undo: (got, { attempt }) => {
        called.push(`undo hotel ${got}`)
        if (attempt === 1) throw new Error('once more')
      },
    })
    this.fail('sold out')
  }
  override failed(error: Error) {
    called.push(error.message)
  }
}

test.each<[string, () => Promise<unknown>]>([
  [
    'from a queue',
    () =>
      new TripJob()
        .with()
        .dispatch()
        .then((job) => job.result()),
  ],
  ['by dispatchNow', () => new TripJob().dispatchNow()],
])(
  'a job that fails is undone in reverse, and the pauses go by the clock of the fake: %s',
  async (_, run) => {
    clear()
    await using fake = Jobs.fake({ now })
    await expect(run()).rejects.toMatchObject({ message: expect.stringContaining('sold out') })
    expect(called).toEqual(['undo hotel 2', 'undo hotel 2', 'undo flight 1', 'sold out'])
    expect(fake.now).toBe(+now + 3 * day + 3_600_000)
  },
)
