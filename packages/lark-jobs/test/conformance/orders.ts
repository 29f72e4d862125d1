/**
 * Orders to workers (for example: take no more jobs): which workers get an order, with which answers, and for
 * how long.
 */
import { expect, test } from 'vitest'
import type { WorkerRecord } from '../../src/model/record.ts'
import { orderIn } from '../../src/store/contract/store.ts'
import type { Make } from './harness.ts'

const TTL = 15_000

function worker(id: string): WorkerRecord {
  const record = { id, host: 'h', pid: 1, queues: ['emails'], strict: false, concurrency: 1, running: 0 }
  return { ...record, keys: ['a'], startedAt: 1, state: 'running' }
}

export function orders(make: Make): void {
  test('living workers get an order with the answer to each of their announcements', async () => {
    await using harness = await make()
    const { store, clock } = harness
    expect(await store.announce(worker('gone'), 10)).toBeUndefined()
    clock.advance(10)
    expect(await store.announce(worker('ada'), TTL)).toBeUndefined()
    await store.announce(worker('bob'), TTL)
    const order = { id: 'one', kind: 'quiet' } as const
    const told = await store.order(['ada', 'bob', 'gone', 'cid'], order)
    expect(told.sort()).toEqual(['ada', 'bob'])
    for (let i = 0; i < 2; i++) {
      expect(await store.announce(worker('ada'), TTL)).toEqual(order)
      const survey = await store.survey('bob', [{ partition: 'emails' }], { worker: worker('bob'), ttl: TTL })
      expect(survey).toMatchObject({ findings: [], order })
    }
    // These workers started after the order.
    for (const id of ['gone', 'cid']) expect(await store.announce(worker(id), TTL)).toBeUndefined()
    expect(await store.survey('ada', [{ partition: 'emails' }])).not.toHaveProperty('order')
  })

  test('of several orders to a worker, the last counts', async () => {
    await using harness = await make()
    const { store } = harness
    await store.announce(worker('ada'), TTL)
    await store.announce(worker('bob'), TTL)
    await store.order(['ada', 'bob'], { id: 'one', kind: 'quiet' })
    expect(await store.order(['ada'], { id: 'two', kind: 'resume' })).toEqual(['ada'])
    expect(await store.announce(worker('ada'), TTL)).toEqual({ id: 'two', kind: 'resume' })
    expect(await store.announce(worker('bob'), TTL)).toEqual({ id: 'one', kind: 'quiet' })
    expect(await store.order([], { id: 'three', kind: 'quiet' })).toEqual([])
  })

  test('one answer may have an order and due schedules', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await store.announce(worker('ada'), TTL)
    await store.order(['ada'], { id: 'one', kind: 'restart' })
    await store.schedules.write('emails', [
      { id: 'nightly', rev: 0, definition: 'd', state: 's', next: clock.now + 700 },
    ])
    const survey = await store.survey('ada', [{ partition: 'emails' }], { worker: worker('ada'), ttl: TTL })
    expect(survey.findings).toMatchObject([{ partition: 'emails', nextTick: 700 }])
    expect(survey.order).toEqual({ id: 'one', kind: 'restart' })
  })

  test('an order of an unknown kind is ignored', () => {
    expect(orderIn('one dance')).toBeUndefined()
    expect(orderIn(' quiet')).toBeUndefined()
    expect(orderIn(undefined)).toBeUndefined()
    expect(orderIn('one quiet')).toEqual({ id: 'one', kind: 'quiet' })
  })
}
