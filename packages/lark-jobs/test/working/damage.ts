import { createClient } from '@redis/client'
import { expect, test, vi } from 'vitest'
import { group, Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { newId } from '../../src/model/id.ts'
import { operate } from '../../src/operate.ts'
import { open as openRaw } from '../sqlite/raw.ts'
import { Bench, type Connect } from './bench.ts'

interface Damage {
  /** This text replaces the text of the job. */
  text: string | number | Buffer
  isGrouped?: true
  /** True if the job still runs. If this is missing, the job fails with RECORD_DAMAGED. */
  runs?: true
  /** True if no claim finds the job, so that it stays where it is. */
  stays?: true
}

/** Milliseconds. */
const LONG = 15_000

/** Damages of each column of the table of jobs. */
const columns: [column: string, damage: Damage][] = [
  ['options', { text: '{"tries":' }],
  ['options', { text: '[]' }],
  ['options', { text: '{"timeout":"soon"}' }],
  ['options', { text: Buffer.from([0, 255]) }],
  ['payload', { text: '{"n":' }],
  ['payload', { text: Buffer.from([1]) }],
  ['key', { text: Buffer.from([1]) }],
  ['runs', { text: 'many' }],
  // A number of more than 53 bits.
  ['runs', { text: 2 ** 62, runs: true }],
  ['queuedAt', { text: -(2 ** 62), runs: true }],
  ['queuedAt', { text: 'once' }],
  ['lane', { text: '%ZZ', isGrouped: true }],
  ['laneLimits', { text: '{"limits":', isGrouped: true, runs: true }],
  ['errors', { text: '[{"run":', runs: true }],
  ['log', { text: 'not a list', runs: true }],
  ['priority', { text: 'high', stays: true }],
  ['dueAt', { text: 'soon', stays: true }],
]

/** Damages of each hash. The record in `jobs` has the form `after,priority@group,options|key|payload`. */
const hashes: [hash: string, damage: Damage][] = [
  ['jobs', { text: '5,,{"tries":|DamageJob|{"n":2}' }],
  ['jobs', { text: '5,,[]|DamageJob|{"n":2}' }],
  ['jobs', { text: '5,,{"timeout":"soon"}|DamageJob|{"n":2}' }],
  ['jobs', { text: 'nothing of a record' }],
  ['jobs', { text: '' }],
  ['jobs', { text: 'x|DamageJob|{"n":2}' }],
  ['jobs', { text: '5,high|DamageJob|{"n":2}' }],
  ['jobs', { text: '5|DamageJob|{"n":' }],
  ['jobs', { text: '5|DamageJob|\x1dmany' }],
  ['jobs', { text: '5,@%ZZ|DamageJob|{"n":2}', isGrouped: true }],
  ['limits', { text: 'o5:often:::', isGrouped: true, runs: true }],
  ['counters', { text: 'many', runs: true }],
  ['errors', { text: '{"run":', runs: true }],
  ['logs', { text: 'not a line', runs: true }],
  ['locks', { text: 'zz', runs: true }],
  ['reasons', { text: 'what', runs: true }],
]

/** One record is damaged or has another format, and the records beside it are good. */
export function damage(connect: Connect, isRedis: boolean): void {
  class DamageJob extends Job {
    override readonly key: string = 'DamageJob'
    handle(_payload: { n: number }) {}
  }
  class GroupedJob extends DamageJob {
    override readonly key: string = 'GroupedJob'
    override group = group(() => 'ada')
  }

  async function make(isGrouped = false) {
    const place = await connect()
    const bench = await Bench.make(async () => place)
    const ids: string[] = []
    for (let n = 1; n <= 3; n++) {
      const job = n === 2 && isGrouped ? new GroupedJob() : new DamageJob()
      await bench.jobs.dispatch(job, { n })
      ids.push(job.id!)
    }
    const id = ids[1]!

    async function set(field: string, text: Damage['text']): Promise<void> {
      if (isRedis) {
        const client = createClient({ url: place.connection })
        await client.connect()
        const name = (of: string) => `${place.prefix}:{default}:${of}`
        if (isGrouped && field === 'jobs') {
          // The lane gets the same damaged name.
          const [lane] = await client.zRange(name('turns'), 0, 0)
          await client.rename(name(`lane:${lane}`), name('lane:%ZZ'))
          await client.rename(name(`group:${lane}`), name('group:%ZZ'))
          await client.del(name('turns'))
          await client.zAdd(name('turns'), { score: 1, value: '%ZZ' })
        }
        if (field === 'limits') await client.hSet(name('group:ada'), field, text.toString())
        else await client.hSet(name(field), id, text.toString())
        client.destroy()
      } else {
        const file = openRaw(place.connection.slice('sqlite:'.length))
        file.prepare(`UPDATE jobs SET ${field} = ? WHERE id = ?`).run([text as string, id])
        // The lane gets the same damaged name.
        if (field === 'lane') file.prepare('UPDATE lanes SET name = ?').run([text as string])
        file.close()
      }
    }

    return { bench, ids, id, set, place, [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose]() }
  }

  /** All three jobs are shown. */
  async function look({ bench, ids }: Awaited<ReturnType<typeof make>>): Promise<void> {
    const { store } = await insideOf(bench.jobs).open()
    const pages = await Promise.all(
      (['waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled'] as const).map((state) =>
        store.list('default', { state }),
      ),
    )
    expect(pages.flatMap(({ jobs }) => jobs.map(({ id }) => id)).sort()).toEqual(ids)
    for (const id of ids) {
      expect(await store.get('default', id)).toMatchObject({ id })
      expect(await bench.jobs.find(id)).toMatchObject({ id })
    }
    await bench.jobs.status()
    await bench.jobs.failed()
    await store.recover('default', { effects: { leaseMs: 1_000 } })
    await store.minutes('default')
  }

  test.each(isRedis ? hashes : columns)('%s: %j', async (field, { text, isGrouped, runs, stays }) => {
    await using app = await make(isGrouped)
    const { bench, ids, id, set } = app
    await set(field, text)
    if (stays === undefined) await look(app)
    let ticks = 0
    const ticking = setInterval(() => ticks++, 5)
    const worker = await bench.work([DamageJob, GroupedJob], { lease: 1_000 })
    const ended = stays ? 2 : 3
    await vi.waitFor(async () => {
      const { completed, failed } = worker.summary
      expect(completed + failed).toBe(ended)
    }, LONG)
    // Timers must still run, however much work the store reports.
    const before = ticks
    await vi.waitFor(() => expect(ticks).toBeGreaterThan(before + 10), LONG)
    clearInterval(ticking)
    await worker.stop()
    expect(worker.summary).toMatchObject(runs ? { completed: 3 } : { completed: 2, failed: stays ? 0 : 1 })
    for (const sound of [ids[0]!, ids[2]!])
      expect(await bench.jobs.find(sound)).toMatchObject({ state: 'completed' })
    if (stays) return
    await look(app)
    if (runs) return
    const job = (await bench.jobs.find(id))!
    expect(job).toMatchObject({ state: 'failed', failures: 1 })
    const error = job.errors.at(-1)!
    expect(error).toMatchObject({ code: 'RECORD_DAMAGED' })
    expect(error.message).toMatch(new RegExp(`^The record of job ${id} in default is damaged: it `))
    // The damaged data stays, except a counter, because each run sets the counters.
    const { unreadable } = (await (await insideOf(bench.jobs).open()).store.get('default', id))!
    // The damaged part may contain data that people must not see.
    if (job.payload !== undefined && unreadable !== undefined) expect(job.payload).toBe('[redacted]')
    if (unreadable?.kind === 'damaged' && ['record', 'payload'].includes(unreadable.field)) {
      expect(job.unreadable).toEqual({ ...unreadable, text: '[redacted]' })
      if (unreadable.field === 'record' || !isRedis) expect(error.message).toContain('[redacted]')
    } else if (unreadable?.kind === 'damaged') expect(job.unreadable).toEqual(unreadable)
    else if (field !== 'runs') expect(job.payload).toBe('{"n":')
    // A retry of the damaged job fails again, and the other jobs do not fail.
    await bench.jobs.retry(id).catch(() => {})
  })

  test('if the list of hidden paths is damaged, the whole payload is hidden', async () => {
    await using app = await make()
    const { bench, id, set } = app
    const options = '{"redact":"card"}'
    await set(isRedis ? 'jobs' : 'options', isRedis ? `5,,${options}|DamageJob|{"n":2}` : options)
    expect((await bench.jobs.find(id))!.payload).toBe('[redacted]')
    expect((await operate(bench.jobs).list({ state: 'waiting' })).jobs.map(({ payload }) => payload)).toEqual(
      [{ n: 1 }, '[redacted]', { n: 3 }],
    )
  })

  test('the jobs of a claim with a damaged count are still taken back', async () => {
    await using app = await make()
    const { bench, ids, place } = app
    const { store } = await insideOf(bench.jobs).open()
    const want = { limit: 3, leaseMs: 60_000 }
    const { jobs } = await store.exchange('default', { caller: 'dead', number: 1 }, [], want)
    const settled = jobs
      .slice(0, 1)
      .map(({ id, token }) => ({ id, token, outcome: { kind: 'completed' } as const }))
    if (isRedis) {
      const client = createClient({ url: place.connection })
      await client.connect()
      await client.hSet(`${place.prefix}:{default}:claims`, 'dead.1#', 'many')
      client.destroy()
    } else {
      const file = openRaw(place.connection.slice('sqlite:'.length))
      file.prepare('UPDATE leases SET seqs = ?').run(['[1,'])
      file.close()
    }
    const call = { caller: 'dead', number: 2 }
    expect((await store.exchange('default', call, settled, { limit: 0, leaseMs: 1 })).verdicts).toEqual([
      'settled',
    ])
    await look(app)
    const { recovered } = await store.recover('default', { holder: 'dead' })
    expect([...recovered].sort()).toEqual(ids.slice(1))
  })

  test('a unique job is rejected if it would replace the payload of a record in another format', async () => {
    await using app = await make()
    const { bench, id, set } = app
    const { store } = await insideOf(bench.jobs).open()
    await store.alter('default', [id], { kind: 'remove' })
    const lock = { name: 'only', until: 'done', replace: true } as const
    const job = (payload: string, of: string) => ({ id: of, key: 'DamageJob', payload, lock })
    const other = newId()
    const call = { caller: 'web' }
    expect(await store.enqueue('default', { ...call, number: 1 }, [job('1', id)])).toEqual(['queued'])
    if (isRedis) await set('jobs', '5,,!sealed2;|DamageJob|1')
    else await set('options', '!sealed2;')
    expect(await store.enqueue('default', { ...call, number: 2 }, [job('2', other)])).toEqual([
      { kind: 'rejected', reason: 'unique', by: id },
    ])
    expect(await store.get('default', id)).toMatchObject({ payload: '1', unreadable: { kind: 'marked' } })
  })

  test('a worker puts a job in another format back, the job is listed with its format, and loses no data', async () => {
    await using app = await make()
    const { bench, id, set } = app
    const { store } = await insideOf(bench.jobs).open()
    if (isRedis) await set('jobs', '5,,!sealed2;8fe1c0|7d|%%%|opaque')
    else {
      await set('options', '!sealed2;8fe1c0')
      await set('payload', 'opaque')
    }
    await look(app)
    expect(await store.get('default', id)).toMatchObject({ unreadable: { kind: 'marked', mark: 'sealed2' } })
    const before = await store.get('default', id)
    const worker = await bench.work([DamageJob])
    // After a second, the job is due again, and the worker puts it back again.
    await vi.waitFor(() => expect(worker.summary).toMatchObject({ completed: 2, failed: 0 }), LONG)
    await vi.waitFor(() => expect(worker.summary.released).toBeGreaterThan(0), LONG)
    await worker.stop()
    const after = await store.get('default', id)
    const { released } = worker.summary
    expect(['delayed', 'waiting']).toContain(after!.state)
    const because = 'the worker does not know its format'
    expect(after).toMatchObject({ releases: released, failures: 0, because, unreadable: before!.unreadable })
    expect([after!.key, after!.payload]).toEqual([before!.key, before!.payload])
    expect(await store.alter('default', [id], { kind: 'edit', payload: '1' })).toEqual(['refused'])
    expect(await store.alter('default', [id], { kind: 'cancel', reason: 'user' })).toEqual(['done'])
    expect(await store.alter('default', [id], { kind: 'retry' })).toEqual(['done'])
    expect((await store.get('default', id))!.payload).toBe(before!.payload)
  })
}
