/**
 * `Jobs.transaction()`: the dispatches of its function are sent when the function has ended, or dropped when
 * it throws.
 */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { batch } from '../../src/api/flows/batch.ts'
import { chain } from '../../src/api/flows/chain.ts'
import { Job } from '../../src/api/job.ts'
import { createJobs, type Jobs } from '../../src/api/jobs.ts'
import { Folder } from '../sqlite/folder.ts'

class PackJob extends Job {
  override readonly key = 'pack'
  async handle(payload: { order: number }) {
    return payload.order
  }
}
class LostJob extends Job {
  override readonly key = 'lost'
  override queueName = 'nowhere'
  async handle() {}
}

let folder: Folder
let jobs: Jobs
beforeEach(async () => {
  folder = await Folder.make()
  jobs = createJobs({ connection: `sqlite:${folder.file}` })
})
afterEach(async () => {
  await jobs.close()
  await folder[Symbol.asyncDispose]()
})

const dispatch = (order: number) => jobs.dispatch(new PackJob(), { order })
const orders = async () => {
  const { jobs: all } = await jobs.list({ state: 'waiting' })
  return all.map(({ payload }) => (payload as { order: number }).order).sort()
}

it('transaction() sends the dispatched jobs when its function has ended, and returns the result of the function', async () => {
  const job = new PackJob()
  const result = await jobs.transaction(async () => {
    expect(await jobs.dispatch(job, { order: 1 })).toBe(true)
    expect(await jobs.dispatchMany(new PackJob(), [{ order: 2 }, { order: 3 }])).toBe(true)
    const handle = await jobs.dispatch(PackJob.with({ order: 4 }))
    expect([handle.queued, handle.inTransaction]).toEqual([true, true])
    expect(await orders()).toEqual([])
    expect(await handle.status()).toBeUndefined()
    return handle
  })
  expect(await orders()).toEqual([1, 2, 3, 4])
  expect((await result.status())?.state).toBe('waiting')
  expect((await jobs.find(job.id!))?.id).toBe(job.id)
})

it('transaction() drops all jobs when its function throws, wherever in the function they were dispatched', async () => {
  const failing = jobs.transaction(async () => {
    await dispatch(1)
    await Promise.all([2, 3].map(async (order) => dispatch(order)))
    throw new Error('declined')
  })
  await expect(failing).rejects.toThrow('declined')
  await dispatch(4)
  expect(await orders()).toEqual([4])
})

it('an outer transaction can take over 150,000 dispatches of an inner one, which is more than a call can have arguments', async () => {
  let count = 0
  const failing = jobs.transaction(async () => {
    await jobs.transaction(async () => {
      for (; count < 150_000; count++) await dispatch(count)
    })
    throw new Error('declined')
  })
  await expect(failing).rejects.toThrow('declined')
})

it('jobs are sent at the end of the outermost transaction, and an inner transaction that throws drops only its own jobs', async () => {
  await jobs.transaction(async () => {
    await dispatch(1)
    await jobs.transaction(() => dispatch(2))
    await jobs
      .transaction(async () => {
        await dispatch(3)
        throw new Error('declined')
      })
      .catch(() => {})
    expect(await orders()).toEqual([])
    await dispatch(4)
  })
  expect(await orders()).toEqual([1, 2, 4])
})

it('jobs that are dispatched outside of the function or after its end are sent at once', async () => {
  let later = Promise.resolve<unknown>(undefined)
  let isOver: (() => void) | undefined
  const over = new Promise<void>((resolve) => (isOver = resolve))
  let begun: (() => void) | undefined
  const hasBegun = new Promise<void>((resolve) => (begun = resolve))
  const transaction = jobs.transaction(async () => {
    later = over.then(() => dispatch(1))
    begun!()
    await dispatch(2)
  })
  await hasBegun
  await dispatch(3)
  expect(await orders()).toContain(3)
  await transaction
  isOver!()
  await later
  expect(await orders()).toEqual([1, 2, 3])
})

it('transaction() also sends jobs whose dispatch its function did not await', async () => {
  await jobs.transaction(() => {
    void dispatch(1)
  })
  expect(await orders()).toEqual([1])
})

it('flows that the function dispatches start when it has ended', async () => {
  const [steps, members] = await jobs.transaction(async () => {
    const handles = await Promise.all([
      jobs.dispatch(chain([PackJob.with({ order: 1 }), PackJob.with({ order: 2 })])),
      jobs.dispatch(batch([PackJob.with({ order: 3 }), PackJob.with({ order: 4 })])),
    ])
    expect(await handles[0].status()).toBeUndefined()
    expect(handles.map(({ inTransaction }) => inTransaction)).toEqual([true, true])
    return handles
  })
  expect(await orders()).toEqual([1, 3, 4])
  expect((await steps.progress())?.total).toBe(2)
  expect((await members.progress())?.total).toBe(2)
})

it('a wrong dispatch is rejected at once, and the other jobs are sent', async () => {
  await jobs.transaction(async () => {
    await dispatch(1)
    await expect(jobs.dispatch(LostJob.with())).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
    await dispatch(2)
  })
  expect(await orders()).toEqual([1, 2])
})

it('a transaction() holds back only the dispatches of its own instance', async () => {
  const other = createJobs({ connection: `sqlite:${folder.file}` })
  await jobs.transaction(async () => {
    await other.dispatch(new PackJob(), { order: 1 })
    expect(await orders()).toEqual([1])
  })
  await other.close()
})

it('transaction() does not hold back a dispatch that names a database transaction', async () => {
  const written: string[] = []
  const tx = { for: 'mysql' as const, execute: (sql: string) => written.push(sql) }
  const failing = jobs.transaction(async () => {
    await jobs.dispatch(new PackJob(), { order: 1 }, { tx })
    expect(written).toHaveLength(1)
    throw new Error('declined')
  })
  await expect(failing).rejects.toThrow('declined')
})
