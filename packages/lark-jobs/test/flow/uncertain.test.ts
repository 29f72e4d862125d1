/**
 * The answers of calls during which the store cannot be reached, or another process changes the flow. An
 * answer says only what is certain.
 */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { batch, chain, createJobs, Job, type Jobs, workflow } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { JobsError } from '../../src/model/errors.ts'
import type { Store } from '../../src/store/contract/store.ts'

class StepJob extends Job {
  override readonly key = 'step'
  handle() {}
}
class OtherJob extends Job {
  override readonly key = 'other'
  override queueName = 'other'
  handle() {}
}

const step = new StepJob().with()
const other = new OtherJob().with()
const away = (code: 'STORE_UNREACHABLE' | 'STORE_UNCERTAIN' | 'STORE_REFUSED') => new JobsError(code, 'away')

let jobs: Jobs
let store: Store
beforeEach(async () => {
  jobs = createJobs({ connection: 'sqlite::memory:', queues: ['default', 'other'] })
  store = (await insideOf(jobs).open()).store
})
afterEach(() => {
  vi.restoreAllMocks()
  return jobs.close()
})

/** Makes the next write of a flow succeed, and loses its answer. */
function loseAnswer(): void {
  const write = store.flows.write.bind(store.flows)
  vi.spyOn(store.flows, 'write').mockImplementationOnce(async (...args) => {
    await write(...args)
    throw away('STORE_UNCERTAIN')
  })
}

/** From now on, a call makes only one attempt. */
function losePatience(): void {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => {
    now += 10_000
    return now
  })
}

test('if the first attempt may have started a flow, the answer is uncertain, whatever further attempts return', async () => {
  loseAnswer()
  const now = store.now.bind(store)
  vi.spyOn(store, 'now').mockImplementationOnce(now).mockRejectedValueOnce(away('STORE_REFUSED'))
  const flow = chain([step]).withId('one')
  await expect(jobs.dispatch(flow)).rejects.toMatchObject({ code: 'DISPATCH_UNCERTAIN', id: 'one' })
  expect(await jobs.flow('one').status()).toMatchObject({ state: 'open' })
})

test.each(['STORE_UNREACHABLE', 'STORE_REFUSED'] as const)(
  'a started flow is accepted, although %s delays its jobs in other partitions',
  async (code) => {
    vi.spyOn(store, 'enqueue').mockRejectedValue(away(code))
    const flow = workflow('both', (w) => [w.add(step), w.add(other)])
    expect(await jobs.dispatch(flow.withId('both'))).toMatchObject({ id: 'both', isNew: true })
    expect(await jobs.flow('both').cancel()).toBe(true)
  },
)

test('a flow counts as cancelled although its jobs could not be asked to end', async () => {
  const handle = await jobs.dispatch(chain([step]))
  vi.spyOn(store, 'alter').mockRejectedValue(away('STORE_UNREACHABLE'))
  expect(await handle.cancel()).toBe(true)
  expect(await handle.status()).toMatchObject({ state: 'ending' })
})

test('a step that may have been added is uncertain, and it was certainly not added if the flow could not be read', async () => {
  const handle = await jobs.dispatch(chain([step]))
  loseAnswer()
  await expect(handle.add(step)).rejects.toMatchObject({ code: 'DISPATCH_UNCERTAIN', id: handle.id })
  vi.spyOn(store.flows, 'get').mockRejectedValueOnce(away('STORE_UNREACHABLE'))
  await expect(handle.add(step)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  expect(await handle.progress()).toMatchObject({ total: 2 })
})

test('a step counts as added although its job cannot be queued in the other partition yet', async () => {
  const handle = await jobs.dispatch(workflow('more', (w) => [w.add(step)]))
  vi.spyOn(store, 'enqueue').mockRejectedValue(away('STORE_UNREACHABLE'))
  await handle.add(other)
  expect(await handle.progress()).toMatchObject({ total: 2 })
})

test('members that were counted but not queued are uncertain', async () => {
  const handle = await jobs.dispatch(batch([step]))
  vi.spyOn(store, 'enqueue').mockRejectedValue(away('STORE_UNREACHABLE'))
  losePatience()
  await expect(handle.add(other)).rejects.toMatchObject({ code: 'DISPATCH_UNCERTAIN', id: handle.id })
  expect(await handle.progress()).toMatchObject({ total: 2 })
})

test('a batch that is cancelled while members get their indices queues none of them', async () => {
  const write = store.flows.write.bind(store.flows)
  vi.spyOn(store.flows, 'write')
    .mockImplementationOnce(write)
    .mockImplementationOnce(async (...args) => {
      await jobs.flow('early').cancel()
      return write(...args)
    })
  await jobs.dispatch(batch([step, other]).withId('early'))
  expect(await jobs.flow('early').progress()).toMatchObject({ total: 0 })
  for (const queue of ['default', 'other']) expect(await store.counts(queue)).toMatchObject({ waiting: 0 })
})

test('the start of a flow, its members, their ends, and added nodes wait for the same durability as a dispatch', async () => {
  const write = vi.spyOn(store.flows, 'write')
  const relied = () => write.mock.calls.splice(0).map(([, , , isRelied = false]) => isRelied)
  const members = await jobs.dispatch(batch([step]))
  expect(relied()).toEqual([true, true, true])
  await members.add(step)
  expect(relied()).toEqual([true])
  const steps = await jobs.dispatch(chain([step]))
  await steps.add(step)
  expect(relied()).toEqual([true, true])
  await steps.cancel()
  expect(relied()).toContain(false)
})
