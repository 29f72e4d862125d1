import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { defineJob, Job, lenient, type Parsed, unique } from '../../src/index.ts'
import { operate } from '../../src/operate.ts'
import { Bench, type Connect, Record } from './bench.ts'

const importSchema = z.object({ file: z.string().endsWith('.csv'), limit: z.number().default(10) })

/** A class may give its payloads a schema, a version, and parts that people must not see. */
export function payloads(connect: Connect): void {
  test('handle and failed() get the output of the schema, and the store keeps the input', async () => {
    await using bench = await Bench.make(connect)
    const seen: unknown[] = []
    class ImportJob extends Job {
      static override readonly schema = importSchema
      override tries = 1
      handle(payload: Parsed<typeof ImportJob.schema>) {
        seen.push(payload)
        throw new Error('no')
      }
      override failed(_: unknown, payload: Parsed<typeof ImportJob.schema>) {
        seen.push(payload)
      }
    }
    const job = new ImportJob()
    await bench.jobs.dispatch(job, { file: 'a.csv' })
    expect((await bench.jobs.find(job.id!))?.payload).toEqual({ file: 'a.csv' })
    await (await bench.work([ImportJob], { stopWhenEmpty: true })).done
    expect(seen).toEqual([
      { file: 'a.csv', limit: 10 },
      { file: 'a.csv', limit: 10 },
    ])
  })

  test('a payload that does not match the schema is refused before the dispatch sends anything', async () => {
    await using bench = await Bench.make(connect)
    class ImportJob extends Job {
      static override readonly schema = importSchema
      handle(_payload: Parsed<typeof ImportJob.schema>) {}
    }
    const refused = expect.objectContaining({
      code: 'PAYLOAD_INVALID',
      message: expect.stringMatching(/^ImportJob: payload\.file: Invalid/),
    })
    await expect(bench.jobs.dispatch(new ImportJob(), { file: 'a.pdf' })).rejects.toEqual(refused)
    await expect(
      bench.jobs.dispatch([ImportJob.with({ file: 'a.csv' }), ImportJob.with({ file: 'a.pdf' })]),
    ).rejects.toEqual(refused)
    await expect(new ImportJob().dispatchNow({ file: 'a.pdf' })).rejects.toEqual(refused)
    expect((await bench.jobs.status()).queues[0]?.counts.waiting).toBe(0)
  })

  test('a stored payload that does not match the schema fails its job without a retry, and failed() gets it unchanged', async () => {
    await using bench = await Bench.make(connect)
    class EarlierJob extends Job {
      override readonly key = 'import'
      handle(_payload: { file: number }) {}
    }
    const told: unknown[] = []
    class ImportJob extends Job {
      static override readonly schema = importSchema
      override readonly key = 'import'
      handle(_payload: Parsed<typeof ImportJob.schema>) {}
      override failed(error: { code: string }, payload: unknown) {
        told.push(error.code, payload)
      }
    }
    const job = new EarlierJob()
    await bench.jobs.dispatch(job, { file: 7 })
    expect(await (await bench.work([ImportJob], { stopWhenEmpty: true })).done).toMatchObject({
      failed: 1,
      retried: 0,
    })
    expect(await bench.jobs.find(job.id!)).toMatchObject({
      state: 'failed',
      errors: [{ code: 'PAYLOAD_INVALID' }],
    })
    expect(told).toEqual(['PAYLOAD_INVALID', { file: 7 }])
  })

  test('lenient accepts all values that JSON.stringify accepts', async () => {
    await using bench = await Bench.make(connect)
    const seen: unknown[] = []
    const at = new Date('2026-11-26T12:00:00Z')
    class LogJob extends Job {
      static override readonly schema = lenient<{
        at: Date
        n: number
        skip: () => void
        list: (Date | undefined)[]
      }>()
      handle({ at, ...rest }: Parsed<typeof LogJob.schema>) {
        seen.push(at.slice(0, 4), rest)
      }
    }
    class DateJob extends Job {
      static override readonly schema = lenient(z.object({ at: z.coerce.date() }))
      handle({ at }: Parsed<typeof DateJob.schema>) {
        seen.push(at.getTime())
      }
    }
    await bench.jobs.dispatch(new LogJob(), { at, n: Number.NaN, skip: () => {}, list: [at, undefined] })
    await bench.jobs.dispatch(new DateJob(), { at })
    await (await bench.work([LogJob, DateJob], { stopWhenEmpty: true, concurrency: 1 })).done
    expect(seen).toEqual(['2026', { n: null, list: [at.toISOString(), null] }, at.getTime()])
    const cycle: { at: Date; self?: unknown } = { at }
    cycle.self = cycle
    await expect(bench.jobs.dispatch(new LogJob(), cycle as never)).rejects.toMatchObject({
      code: 'PAYLOAD_NOT_JSON',
      message: 'LogJob: payload.self is a cycle: it contains itself',
    })
    await expect(bench.jobs.dispatch(new LogJob(), { at: 5n } as never)).rejects.toMatchObject({
      message: 'LogJob: payload.at is a BigInt',
    })
  })

  /** Makes the class of three deploys, with the versions 1, 2 and 3. */
  function deploys(seen: unknown[]) {
    class First extends Job {
      override readonly key = 'greet'
      override unique = unique(() => 'one', { replace: true })
      handle(_payload: { name: string }) {}
    }
    class Second extends Job {
      static override readonly version = 2
      static override readonly upcasters = { 1: ({ name }: { name: string }) => ({ names: [name] }) }
      override readonly key = 'greet'
      override unique = unique(() => 'one', { replace: true })
      handle(payload: { names: string[] }) {
        seen.push(payload)
      }
    }
    class Third extends Job {
      static override readonly version = 3
      static override readonly upcasters = {
        ...Second.upcasters,
        2: ({ names }: { names: string[] }) => ({ names, polite: names.length > 1 }),
      }
      override readonly key = 'greet'
      handle(payload: { names: string[]; polite: boolean }) {
        seen.push(payload)
      }
    }
    return { First, Second, Third }
  }

  test('the payload of a job that waits across deploys is converted version by version', async () => {
    await using bench = await Bench.make(connect)
    const seen: unknown[] = []
    const { First, Second, Third } = deploys(seen)
    await bench.jobs.dispatch(new First(), { name: 'Ada' })
    await (await bench.work([Third], { stopWhenEmpty: true })).done
    // The new payload also brings its version.
    await bench.jobs.dispatch(new First(), { name: 'Ada' })
    await bench.jobs.dispatch(new Second(), { names: ['Ada', 'Grace'] })
    await (await bench.work([Third], { stopWhenEmpty: true })).done
    await bench.jobs.dispatch(new Third(), { names: [], polite: true })
    await (await bench.work([Third], { stopWhenEmpty: true })).done
    expect(seen).toEqual([
      { names: ['Ada'], polite: false },
      { names: ['Ada', 'Grace'], polite: true },
      { names: [], polite: true },
    ])
  })

  test('a payload with a version newer than the class waits for a newer worker', async () => {
    await using bench = await Bench.make(connect)
    const seen: unknown[] = []
    const { First, Second } = deploys(seen)
    const job = new Second()
    await bench.jobs.dispatch(job, { names: ['Ada'] })
    const report = new Record()
    const old = await bench.work([First], { report })
    await report.ends(1)
    await old.stop()
    expect(await bench.jobs.find(job.id!)).toMatchObject({
      state: 'waiting',
      because: 'its payload is of version 2, and its class here is of version 1',
      payload: { names: ['Ada'] },
      failures: 0,
    })
    await (await bench.work([Second], { stopWhenEmpty: true })).done
    expect(seen).toEqual([{ names: ['Ada'] }])
  })

  test('if the upcaster is missing or throws, the job fails without a retry', async () => {
    await using bench = await Bench.make(connect)
    const { First, Second } = deploys([])
    class BareJob extends Job {
      static override readonly version = 2
      override readonly key = 'greet'
      handle() {}
    }
    class ThrowingJob extends Second {
      static override readonly upcasters = {
        1: () => {
          throw new Error('no name')
        },
      }
    }
    const messages: unknown[] = []
    for (const make of [BareJob, ThrowingJob]) {
      const job = new First()
      await bench.jobs.dispatch(job, { name: 'Ada' })
      expect(await (await bench.work([make], { stopWhenEmpty: true })).done).toMatchObject({
        failed: 1,
        retried: 0,
      })
      messages.push((await bench.jobs.find(job.id!))?.errors[0])
    }
    expect(messages).toMatchObject([
      {
        code: 'PAYLOAD_VERSION',
        message: 'BareJob: a payload of version 1 has no upcaster to version 2, and the class is of 2',
      },
      {
        code: 'PAYLOAD_VERSION',
        message: 'ThrowingJob: a payload of version 1 was not converted: its upcaster threw: no name',
      },
    ])
  })

  test('an undefined payload also has a version', async () => {
    await using bench = await Bench.make(connect)
    const seen: unknown[] = []
    class NothingJob extends Job {
      static override readonly version = 2
      static override readonly upcasters = { 1: () => 'converted' }
      handle(payload?: string) {
        seen.push(payload)
      }
    }
    const job = new NothingJob()
    await bench.jobs.dispatch(job)
    expect(await bench.jobs.find(job.id!)).not.toHaveProperty('payload')
    await (await bench.work([NothingJob], { stopWhenEmpty: true })).done
    expect(seen).toEqual([undefined])
  })

  test('the hook of a job whose payload is of a newer version waits for a newer worker', async () => {
    await using bench = await Bench.make(connect)
    const heard: unknown[] = []
    class OldJob extends Job {
      override readonly key = 'mail'
      handle(_payload: unknown) {}
      override cancelled(payload: unknown) {
        heard.push(['old', payload])
      }
    }
    class NewJob extends Job {
      static override readonly version = 2
      static override readonly upcasters = { 1: (name: unknown) => ({ names: [name] }) }
      override readonly key = 'mail'
      handle(_payload: unknown) {}
      override cancelled(payload: unknown) {
        heard.push(['new', payload])
      }
    }
    for (const make of [OldJob, NewJob]) {
      const job = new make()
      await bench.jobs.dispatch(job, 'ada')
      await bench.jobs.cancel(job.id!)
    }
    const old = await bench.work([OldJob], { lease: 300 })
    await vi.waitFor(() => expect(heard).toEqual([['old', 'ada']]), 5_000)
    await old.stop()
    await bench.work([NewJob], { lease: 300 })
    await vi.waitFor(() => expect(heard).toHaveLength(2), 10_000)
    expect(heard[1]).toEqual(['new', 'ada'])
  })

  test('parts that a class redacts are hidden wherever people see payloads, but not from the job', async () => {
    await using bench = await Bench.make(connect)
    const seen: unknown[] = []
    class ChargeJob extends Job {
      static override readonly redact = ['card.*', 'users.*.token', 'none.such', 'secret', '*.length']
      override tries = 1
      handle(payload: object) {
        seen.push(payload)
        this.fail('no')
      }
    }
    const payload = {
      card: { number: '4242', owner: { name: 'Ada' } },
      users: [{ id: 1, token: 'a' }, { id: 2 }],
      secret: ['b'],
      none: 'plain',
    }
    const hidden = {
      card: { number: '[redacted]', owner: '[redacted]' },
      users: [{ id: 1, token: '[redacted]' }, { id: 2 }],
      secret: '[redacted]',
      none: 'plain',
    }
    const job = new ChargeJob()
    await bench.jobs.dispatch(job, payload)
    await (await bench.work([ChargeJob], { stopWhenEmpty: true })).done
    expect(seen).toEqual([payload])
    // Another process does not have the class.
    const other = bench.client()
    expect((await other.find(job.id!))?.payload).toEqual(hidden)
    expect((await operate(other).failed())[0]?.payload).toEqual(hidden)
    await bench.jobs.retry(job.id!)
    await (await bench.work([ChargeJob], { stopWhenEmpty: true })).done
    expect(seen).toEqual([payload, payload])
  })

  test('the message of a schema about a hidden part is left out', async () => {
    await using bench = await Bench.make(connect)
    const charge = defineJob({
      key: 'charge-with-schema',
      schema: z.object({ card: z.string().refine(() => false, { error: ({ input }) => `not ${input}` }) }),
      redact: ['card'],
    })
    await expect(bench.jobs.dispatch([charge.with({ card: '4242' })])).rejects.toMatchObject({
      code: 'PAYLOAD_INVALID',
      message: 'charge-with-schema: payload.card: the schema refuses it',
    })
  })

  test('an async schema is refused', async () => {
    await using bench = await Bench.make(connect)
    class AsyncJob extends Job {
      static override readonly schema = z.string().refine(async () => true)
      handle(_payload: Parsed<typeof AsyncJob.schema>) {}
    }
    await expect(bench.jobs.dispatch(new AsyncJob(), 'a')).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: 'AsyncJob: schema is async; it must validate at once',
    })
  })
}
