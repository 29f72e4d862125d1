import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { Bench, type Connect } from './bench.ts'

class NoteJob extends Job {
  override readonly key = 'note'
  handle(_payload: { n: number }) {}
}

/** A request may contain these values instead of an id. */
const odd: unknown[] = [
  undefined,
  null,
  7,
  true,
  '',
  'a\nb',
  'a\u009b31m',
  'x'.repeat(101),
  ['x'],
  [['x']],
  [undefined],
  { id: 'x' },
  new Map([['id', 'x']]),
  Symbol('x'),
]

/** Tests ids that come from outside. */
export function ids(connect: Connect): void {
  test('an invalid id is refused with a code, and does not disturb other calls', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    await jobs.dispatch(new NoteJob(), { n: 0 })
    const refusals = odd.flatMap((value) => {
      const id = value as string
      const asked: Promise<unknown>[] = [jobs.find(id)]
      // These calls also accept a filter, or a list of ids.
      const isOther = typeof id === 'object' && id !== null && !(Symbol.iterator in id)
      const isList = Array.isArray(id) && typeof id[0] === 'string'
      if (!isList && !isOther) asked.push(jobs.retry(id), jobs.cancel(id))
      return [...asked, jobs.retry([id]), jobs.cancel([id])]
    })
    const refused = Promise.all(
      refusals.map((refusal) => expect(refusal).rejects.toMatchObject({ code: 'JOB_ID_INVALID' })),
    )
    const honest = Array.from({ length: 300 }, (_, n) => jobs.dispatch(new NoteJob(), { n }))
    expect(new Set(await Promise.all(honest))).toEqual(new Set([true]))
    await refused
    const { counts } = (await jobs.status()).queues.find(({ queue }) => queue === 'default')!
    expect(counts).toMatchObject({ waiting: 301, cancelled: 0 })
  })

  test('the refusal shows the value', async () => {
    await using bench = await Bench.make(connect)
    await expect(bench.jobs.find(['x'] as never)).rejects.toThrow("[ 'x' ] is not the id of a job")
    await expect(bench.jobs.retry(undefined as never)).rejects.toThrow('undefined is not the id of a job')
    await expect(bench.jobs.cancel([7] as never)).rejects.toThrow('7 is not the id of a job')
    expect(await bench.jobs.find('none')).toBeUndefined()
  })

  test('retry accepts a single id', async () => {
    await using bench = await Bench.make(connect)
    const job = new NoteJob()
    await bench.jobs.dispatch(job, { n: 1 })
    await bench.jobs.cancel(job.id!)
    expect(await bench.jobs.retry(job.id!)).toBe(1)
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'waiting' })
  })
}
