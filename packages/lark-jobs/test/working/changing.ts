import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { defineJob, group, Job, tags } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { type JobRecord, operate, type UndoableChange } from '../../src/operate.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

/** Refuses payloads in which `to` is not a text. */
const schema = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) =>
      typeof (value as { to?: unknown } | null)?.to === 'string'
        ? { value: value as { to: string } }
        : { issues: [{ message: 'must be a text', path: ['to'] }] },
  },
}

let ran: string[] = []

class MailJob extends Job {
  static override readonly schema = schema
  static override readonly redact = ['secret']
  override readonly key: string = 'mail'
  override tries = 1
  override tags = tags((payload: { to: string }) => [payload.to.slice(0, 1)])
  handle({ to }: { to: string; secret?: string }): void {
    if (to === 'nobody') throw new Error('no such address')
    ran.push(to)
  }
}

/** People change priorities, payloads and tags from another process, and cancel with a reason. */
export function changing(connect: Connect): void {
  test('after changes by id, by filter and by handle, jobs run in the order of their new priorities', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const other = bench.client()
    ran = []
    const handles = await jobs.dispatch(['a', 'b', 'c', 'd', 'e'].map((to) => MailJob.with({ to })))
    const [a, b, , d, e] = handles
    expect(await other.prioritize({ where: { to: 'c' } }, 7, { dryRun: true })).toEqual({
      prioritized: 1,
      left: 0,
    })
    expect(await other.prioritize({ tag: 'c' }, 7)).toEqual({ prioritized: 1, left: 0 })
    expect(await other.prioritize([b!.id, e!.id], -3)).toEqual({ prioritized: 2, left: 0 })
    expect(await e!.prioritize(2)).toBe(true)
    expect((await a!.status())?.priority).toBe(0)
    for (const wrong of [1.5, 1e6, '5', undefined])
      await expect(d!.prioritize(wrong as number)).rejects.toMatchObject({
        code: 'JOB_INVALID',
        message: expect.stringContaining('prioritize(): priority is'),
      })
    await expect(jobs.prioritize(a!.id, undefined as never)).rejects.toMatchObject({ code: 'FILTER_INVALID' })
    await (await bench.work([MailJob], { stopWhenEmpty: true, concurrency: 1 })).done
    expect(ran).toEqual(['c', 'e', 'a', 'd', 'b'])
    expect(await a!.prioritize(5)).toBe(false)
    await expect(jobs.prioritize([a!.id], 5)).rejects.toMatchObject({ code: 'JOB_NOT_PENDING' })
  })

  test('the class checks an edited payload and hides the same parts of it, and the job runs with it', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const other = bench.client()
    ran = []
    const handle = await jobs.dispatch(MailJob.with({ to: 'nobody' }))
    await (await bench.work([MailJob], { stopWhenEmpty: true })).done
    expect((await handle.status())?.state).toBe('failed')
    expect((await handle.find())?.options).not.toHaveProperty('editedAt')
    const refused = { code: 'PAYLOAD_INVALID', message: 'MailJob: payload.to: must be a text' }
    await expect(handle.edit({ to: 7 } as never)).rejects.toMatchObject(refused)
    await expect(other.edit({ key: 'mail' }, { to: 7 })).rejects.toMatchObject(refused)
    await expect(other.edit(handle.id, undefined)).rejects.toMatchObject({ code: 'FILTER_INVALID' })
    await expect(handle.edit(undefined as never)).rejects.toMatchObject({ code: 'JOB_INVALID' })
    expect(await other.edit<MailJob>({ state: 'failed' }, { to: 'x' }, { dryRun: true })).toEqual({
      edited: 1,
      running: 0,
    })
    expect(await other.edit<MailJob>(handle.id, { to: 'ada', secret: 'x' })).toEqual({
      edited: 1,
      running: 0,
    })
    const found = (await handle.find())!
    expect(found.payload).toEqual({ to: 'ada', secret: '[redacted]' })
    expect(found.options?.editedAt).toBeGreaterThanOrEqual(found.finishedAt!)
    expect(found.options?.tags).toEqual(['n'])
    expect(await handle.edit({ to: 'bob' })).toBe(true)
    expect(await jobs.retry({ key: 'mail' })).toBe(1)
    await (await bench.work([MailJob], { stopWhenEmpty: true })).done
    expect(ran).toEqual(['bob'])
    expect(await jobs.handle(MailJob, 'nobody').edit({ to: 'ada' })).toBe(false)
  })

  test('an edited payload keeps its version if this process does not know the class', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const { store } = await insideOf(jobs).open()
    const made = ['Vbu1WuDE6eYIV', 'Vbu1WuDE6eYIW'].map((id, i) => ({
      id,
      key: 'elsewhere',
      payload: `{"n":1}${' '.repeat(i)}`,
    }))
    await store.enqueue('default', { caller: 'x', number: 1 }, made)
    expect(await jobs.edit({ key: 'elsewhere' }, { n: 2 })).toEqual({ edited: 2, running: 0 })
    for (const [i, { id }] of made.entries())
      expect((await store.get('default', id))?.payload).toBe(`{"n":2}${' '.repeat(i)}`)
    await expect(jobs.edit({ key: 'elsewhere' }, { n: 2n })).rejects.toMatchObject({
      code: 'PAYLOAD_NOT_JSON',
    })
    const more = ({ n }: { n: number }) => ({ n: n + 1 })
    expect(await jobs.edit({ key: 'elsewhere' }, more as never)).toEqual({ edited: 2, running: 0 })
    for (const [i, { id }] of made.entries())
      expect((await store.get('default', id))?.payload).toBe(`{"n":3}${' '.repeat(i)}`)
    const sent = defineJob<{ n: number }>({ key: 'changed-later', tries: 2 })
    const handle = await jobs.dispatch(sent.with({ n: 1 }))
    expect(await handle.edit({ n: 2 })).toBe(true)
    expect((await handle.find())?.payload).toEqual({ n: 2 })
  })

  test('a function makes each new payload from the stored one, and the class checks the result', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const handles = await jobs.dispatch(['ada', 'bob'].map((to) => MailJob.with({ to })))
    const payloads = async () =>
      (await Promise.all(handles.map((each) => each.find()))).map((job) => job?.payload)
    const twice = ({ to }: { to: string }) => ({ to: to + to })
    expect(await jobs.edit<MailJob>({ key: 'mail' }, twice, { dryRun: true })).toEqual({
      edited: 2,
      running: 0,
    })
    expect(await payloads()).toEqual([{ to: 'ada' }, { to: 'bob' }])
    expect(await jobs.edit<MailJob>({ key: 'mail' }, twice)).toEqual({ edited: 2, running: 0 })
    expect(await payloads()).toEqual([{ to: 'adaada' }, { to: 'bobbob' }])
    await expect(jobs.edit({ key: 'mail' }, () => ({ to: 7 }) as never)).rejects.toMatchObject({
      code: 'PAYLOAD_INVALID',
    })
    expect(await payloads()).toEqual([{ to: 'adaada' }, { to: 'bobbob' }])
  })

  test('lists find the tags that people add by hand', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const handles = await jobs.dispatch(['a', 'b'].map((to) => MailJob.with({ to })))
    expect(await jobs.tag({ key: 'mail' }, ['vip', 'a'], { dryRun: true })).toEqual({ tagged: 2, left: 0 })
    expect(await jobs.tag({ key: 'mail' }, ['vip', 'a'])).toEqual({ tagged: 2, left: 0 })
    expect((await jobs.list({ tag: 'vip' })).jobs.map(({ options }) => options?.tags)).toEqual([
      ['a', 'vip'],
      ['b', 'vip', 'a'],
    ])
    expect(await handles[0]!.tag('1', '2', '3', '4', '5', '6', '7')).toBe(true)
    expect(await jobs.tag({ tag: 'vip' }, ['8', '9'])).toEqual({ tagged: 1, left: 1 })
    expect(await handles[0]!.tag('8', '9')).toBe(false)
    expect(await handles[0]!.untag('1', 'a')).toBe(true)
    expect(await jobs.untag({ all: true }, 'vip')).toEqual({ untagged: 2 })
    expect((await jobs.list({ tag: 'vip' })).jobs).toEqual([])
    for (const wrong of [[], [''], ['x'.repeat(65)], ['\u001b[31m'], [7]])
      await expect(handles[0]!.tag(...(wrong as string[]))).rejects.toMatchObject({ code: 'JOB_INVALID' })
    await expect(jobs.tag({ all: true }, [])).rejects.toMatchObject({ code: 'FILTER_INVALID' })
    await expect(jobs.untag('nobody', 'vip')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  })

  test('the reason of a cancel is kept, and reaches the awaiting caller, the running job and its class', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const entered = signal()
    const told: unknown[] = []
    const heard: unknown[] = []
    const working = bench.client({
      hooks: { cancelled: ({ reason, because }) => heard.push([reason, because]) },
    })
    const reasons: unknown[] = []
    class LongJob extends Job {
      override readonly key: string = 'long'
      override tries = 1
      async handle(): Promise<void> {
        entered.resolve()
        const { signal } = this
        while (!signal.aborted) await pause(5)
        reasons.push(signal.reason)
        throw signal.reason
      }
      override cancelled(_: unknown, reason: 'user' | 'expired', because?: string) {
        told.push([reason, because])
      }
    }
    const [running, waiting] = await jobs.dispatch([LongJob.with(), LongJob.with().delayed('1h')])
    const result = running.result().catch((error) => error)
    await bench.work([LongJob], {}, working)
    await entered.promise
    const because = 'sold out | at \u001b[31m10:00\nor so'
    expect(await running.cancel({ because, ifNotBegun: true })).toBe(false)
    // The caller gave no reason.
    expect(await running.cancel({ because: undefined, ifNotBegun: true })).toBe(false)
    await expect(running.cancel(7 as never)).rejects.toThrow('is 7; it must be a text or an object')
    expect(await jobs.cancel([running.id], { because, ifNotBegun: true })).toEqual({
      cancelled: 0,
      asked: 0,
      left: 1,
    })
    expect(await running.cancel(because)).toBe(true)
    const error = await result
    expect(await running.status()).toMatchObject({ state: 'cancelled', reason: 'user', because })
    expect(reasons).toMatchObject([{ code: 'JOB_CANCELLED', reason: 'user', because }])
    expect(error).toMatchObject({ code: 'JOB_CANCELLED', reason: 'user', because })
    expect(error.message).toContain('was cancelled: user: sold out | at ')
    expect(error.message).not.toContain('\u001b')
    expect(await jobs.cancel({ key: 'long' }, { because: `${'x'.repeat(199)}😀 and more` })).toEqual({
      cancelled: 1,
      asked: 0,
    })
    expect((await waiting.status())?.because).toBe('x'.repeat(199))
    await expect
      .poll(() => told)
      .toEqual([
        ['user', because],
        ['user', 'x'.repeat(199)],
      ])
    expect(heard).toEqual([['user', because]])
    await expect(waiting.cancel({ reason: 'no' } as never)).rejects.toMatchObject({ code: 'JOB_INVALID' })
    await expect(jobs.cancel(waiting.id, { because: 7 } as never)).rejects.toMatchObject({
      code: 'FILTER_INVALID',
      message: 'Jobs.cancel(): because is 7; it must be a text',
    })
  })

  test('each change that can be undone hands out records, and these records undo it', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const operating = operate(jobs)
    const made = await jobs.dispatch([
      MailJob.with({ to: 'nobody' }),
      MailJob.with({ to: 'ada' }),
      MailJob.with({ to: 'bob' }).delayed('1h'),
    ])
    const ids = made.map(({ id }) => id)
    await jobs.reschedule(ids[1]!, '2h')
    await (await bench.work([MailJob], { stopWhenEmpty: true })).done
    await operating.runNow(ids[1]!)
    const [failed, waiting, delayed] = ids as [string, string, string]
    let records: JobRecord[] = []
    const before = (some: readonly JobRecord[]) => void records.push(...some)
    const changes: { [Of in UndoableChange]: [string, () => Promise<unknown>] } = {
      retry: [failed, () => operating.retry({ state: 'failed' }, { before })],
      cancel: [delayed, () => operating.cancel({ state: 'delayed' }, { before })],
      'run-now': [delayed, () => operating.runNow({ key: 'mail' }, { before })],
      reschedule: [waiting, () => operating.reschedule([waiting], '3h', { before })],
      move: [waiting, () => operating.move({ state: 'waiting' }, 'emails', { before })],
      remove: [delayed, () => operating.remove({ state: 'delayed' }, { before })],
    }
    for (const [of, [id, change]] of Object.entries(changes)) {
      records = []
      const then = await jobs.find(id)
      await change()
      expect(await jobs.find(id), of).not.toEqual(then)
      expect([of, records.map(({ id }) => id)]).toEqual([of, [id]])
      const undone = await operating.undo(records, { of: of as UndoableChange })
      expect([of, undone]).toEqual([of, { undone: 1, left: 0 }])
      const { state, payload, queue } = then!
      expect(await jobs.find(id), of).toMatchObject({ state, payload, queue })
    }
    // The undo of another change does not bring back a removed job.
    await operating.runNow(delayed, { before })
    await jobs.remove(delayed)
    expect(await operating.undo(records.slice(-1))).toEqual({ undone: 0, left: 1 })
    const wrong = operating.undo(records, { of: 'purge' as never })
    await expect(wrong).rejects.toMatchObject({ code: 'FILTER_INVALID' })
    const [{ what, count } = {}] = (await operating.audit()).entries
    expect([what, count]).toEqual(['undo', 0])
  })

  test('a caller that has enough records gets no more, and all jobs are changed', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    await jobs.dispatch(Array.from({ length: 120 }, (_, n) => MailJob.with({ to: `${n}` }).delayed('1h')))
    const lots: number[] = []
    const before = (some: readonly JobRecord[]) => {
      lots.push(some.length)
      return 'enough'
    }
    expect(await jobs.runNow({ all: true }, { before })).toEqual({ rescheduled: 120 })
    expect(await jobs.remove({ all: true }, { before })).toMatchObject({ removed: 120, left: 0 })
    expect(lots).toEqual([50, 50])
  })

  test('an interrupted change ends after a lot, and has changed each job whose record it handed out', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    await jobs.dispatch(Array.from({ length: 120 }, (_, n) => MailJob.with({ to: `${n}` }).delayed('1h')))
    for (const [change, of] of [
      ['runNow', 'waiting'],
      ['remove', undefined],
    ] as const) {
      const over = new AbortController()
      const handedOut: string[] = []
      const before = (some: readonly JobRecord[]) => {
        handedOut.push(...some.map(({ id }) => id))
        over.abort()
      }
      const answer = await jobs[change]({ state: 'delayed' }, { before, signal: over.signal })
      expect(answer).toMatchObject(change === 'remove' ? { removed: 50, left: 0 } : { rescheduled: 50 })
      expect(handedOut).toHaveLength(50)
      const now = await Promise.all(handedOut.map(async (id) => (await jobs.find(id))?.state))
      expect(new Set(now)).toEqual(new Set([of]))
    }
    expect((await jobs.status()).queues[0]!.counts).toMatchObject({ delayed: 20, waiting: 50 })
  })

  test('with ifNotBegun, cancel and remove reach only jobs that have not begun, and a dry run counts them', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    class ShopJob extends Job {
      override readonly key: string = 'shop'
      override group = group((payload: { begins: boolean }) => String(payload.begins))
      handle(_: { begins: boolean }): void {
        this.release('1h')
      }
    }
    const report = new Record()
    const [begun] = await jobs.dispatch([ShopJob.with({ begins: true })])
    const worker = await bench.work([ShopJob], { report })
    await report.ends(1)
    await worker.stop()
    const [first, second] = await jobs.dispatch([
      ShopJob.with({ begins: false }),
      ShopJob.with({ begins: false }),
    ])
    expect(await jobs.remove({ key: 'shop' }, { ifNotBegun: true, dryRun: true })).toEqual({
      removed: 2,
      running: 0,
      left: 1,
    })
    expect(await first.remove({ ifNotBegun: true })).toBe(true)
    expect(await begun.remove({ ifNotBegun: true })).toBe(false)
    expect(await jobs.cancel({ key: 'shop' }, { ifNotBegun: true, dryRun: true })).toEqual({
      cancelled: 1,
      asked: 0,
      left: 1,
    })
    expect(await jobs.cancel({ key: 'shop' }, { ifNotBegun: true })).toEqual({
      cancelled: 1,
      asked: 0,
      left: 1,
    })
    expect((await second.status())?.state).toBe('cancelled')
    expect(await jobs.remove([begun.id, second.id], { ifNotBegun: true })).toEqual({
      removed: 1,
      running: 0,
      left: 1,
    })
    expect((await begun.status())?.state).toBe('delayed')
  })
}
