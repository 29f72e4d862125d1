/**
 * The ids of jobs that came through an outbox (`model/record.ts#Keep`): if a relay dies before it has deleted
 * a row, another relay sends the job again.
 */
import { expect, test } from 'vitest'
import type { NewJob } from '../../src/model/record.ts'
import { RELAYED_MEMORY, UNKEPT_MEMORY } from '../../src/store/contract/store.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, job } from './jobs.ts'

const none = { count: 0, age: 0 }
const nothing = { retention: { completed: none, failed: none, cancelled: none } }

/** A job that came through an outbox. */
function relayed(fields: Partial<NewJob> = {}): NewJob {
  return job({ keep: { relayed: true }, ...fields })
}

/** The ways in which a relayed job ends or is removed. */
const ways: [how: string, go: (harness: Harness, id: string) => Promise<unknown>][] = [
  ['has completed', async (h) => h.caller().settle(await h.caller().claimOne(), completed)],
  ['has failed', async (h) => h.caller().settle(await h.caller().claimOne(), failed)],
  ['was cancelled', (h, id) => h.store.alter('emails', [id], { kind: 'cancel', reason: 'user' })],
  ['was removed', (h, id) => h.store.alter('emails', [id], { kind: 'remove' })],
  ['was purged', (h, id) => h.store.alter('emails', [id], { kind: 'purge' })],
  ['was cleared', (h) => h.store.clear('emails', 'waiting')],
]

export function relayedJobs(make: Make): void {
  test.each(ways)(
    'the store remembers the id of a job that %s for an hour, although the job is not kept',
    async (_, go) => {
      await using harness = await make(nothing)
      const { store, clock } = harness
      const given = relayed()
      // The row of the outbox may have waited for a long time.
      expect(await harness.caller().enqueue(given)).toEqual(['queued'])
      clock.advance(3 * RELAYED_MEMORY)
      expect(await harness.caller().enqueue(given)).toEqual(['exists'])
      await go(harness, given.id)
      // Until this time, a caller that waits for the result can read the end of the job.
      clock.advance(UNKEPT_MEMORY)
      await store.prune('emails')
      expect(await store.get('emails', given.id)).toBeUndefined()
      // Other jobs of the same call are queued.
      expect(await harness.caller().enqueue(given, relayed())).toEqual(['exists', 'queued'])
      await store.clear('emails', 'waiting')
      clock.advance(RELAYED_MEMORY - UNKEPT_MEMORY - 1)
      expect(await harness.caller().enqueue(given)).toEqual(['exists'])
      clock.advance(UNKEPT_MEMORY + 1)
      const { findings } = await store.survey('ada', [{ partition: 'emails', prunes: true }])
      expect(findings).toMatchObject([{ isOld: true }])
      await store.prune('emails')
      expect(await harness.mentions(given.id)).toEqual([])
      expect(await harness.caller().enqueue(given)).toEqual(['queued'])
    },
  )

  test('a job that did not come through an outbox is not remembered, and its id is not checked', async () => {
    await using harness = await make(nothing)
    const given = job()
    const ends = async (job: NewJob) => {
      await harness.caller().run(job, completed)
      harness.clock.advance(UNKEPT_MEMORY)
      await harness.store.prune('emails')
    }
    await ends(given)
    expect(await harness.caller().enqueue(given)).toEqual(['queued'])
    const own = relayed({ id: 'order-7', ownId: 'new' })
    await harness.store.clear('emails', 'waiting')
    await ends(own)
    expect(await harness.caller().enqueue({ ...own, keep: {} })).toEqual(['queued'])
  })

  test('an id that the application chose is remembered, too, and jobs that use the same id again are distinguished', async () => {
    await using harness = await make()
    const own = relayed({ id: 'order-7', ownId: 'new' })
    await harness.caller().run(own, completed)
    expect(await harness.caller().enqueue(own)).toMatchObject([{ reason: 'exists', state: 'completed' }])
    await harness.store.clear('emails', 'completed')
    expect(await harness.caller().enqueue(own)).toEqual(['exists'])
    const of = (born: string) => relayed({ id: 'order-8', ownId: 'reuse', options: { born } })
    await harness.caller().run(of('0000000000001'), completed)
    expect(await harness.caller().enqueue(of('0000000000001'))).toEqual(['exists'])
    expect(await harness.caller().enqueue(of('0000000000002'))).toEqual(['queued'])
    expect(await harness.caller().enqueue(of('0000000000001'))).toEqual(['exists'])
    expect(await harness.caller().enqueue(of('0000000000002'))).toEqual(['exists'])
  })

  test('the id of a moved job is remembered in the partition in which the job was queued', async () => {
    await using harness = await make(nothing)
    const { store, clock } = harness
    const given = relayed()
    await harness.caller().enqueue(given)
    const { jobs } = await store.moves.take('emails', [given.id], ['other'])
    expect(await harness.caller().enqueue(given)).toEqual(['exists'])
    expect(await store.moves.put('other', jobs)).toEqual([true])
    await store.moves.settle('emails', jobs)
    clock.advance(2 * RELAYED_MEMORY)
    await store.prune('emails')
    expect(await harness.caller().enqueue(given)).toEqual(['exists'])
  })

  test('a job that has already arrived is not refused because of a lock or a bound', async () => {
    await using harness = await make(nothing)
    const lock = { name: 'a', until: 'done' } as const
    const first = relayed({ lock })
    await harness.caller().run(first, completed)
    const second = relayed({ lock })
    const bound = { max: 1, full: 'reject' } as const
    const call = () => ({ ...harness.caller().next(), bound })
    expect(await harness.store.enqueue('emails', call(), [second])).toEqual(['queued'])
    expect(await harness.store.enqueue('emails', call(), [first, second])).toEqual(['exists', 'exists'])
    const third = await harness.store.enqueue('emails', call(), [relayed({ lock })])
    expect(third).toMatchObject([{ kind: 'rejected' }])
  })
}
