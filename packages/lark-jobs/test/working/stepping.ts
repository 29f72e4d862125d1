import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { expect, test } from 'vitest'
import { defineSignal, Job, JobsError, NonRetryableError, StepError } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { newId } from '../../src/model/id.ts'
import { Caller } from '../conformance/caller.ts'
import { open as openRaw } from '../sqlite/raw.ts'
import { Bench, type Connect, signal } from './bench.ts'

const approved = defineSignal<{ by: string }>('approved')
const rejected = defineSignal('rejected')
/** This Standard Schema accepts the text of a positive number, and returns the number. */
const positive = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    types: undefined as { input: string; output: number } | undefined,
    validate: (value: unknown) =>
      Number(value) > 0 ? { value: Number(value) } : { issues: [{ message: 'must be positive' }] },
  },
}

const WAIT = { timeout: 20_000 }

let called: string[] = []
function call<T>(name: string, value: T): T {
  called.push(name)
  return value
}

function fail(): never {
  throw new Error('not yet')
}

/** Each test writes the handler of this job. */
let handler: (job: Job) => unknown
class StepsJob extends Job {
  override readonly key = 'steps'
  override backoff = 1
  override tries = 3
  handle(): unknown {
    return handler(this)
  }
}

/** Runs a handler as a job, until the job has ended. */
async function run(bench: Bench, handle: typeof handler) {
  called = []
  handler = handle
  const handle_ = await bench.jobs.dispatch(new StepsJob().with())
  await using _ = await bench.work([StepsJob])
  return { handle: handle_, result: await handle_.result({ timeout: '20s' }) }
}

/** Records an entry that no build writes, as another worker that claims the job. */
async function damage({ jobs }: Bench): Promise<void> {
  const { store } = await insideOf(jobs).open()
  const odd = new Caller(store, 'odd', 'default')
  const held = await odd.claimOne()
  const steps = { at: held.journal!.count, entries: ['?'] }
  await odd.settle(held, { kind: 'released', in: 0, steps })
}

