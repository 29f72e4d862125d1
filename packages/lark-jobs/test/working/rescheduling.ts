import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { Bench, type Connect } from './bench.ts'

class NoteJob extends Job {
  override readonly key: string = 'note'
  handle() {}
}
class OtherJob extends NoteJob {
  override readonly key = 'other'
}

/** Tests that another process changes when jobs are due. */
export function rescheduling(connect: Connect): void {
  test('reschedule works by id and by filter with counts, and refuses running and ended jobs', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const other = bench.client()
    const note = new NoteJob().with()
    const [a, b, c] = await jobs.dispatch([note.delayed('1h'), note.delayed('2h'), note])
    const [d] = await jobs.dispatch([new OtherJob().with().delayed('3h')])
    const states = async () => Promise.all([a, b, c, d].map(async ({ id }) => (await jobs.find(id))!.state))
    const all = [a, b, c, d].map(({ id }) => id)

    expect(await other.runNow(all, { dryRun: true })).toEqual({ rescheduled: 3 })
    expect(await states()).toEqual(['delayed', 'delayed', 'waiting', 'delayed'])
    expect(await other.runNow({ key: 'other' })).toEqual({ rescheduled: 1 })
    expect(await other.runNow([a.id, c.id])).toEqual({ rescheduled: 1 })
    expect(await states()).toEqual(['waiting', 'delayed', 'waiting', 'waiting'])
    expect(await other.runNow({ queue: 'default', state: 'waiting' })).toEqual({ rescheduled: 0 })

    expect(await other.reschedule({ key: 'note' }, '30m', { dryRun: true })).toEqual({ rescheduled: 3 })
    const before = (await jobs.find(b.id))!.dueAt!
    expect(await other.reschedule({ key: 'note' }, '30m')).toEqual({ rescheduled: 3 })
    expect(await states()).toEqual(['delayed', 'delayed', 'delayed', 'waiting'])
    expect(before - (await jobs.find(b.id))!.dueAt!).toBeGreaterThan(3_600_000)
    expect(await other.reschedule({ key: 'note', state: 'waiting' }, 0)).toEqual({ rescheduled: 0 })
    expect(await other.reschedule({ all: true }, 0)).toEqual({ rescheduled: 4 })
    const worker = await bench.work([NoteJob, OtherJob], { stopWhenEmpty: true })
    expect((await worker.done).completed).toBe(4)

    const error = { code: 'JOB_NOT_PENDING', message: expect.stringContaining(`${a.id} is completed; only`) }
    const [e] = await jobs.dispatch([note.delayed('1h')])
    await expect(other.runNow([e.id, a.id])).rejects.toMatchObject(error)
    await expect(other.reschedule([e.id, a.id], 0)).rejects.toMatchObject(error)
    expect((await jobs.find(e.id))!.state).toBe('delayed')
    await expect(other.runNow('nobody')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  })
}
