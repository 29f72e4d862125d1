/**
 * Makes calls while the connections to all servers are cut at short intervals. No call must fail, and each
 * change must be made once.
 */

import { expect } from 'vitest'
import { chain, every, Job, type Jobs } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { Bench } from '../working/bench.ts'
import { newPrefix } from './place.ts'
import type { Server } from './server.ts'

class SumJob extends Job {
  override readonly key = 'sum'
  handle(_payload: { n: number }): void {}
}

const COUNT = 2_500

/** Cuts the connections to all servers at each call to the store, sometimes during the call. */
async function cutting(jobs: Jobs, servers: readonly Server[]): Promise<void> {
  const { store } = await insideOf(jobs).open()
  const cut = () =>
    Promise.allSettled(servers.map((each) => each.send('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')))
  const cuts = (part: object) => {
    for (let type = part; type !== Object.prototype; type = Object.getPrototypeOf(type) as object)
      for (const name of Object.getOwnPropertyNames(type)) {
        const verb = (part as Record<string, unknown>)[name]
        if (typeof verb !== 'function' || !/^[a-z]/.test(name) || /^(close|constructor|open)$/.test(name))
          continue
        const act = async (...args: unknown[]) => {
          const [answer] = await Promise.allSettled([verb.apply(part, args) as Promise<unknown>, cut()])
          if (answer.status === 'rejected') throw answer.reason
          return answer.value
        }
        Object.defineProperty(part, name, { value: act, configurable: true })
      }
  }
  for (const part of [store, store.flows, store.schedules, store.audit]) cuts(part)
}

export async function withoutLoss(connection: string, servers: readonly Server[]): Promise<void> {
  const prefix = newPrefix()
  await using bench = await Bench.make(async () => ({ connection, prefix, remove: async () => {} }))
  const { jobs } = bench
  await cutting(jobs, servers)
  const operating = operate(jobs)
  await jobs.dispatchMany(
    new SumJob(),
    Array.from({ length: COUNT }, (_, n) => ({ n })),
  )
  const [first] = (await operating.list({ queue: 'default' }, { limit: 1 })).jobs
  expect(await jobs.find(first!.id)).toMatchObject({ state: 'waiting' })
  expect((await operating.status()).queues[0]).toMatchObject({ queue: 'default', counts: { waiting: COUNT } })
  expect(await operating.tag({ queue: 'default' }, 'seen')).toEqual({ tagged: COUNT, left: 0 })
  expect(await operating.edit(first!.id, { n: -1 })).toMatchObject({ edited: 1 })
  expect(await operating.reschedule({ queue: 'default' }, '1h')).toMatchObject({ rescheduled: COUNT })
  expect(await operating.pause({ queue: 'default' })).toEqual({ wasPaused: false })
  expect(await operating.resume({ queue: 'default' })).toEqual({ wasPaused: true })
  expect(await operating.pause({ queue: 'default', group: 'acme' })).toEqual({
    wasPaused: false,
    hasJobs: false,
  })
  expect(await operating.remove({ queue: 'default', state: 'delayed' })).toMatchObject({ removed: COUNT })

  expect(await jobs.schedules.set('nightly', new SumJob().with({ n: 1 }), every('1h'))).toMatchObject({
    id: 'nightly',
  })
  expect(await jobs.schedules.pause('nightly')).toMatchObject({ state: 'paused' })
  expect(await jobs.schedules.resume('nightly')).toMatchObject({ wasPaused: true })
  const { id } = await jobs.schedules.runNow('nightly')
  expect(await jobs.find(id)).toMatchObject({ state: 'waiting' })
  expect((await operating.status()).queues[0]).toMatchObject({ counts: { waiting: 1 } })
  expect(await jobs.schedules.remove('nightly')).toBe(true)

  const flow = await jobs.dispatch(chain([new SumJob().with({ n: 1 }), new SumJob().with({ n: 2 })]))
  expect(await flow.status()).toMatchObject({ state: 'open' })
  expect((await operating.audit()).entries.map(({ what }) => what)).toContain('tag')
}