export function stepping(connect: Connect): void {
  test('a step runs once although its job runs several times', async () => {
    await using bench = await Bench.make(connect)
    let runs = 0
    const { result } = await run(bench, async (job) => {
      runs += 1
      const card = await job.step('charge', ({ key, attempt }) => call('charge', { key, attempt }))
      const rows = await job.step('rows', () => call('rows', [1, 2]))
      for (const row of rows) await job.step(['mail', row], () => call(`mail ${row}`, undefined))
      if (runs < 3) throw new Error('not yet')
      return { card, rows, runs }
    })
    expect(called).toEqual(['charge', 'rows', 'mail 1', 'mail 2'])
    expect(result).toMatchObject({ card: { attempt: 1 }, rows: [1, 2], runs: 3 })
  })

  test('a sleep suspends the job, and the next run continues after the sleep', async () => {
    await using bench = await Bench.make(connect)
    let runs = 0
    const { result, handle } = await run(bench, async (job) => {
      runs += 1
      const at = await job.step('before', () => Date.now())
      await job.sleep('cool down', 1_200)
      return { runs, slept: Date.now() - at }
    })
    const { runs: all, slept } = result as { runs: number; slept: number }
    expect(all).toBe(2)
    expect(slept).toBeGreaterThanOrEqual(1_199)
    expect(await handle.status()).toMatchObject({ state: 'completed', runs: 2, failures: 0 })
  })

  test('a signal wakes a suspended job, and an earlier signal is kept for the wait', async () => {
    await using bench = await Bench.make(connect)
    called = []
    handler = async (job) => {
      const first = await job.waitFor(approved)
      const second = await job.waitFor({ approved, rejected }, { name: 'second', timeout: '1d' })
      const third = await job.waitFor(rejected, { timeout: 1 })
      return [first, second, third ?? null]
    }
    const handle = await bench.jobs.dispatch(new StepsJob().with())
    expect(await handle.send(approved, { by: 'ada' }, { id: 'a' })).toBe(true)
    expect(await handle.send(approved, { by: 'ada' }, { id: 'a' })).toBe(true)
    await using _ = await bench.work([StepsJob])
    await expect.poll(async () => (await handle.status())?.state, WAIT).toBe('delayed')
    expect(await handle.status()).toMatchObject({ suspended: ['approved', 'rejected'] })
    await handle.send(rejected)
    expect(await handle.result({ timeout: '20s' })).toEqual([
      { value: { by: 'ada' } },
      { name: 'rejected' },
      null,
    ])
    expect(await handle.send(approved, { by: 'late' })).toBe(false)
  })

  test('a step that runs beside an open wait is not suspended', async () => {
    await using bench = await Bench.make(connect)
    called = []
    handler = async (job) => {
      const answer = job.waitFor(rejected)
      await job.waitFor(approved)
      await job.step('slow', () => delay(100, call('slow', undefined)))
      await answer
    }
    const handle = await bench.jobs.dispatch(new StepsJob().with())
    await handle.send(approved, { by: 'ada' })
    await using _ = await bench.work([StepsJob])
    await expect.poll(async () => (await handle.status())?.state, { timeout: 10_000 }).toBe('delayed')
    await handle.send(rejected)
    await handle.result({ timeout: '20s' })
    expect(called).toEqual(['slow'])
  })

  test('a failed step has its own tries, throws a StepError, and throws it again in a later run', async () => {
    await using bench = await Bench.make(connect)
    let runs = 0
    const seen: unknown[] = []
    const { result } = await run(bench, async (job) => {
      runs += 1
      try {
        await job.step(
          'flaky',
          ({ attempt }) => {
            call(`try ${attempt}`, 0)
            throw Object.assign(new TypeError('declined'), { code: 'card_declined' })
          },
          { tries: 2, backoff: 1 },
        )
      } catch (error) {
        seen.push(error)
      }
      await job.step('after', () => 1)
      if (runs === 1) throw new Error('again')
      return runs
    })
    expect(result).toBe(2)
    expect(called).toEqual(['try 1', 'try 2'])
    for (const error of seen) {
      expect(error).toBeInstanceOf(StepError)
      expect(error).toMatchObject({
        name: 'TypeError',
        message: 'declined',
        code: 'card_declined',
        step: 'flaky',
      })
    }
    expect(seen).toHaveLength(2)
  })

  test('after an uncaught error, the next attempt continues at the failed step', async () => {
    await using bench = await Bench.make(connect)
    const { result } = await run(bench, async (job) => {
      await job.step('one', () => call('one', 1))
      const [a] = await Promise.all([
        job.step('two', () => {
          call('two', 2)
          if (called.filter((each) => each === 'two').length < 3) throw new Error('no')
          return 2
        }),
        job.step('beside', async () => {
          await delay(5)
          return call('beside', 3)
        }),
      ])
      return a
    })
    expect(result).toBe(2)
    expect(called.filter((each) => each === 'one')).toHaveLength(1)
    expect(called.filter((each) => each === 'two')).toHaveLength(3)
  })

  test('a NonRetryableError fails the step and the job at once', async () => {
    await using bench = await Bench.make(connect)
    const failed = run(bench, async (job) => {
      await job.step(
        'charge',
        () => {
          call('charge', 0)
          throw new NonRetryableError('stolen')
        },
        { tries: 5 },
      )
    })
    await expect(failed).rejects.toMatchObject({ code: 'JOB_FAILED', cause: { message: 'stolen' } })
    expect(called).toEqual(['charge'])
  })

  test('a repeated name, a wait inside of a step, a step outside of a run and a step without await are refused', async () => {
    await using bench = await Bench.make(connect)
    const codes: unknown[] = []
    const noting = (promise: Promise<unknown>) =>
      promise.catch((error: JobsError) => void codes.push(error.code))
    await run(bench, async (job) => {
      await job.step('a', () => 1)
      await noting(job.step('a', () => 1))
      await noting(job.step('b', () => job.sleep('c', 5)))
      await noting(job.step('', () => 1))
      await noting(job.step('d', () => 1, { tries: 0 }))
      await noting(job.sleep('e', 'soon'))
      await noting(job.step('f', () => ({ f: () => 1 })))
    })
    await noting(new StepsJob().step('a', () => 1))
    class LastJob extends Job {
      override readonly key = 'last'
      handle() {
        this.fail('no')
      }
      override async failed() {
        await noting(this.step('last', () => 1))
      }
    }
    const last = await bench.jobs.dispatch(new LastJob().with())
    {
      await using _ = await bench.work([LastJob])
      await expect(last.result({ timeout: '20s' })).rejects.toMatchObject({ code: 'JOB_FAILED' })
    }
    expect(codes).toEqual([
      'STEP_TWICE',
      'STEP_INVALID',
      'STEP_INVALID',
      'STEP_INVALID',
      'STEP_INVALID',
      'RESULT_NOT_JSON',
      'STEP_OUTSIDE',
      'STEP_OUTSIDE',
    ])
    const failed = run(bench, (job) => {
      void job.step(['mail', 7], () => delay(50))
    })
    await expect(failed).rejects.toMatchObject({ cause: { code: 'STEP_NOT_AWAITED' } })
  })

  test('the timeout of a job applies to all runs of one attempt together, and the next attempt has the whole time again', async () => {
    await using bench = await Bench.make(connect)
    class TimedJob extends StepsJob {
      override timeout = '1h'
    }
    let runs = 0
    handler = async (job) => {
      runs += 1
      await job.step(`slow ${runs}`, () => delay(30))
      await job.waitFor(approved)
      // The timeout is an hour less the time of the first run. The new attempt has the whole hour.
      if (runs === 2 && !job.signal.aborted) await once(job.signal, 'abort')
      return runs
    }
    const handle = await bench.jobs.dispatch(new TimedJob().with())
    const work = await bench.work([TimedJob])
    await expect.poll(async () => (await handle.status())?.suspended, WAIT).toEqual(['approved'])
    await work.stop()
    const { store } = await insideOf(bench.jobs).open()
    const { entries } = (await store.journals.read('default', handle.id, 0))!
    const [run, spent] = entries
      .find((each) => each.startsWith('m'))!
      .slice(2)
      .split('|')
      .map(Number)
    expect(run).toBe(1)
    expect(spent).toBeGreaterThanOrEqual(29)
    expect(spent).toBeLessThan(3_600_000)
    // The test simulates that the first run has taken nearly the whole hour.
    await handle.send(approved, { by: 'ada' })
    const call = { caller: 'other', number: 1 }
    const [held] = (await store.exchange('default', call, [], { limit: 1, leaseMs: 60_000 })).jobs
    const steps = { at: entries.length, entries: [`m\n${held!.runs}|3599950`] }
    const outcome = { kind: 'suspended', in: 0, waits: [], heard: 1, steps } as const
    await store.exchange('default', { ...call, number: 2 }, [{ id: held!.id, token: held!.token, outcome }], {
      ...{ limit: 0, leaseMs: 1 },
    })
    await using _ = await bench.work([TimedJob])
    expect(await handle.result({ timeout: '20s' })).toBe(3)
    expect(await handle.status()).toMatchObject({ errors: [{ code: 'JOB_TIMED_OUT' }] })
  })

  test('a retry continues at the failed step or starts from the beginning, and an edit of the payload needs force', async () => {
    await using bench = await Bench.make(connect)
    called = []
    let fails = true
    handler = async (job) => {
      await job.step('one', () => call('one', 1))
      await job.step('two', () => call('two', 2) && fails && fail())
      fails = true
      fail()
    }
    const handle = await bench.jobs.dispatch(new StepsJob().with())
    await using _ = await bench.work([StepsJob])
    const ends = () => handle.result({ timeout: '20s' }).catch((error: JobsError) => error.code)
    expect(await ends()).toBe('JOB_FAILED')
    expect(called).toEqual(['one', 'two', 'two', 'two'])
    await expect(handle.edit(undefined as never)).rejects.toMatchObject({ code: 'JOB_INVALID' })
    await expect(bench.jobs.edit(handle.id, {} as never)).rejects.toMatchObject({ code: 'JOB_NOT_EDITABLE' })
    await expect(handle.edit({} as never)).rejects.toMatchObject({ code: 'JOB_NOT_EDITABLE' })
    const all = { state: 'failed' } as const
    expect(await bench.jobs.edit(all, {} as never)).toEqual({ edited: 0, running: 1 })
    expect(await bench.jobs.edit(all, {} as never, { force: true })).toEqual({ edited: 1, running: 0 })
    fails = false
    await bench.jobs.retry(handle.id)
    expect(await ends()).toBe('JOB_FAILED')
    expect(called.slice(4)).toEqual(['two'])
    fails = false
    await bench.jobs.retry(handle.id, { fromStart: true })
    expect(await ends()).toBe('JOB_FAILED')
    expect(called.slice(5)).toEqual(['one', 'two'])
    const undoable = bench.jobs.retry(handle.id, { fromStart: true, before: () => {} })
    await expect(undoable).rejects.toMatchObject({ code: 'FILTER_INVALID' })
  })

  test('entries that a new primary does not have are sent again', async () => {
    await using bench = await Bench.make(connect)
    const { connection, prefix } = bench.place
    // Simulates that the server has never got the last two entries.
    const lose = async (id: string) => {
      if (prefix === undefined) {
        const file = openRaw(connection.slice('sqlite:'.length))
        file.prepare('DELETE FROM entries WHERE place > 0').run([])
        file.close()
      } else {
        const client = createClient({ url: connection })
        await client.connect()
        await client.lTrim(`${prefix}:{default}:steps:${id}`, 0, 1)
        client.destroy()
      }
    }
    let runs = 0
    const { result } = await run(bench, async (job) => {
      runs += 1
      for (const name of ['a', 'b', 'c']) await job.step(name, () => call(name, name))
      if (runs === 1) await lose(job.id!)
      await job.step('d', () => call('d', 'd'))
      if (runs < 3) fail()
      return runs
    })
    expect(result).toBe(3)
    expect(called).toEqual(['a', 'b', 'c', 'd'])
  })

  test('after the loss of the lease, a step rejects at once, and the store refuses its later result', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const [began, rejected, go, over] = [signal(), signal<unknown>(), signal(), signal()]
    let runs = 0
    called = []
    handler = async (job) => {
      const isFirst = ++runs === 1
      await job.step('before', () => call('before', 1))
      const slow = job.step('slow', async () => {
        call(isFirst ? 'zombie' : 'slow', 0)
        if (!isFirst) return 'second'
        began.resolve()
        await go.promise
        return 'zombie'
      })
      if (!isFirst) return slow
      await slow.catch(rejected.resolve)
      await job.step('after', () => call('never', 0)).catch(over.resolve)
    }
    const handle = await bench.jobs.dispatch(new StepsJob().with())
    const first = await bench.work([StepsJob], { lease: 300, concurrency: 1 })
    await began.promise
    first.quiet()
    await store.recover('default', { holder: first.id })
    expect(await rejected.promise).toMatchObject({ code: 'LEASE_LOST' })
    await over.promise
    await using _ = await bench.work([StepsJob], {}, bench.client())
    expect(await handle.result({ timeout: '20s' })).toBe('second')
    go.resolve()
    await first.stop()
    expect(called).toEqual(['before', 'zombie', 'slow'])
    expect(await handle.status()).toMatchObject({ result: 'second', runs: 2, crashes: 0 })
  })

  test('a person ends the wait of a suspended job, or moves the job', async () => {
    await using bench = await Bench.make(connect)
    let ends: unknown[] = []
    let tries = 0
    handler = async (job) => {
      ends = []
      await job.sleep('a week', '7d')
      ends.push('slept')
      ends.push(await job.waitFor(approved))
      ends.push(await job.waitFor(rejected, { timeout: '1h' }))
      await job.step('flaky', () => ++tries < 2 && fail(), { tries: 2, backoff: '1d' })
    }
    const handle = await bench.jobs.dispatch(new StepsJob().with())
    await using _ = await bench.work([StepsJob])
    const waits = (names: string[]) =>
      expect.poll(async () => (await handle.status())?.suspended, WAIT).toEqual(names)
    await waits([])
    await handle.runNow()
    await waits(['approved'])
    expect(ends).toEqual(['slept'])
    await handle.reschedule(1)
    await waits(['rejected'])
    await handle.runNow()
    await expect.poll(() => tries, WAIT).toBe(1)
    await waits([])
    await handle.runNow()
    await handle.result({ timeout: '20s' })
    expect(ends).toEqual(['slept', undefined, undefined])
    expect(await handle.status()).toMatchObject({ runs: 5, failures: 0 })
  })

  test('a step whose name belonged to another kind of entry in the release before runs again', async () => {
    await using bench = await Bench.make(connect)
    // A busy worker may suspend the job at the wait. In this case, another run of the old code comes first.
    let isOld = true
    const { result } = await run(bench, async (job) => {
      if (isOld) {
        await job.sleep('a', 1)
        await job.step('b', () => call('before', 1))
        await bench.jobs.handle(StepsJob, job.id!).send(rejected, undefined, { id: 'once' })
        await job.waitFor({ approved, rejected }, { name: 'c' })
        await job.step('d', () => 1, { from: {} })
        isOld = false
        throw new Error('again')
      }
      const a = await job.step('a', () => call('a', 'step'))
      await job.sleep('b', 1)
      const c = await job.waitFor(approved, { name: 'c', timeout: 1_100 })
      const d = await job.step('d', () => 1, { from: { 1: () => null as never } })
      return { a, c: c ?? null, d }
    })
    expect(result).toEqual({ a: 'step', c: null, d: null })
    expect(called).toEqual(['before', 'a'])
  })

  test('a race has the same winner in a later run as in the first', async () => {
    await using bench = await Bench.make(connect)
    let runs = 0
    const winners: string[] = []
    const { result } = await run(bench, async (job) => {
      runs += 1
      const slow = job.step('slow', async () => {
        await delay(runs === 1 ? 40 : 1)
        return 'slow'
      })
      const fast = job.step('fast', async () => {
        await delay(5)
        return 'fast'
      })
      winners.push(await Promise.race([slow, fast]))
      await Promise.all([slow, fast])
      if (runs < 3) throw new Error('again')
      return runs
    })
    expect({ result, winners }).toEqual({ result: 3, winners: ['fast', 'fast', 'fast'] })
  })

  test.each([
    ['by lots', false],
    ['exactly', true],
  ])('an iteration continues at its last place: %s', async (_, exact) => {
    await using bench = await Bench.make(connect)
    const seen: number[] = []
    let runs = 0
    const asked: unknown[] = []
    const { result } = await run(bench, async (job) => {
      runs += 1
      const read = (from = 0) => {
        asked.push(from)
        const items = Array.from({ length: 50 }, (_, i) => from + i)
        return from === 250 ? { items } : { items, cursor: from + 50 }
      }
      for await (const item of job.eachItem('rows', read, { exact })) {
        seen.push(item)
        if (item === 230 && runs === 1) throw new Error('again')
      }
      if (runs < 3) throw new Error('and again')
      return runs
    })
    expect(result).toBe(3)
    const all = Array.from({ length: 300 }, (_, i) => i)
    const from = exact ? 230 : 200
    expect(seen).toEqual([...all.slice(0, 231), ...all.slice(from)])
    expect(asked).toEqual([0, 50, 100, 150, 200, 200, 250])
  })

  test('a result that is not JSON or too large fails the step and the job at once, because the work is done', async () => {
    await using bench = await Bench.make(connect)
    const odd: [unknown, string][] = [
      [() => 1, 'RESULT_NOT_JSON'],
      [new Date(), 'RESULT_NOT_JSON'],
      [{ at: new Map() }, 'RESULT_NOT_JSON'],
      [1n, 'RESULT_NOT_JSON'],
      ['x'.repeat(524_288), 'PAYLOAD_TOO_LARGE'],
    ]
    for (const [value, code] of odd) {
      const failed = run(bench, (job) => job.step('odd', () => call('odd', value), { tries: 3, backoff: 1 }))
      await expect(failed).rejects.toMatchObject({ code: 'JOB_FAILED', cause: { code } })
      expect(called).toEqual(['odd'])
    }
  })

  test('wrong names of steps and waits are refused', async () => {
    await using bench = await Bench.make(connect)
    const long = 'x'.repeat(200)
    const bad = [
      '',
      'x'.repeat(201),
      'two\nlines',
      7,
      null,
      undefined,
      {},
      [],
      [''.padEnd(201)],
      [null],
      [Number.NaN],
    ]
    const codes: unknown[] = []
    const { result } = await run(bench, async (job) => {
      for (const name of bad) {
        const noting = (error: JobsError) => void codes.push(error.code)
        await job.step(name as string, () => call('never', 1)).catch(noting)
        await job.sleep(name as string, 1).catch(noting)
        // A wait without a name takes the name of its signal.
        if (name == null) continue
        await job.waitFor(approved, { name: name as string, timeout: 1 }).catch(noting)
      }
      return [await job.step('[odd', () => '[odd'), await job.step(long, () => job.id)]
    })
    expect(result).toEqual(['[odd', expect.any(String)])
    expect(codes).toEqual(Array(bad.length * 3 - 2).fill('STEP_INVALID'))
    expect(called).toEqual([])
  })

  test('beyond 10,000 entries, the step does not begin, and the job fails at once', async () => {
    await using bench = await Bench.make(connect)
    const failed = run(bench, async (job) => {
      const all = Array.from({ length: 10_000 }, (_, i) => job.step(['n', i], () => i))
      await Promise.all(all)
      await job.step('one more', () => call('one more', 1))
    })
    await expect(failed).rejects.toMatchObject({ cause: { code: 'STEPS_TOO_MANY' } })
    expect(called).toEqual([])
  })

  test('a signal is refused by its schema, for an unknown or ended job, and for a job of another queue', async () => {
    await using bench = await Bench.make(connect)
    const amount = defineSignal('amount', { schema: positive })
    const unchecked = defineSignal<unknown>('amount')
    called = []
    handler = async (job) => (await job.waitFor(amount))?.value
    const handle = await bench.jobs.dispatch(new StepsJob().with())
    await expect(handle.send(amount, '-1')).rejects.toMatchObject({
      code: 'PAYLOAD_INVALID',
      message: 'The signal amount refuses its value: must be positive',
    })
    await expect(handle.send(unchecked, () => 1)).rejects.toMatchObject({ code: 'PAYLOAD_NOT_JSON' })
    await expect(handle.send({ name: '' }, 1)).rejects.toMatchObject({ code: 'STEP_INVALID' })
    await expect(handle.send(amount, '1', { id: '' })).rejects.toMatchObject({ code: 'STEP_INVALID' })
    expect(await handle.send(amount, '7')).toBe(true)
    const other = await bench.jobs.dispatch(new StepsJob().with())
    expect(await other.send(unchecked, '-7')).toBe(true)
    await using _ = await bench.work([StepsJob])
    expect(await handle.result({ timeout: '20s' })).toBe(7)
    // The receiving job checks a signal that another program sent.
    await expect(other.result({ timeout: '20s' })).rejects.toMatchObject({
      cause: { code: 'PAYLOAD_INVALID' },
    })
    expect((await other.status())?.runs).toBe(1)
    expect(await handle.send(amount, '8')).toBe(false)
    expect(await bench.jobs.handle(StepsJob, newId()).send(amount, '8')).toBe(false)
  })

  test('a signal may come before a job whose own id has 13 digits, as an id of Lark has', async () => {
    await using bench = await Bench.make(connect)
    handler = async (job) => (await job.waitFor(approved))!.value.by
    const id = '4006381333931'
    expect(await bench.jobs.handle(StepsJob, id).send(approved, { by: 'ada' })).toBe(true)
    const handle = await bench.jobs.dispatch(new StepsJob().with().withId(id))
    await using _ = await bench.work([StepsJob])
    expect(await handle.result({ timeout: '20s' })).toBe('ada')
  })

  test('a damaged journal fails only its own job, and at once', async () => {
    await using bench = await Bench.make(connect)
    called = []
    handler = async (job) => {
      await job.step('first', () => call('first', 1))
      await job.waitFor(approved)
      await job.step('second', () => call('second', 1))
    }
    const [damaged, well] = await bench.jobs.dispatch([new StepsJob().with(), new StepsJob().with()])
    {
      await using _ = await bench.work([StepsJob])
      const states = () => Promise.all([damaged, well].map(async (each) => (await each!.status())?.state))
      await expect.poll(states, { timeout: 10_000 }).toEqual(['delayed', 'delayed'])
    }
    await damaged!.runNow()
    await damage(bench)
    called = []
    await well!.send(approved, { by: 'ada' })
    await using _ = await bench.work([StepsJob])
    await well!.result({ timeout: '20s' })
    await expect(damaged!.result({ timeout: '20s' })).rejects.toMatchObject({
      cause: { code: 'JOURNAL_DAMAGED' },
    })
    expect(called).toEqual(['second'])
  })

  test('a wait that ends at once takes a signal that came while the job ran', async () => {
    await using bench = await Bench.make(connect)
    const { result } = await run(bench, async (job) => {
      const handle = bench.jobs.handle(StepsJob, job.id!)
      await job.step('send', () => handle.send(approved, { by: 'ada' }))
      return await job.waitFor({ approved, rejected }, { timeout: 0 })
    })
    expect(result).toEqual({ name: 'approved', value: { by: 'ada' } })
  })

  test('a signal to one job changes no other job', async () => {
    await using bench = await Bench.make(connect)
    const [taken, end] = [signal(), signal()]
    let isTaken = false
    class OtherJob extends Job {
      override readonly key = 'other'
      handle() {
        return end.promise
      }
    }
    handler = async (job) => {
      await Promise.all([
        job.waitFor(approved).then(() => {
          isTaken = true
          taken.resolve()
        }),
        job.step('beside', () => end.promise.then(() => isTaken)),
      ])
    }
    const handle = await bench.jobs.dispatch(new StepsJob().with())
    for (let i = 0; i < 3; i++) await bench.jobs.dispatch(new OtherJob())
    const { store } = await insideOf(bench.jobs).open()
    const calls: string[][] = []
    const { extend, journals } = store
    const { record } = journals
    store.extend = (...args) => {
      calls.push(args[2].map(({ id }) => id))
      return extend.apply(store, args)
    }
    journals.record = (...args) => {
      calls.push(args[1].map(({ id }) => id))
      return record.apply(journals, args)
    }
    await using _ = await bench.work([StepsJob, OtherJob], { concurrency: 2, lease: 600_000 })
    await expect.poll(async () => (await handle.status())?.state, WAIT).toBe('active')
    await handle.send(approved, { by: 'ada' })
    await taken.promise
    expect(new Set(calls.flat())).toEqual(new Set([handle.id]))
    end.resolve()
    expect(await handle.result({ timeout: '20s' })).toBeUndefined()
  })

  test('wrong arguments of steps are refused by name, with one line each', async () => {
    await using bench = await Bench.make(connect)
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    const said: string[] = []
    const noting = (act: () => unknown) =>
      Promise.resolve()
        .then(act)
        .then(
          () => said.push('nothing'),
          (error: JobsError) => said.push(`${error.code} ${error.message}`),
        )
    const odd = (value: unknown) => value as never
    const bad = [null, 7, 'text', Symbol('odd'), revoked.proxy]
    const handle = await run(bench, async (job) => {
      let name = 0
      for (const value of [...bad, undefined, {}, { approved: undefined }, { name: '' }, [approved, null]])
        await noting(() => job.waitFor(odd(value), { name: `wait ${name++}`, timeout: 1 }))
      for (const value of bad) {
        await noting(() => job.waitFor(approved, odd(value)))
        await noting(() => job.approval(`approval ${name++}`, odd(value)))
        await noting(() => job.eachItem(`items ${name++}`, async () => ({ items: [] }), odd(value)).next())
        await noting(() => job.eachItem(`items ${name++}`, odd(value)).next())
        await noting(() => job.sleep(`sleep ${name++}`, odd(value === 7 ? -7 : value)))
        await noting(() => job.step(`work ${name++}`, odd(value)))
        await noting(() => job.step(odd([value, revoked.proxy]), () => 1))
        await noting(() => job.step(`from ${name++}`, () => 1, { from: odd(value === 7 ? [7] : value) }))
        await noting(() => defineSignal('odd', odd(value)))
        await noting(() => defineSignal('odd', { schema: odd(value) }))
        await noting(() => bench.jobs.handle(StepsJob, job.id!).send(approved, { by: 'a' }, odd(value)))
        await noting(() => job.step(`options ${name++}`, () => 1, odd(value)))
      }
    }).then(({ handle }) => handle)
    expect(await handle.status()).toMatchObject({ state: 'completed', failures: 0 })
    for (const text of said) expect(text).toMatch(/^STEP_INVALID .* was given .*$/)
    expect(said.length).toBe(10 + 12 * 5)
    expect(said[0]).toBe(
      'STEP_INVALID StepsJob: waitFor() was given null as its signals; it must be a signal that defineSignal() has made, or an object of such signals',
    )
  })

  test('a step after the end of handle() is refused, and the error says so', async () => {
    await using bench = await Bench.make(connect)
    const late: Promise<unknown>[] = []
    const go = signal()
    const errors: unknown[] = []
    const after = (act: () => Promise<unknown>) =>
      late.push(go.promise.then(act).catch((error) => errors.push(error.code, error.message)))
    const isFirst = [true, false]
    for (const hasSteps of isFirst)
      await run(bench, async (job) => {
        if (hasSteps) await job.step('before', () => 1)
        after(() => job.step('late', () => 1))
        after(() => job.sleep('late', 1))
      })
    go.resolve()
    await Promise.all(late)
    const ended = ['STEP_OUTSIDE', 'StepsJob: handle() has ended, so its steps can no longer be used']
    expect(errors).toEqual([...ended, ...ended, ...ended, ...ended])
  })

  test('a worker reads a long journal after the store answers again', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const read = store.journals.read
    let away = 3
    store.journals.read = (...args) => {
      if (away-- > 0) return Promise.reject(new JobsError('STORE_UNREACHABLE', 'the store is away'))
      return read.apply(store.journals, args)
    }
    const { handle } = await run(bench, async (job) => {
      await job.step('long', () => call('long', 'x'.repeat(100_000)))
      await job.step('more', () => call('more', 1))
      if (job.attempt === 1) throw new Error('not yet')
    })
    expect(away).toBeLessThan(0)
    expect(called).toEqual(['long', 'more'])
    expect(await handle.status()).toMatchObject({ state: 'completed', runs: 2 })
  })
}
