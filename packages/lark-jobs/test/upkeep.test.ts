import { setTimeout as pause } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { JobsError } from '../src/errors.ts'
import type { WorkerRecord } from '../src/record.ts'
import { SqliteStore } from '../src/store/sqlite/store.ts'
import { StoreClock } from '../src/worker/store-clock.ts'
import { Upkeep } from '../src/worker/upkeep.ts'
import { Harness } from './conformance/harness.ts'
import { job } from './conformance/jobs.ts'

const LEASE = 300
/** Milliseconds: longer than a process may wait for its store and call it no outage. */
const OUTAGE = 1_100

/** A job whose lease has ended, and what looks after it. `late`: the verb that met the outage, and no other did. */
async function outlived(late?: 'announce' | 'partitions' | 'prune' | 'now' | 'renew', lease = LEASE) {
  const harness = await Harness.make(async () => ({
    handle: (options) => new SqliteStore(':memory:', options),
    remove: async () => {},
  }))
  const caller = harness.caller('ada', 'emails')
  await caller.enqueue(job())
  const held = await caller.claimOne()
  harness.clock.advance(60_000)
  const { store } = harness
  const wait = () => pause(OUTAGE)
  if (late === 'announce') vi.spyOn(store, 'announce').mockImplementationOnce(wait)
  if (late === 'partitions') vi.spyOn(store, 'partitions').mockImplementationOnce(() => wait().then(() => []))
  if (late === 'prune') vi.spyOn(store, 'prune').mockImplementationOnce(() => wait().then(() => 0))
  if (late === 'now')
    vi.spyOn(store, 'now').mockImplementationOnce(async () => {
      await wait()
      throw new JobsError('STORE_UNREACHABLE', 'read ECONNRESET')
    })
  let isFirst = true
  const renew = async () => {
    if (late === 'renew' && isFirst) await wait()
    isFirst = false
  }
  const record = (): WorkerRecord => ({
    id: 'bob',
    host: 'here',
    pid: 1,
    queues: ['emails'],
    strict: false,
    concurrency: 1,
    running: 0,
    keys: [],
    startedAt: 0,
    state: 'running',
  })
  const report = { wrote() {}, ended() {}, warn() {}, info() {} }
  const met = vi.fn()
  const trouble = { met, passed() {} }
  // Of each partition, pruning comes last: the outage is met by the look at another one.
  const partitions = late === 'prune' || late === 'now' ? ['others', 'emails'] : ['emails']
  const dice = vi.spyOn(Math, 'random').mockReturnValue(late === 'prune' ? 0 : 0.5)
  const clock = new StoreClock()
  // Its question is not the one that is late.
  clock.heard(0, 0)
  const upkeep = new Upkeep({
    clock,

    ended() {},
    store,
    partitions,
    met() {},
    lease,
    record,
    report,
    renew,
    trouble,
  })
  await upkeep.start()
  dice.mockRestore()
  expect(met).not.toHaveBeenCalled()
  return { harness, upkeep, held }
}

/** It is left to the living at first, and then goes back with so many crashes counted. */
async function goesBack(crashes: number, late?: Parameters<typeof outlived>[0]): Promise<void> {
  const { harness, upkeep, held } = await outlived(late)
  try {
    // The time is asked only when there may be something to take back.
    expect(upkeep.isAfterOutage).toBe(late !== undefined && late !== 'now')
    expect(await harness.store.get('emails', held.id)).toMatchObject({ state: 'active' })
    await vi.waitFor(
      async () =>
        expect(await harness.store.get('emails', held.id)).toMatchObject({ state: 'waiting', crashes }),
      5_000,
    )
    expect(upkeep.isAfterOutage).toBe(false)
  } finally {
    await upkeep.stop()
    await harness[Symbol.asyncDispose]()
  }
}

test('a job whose lease has ended goes back when the living have had time to renew, and a crash is counted', () =>
  goesBack(1))

test.each(['announce', 'partitions', 'prune', 'now', 'renew'] as const)(
  'an outage that only %s met gives the living a lease, and then counts no crash',
  (late) => goesBack(0, late),
)

test.each([
  'now',
  // Of a server that loads its data, or is a replica for a while.
  'recover',
] as const)(
  'an outage that only %s meets, while the living have their time, gives them another',
  async (verb) => {
    const lease = 1_200
    const { harness, upkeep, held } = await outlived('announce', lease)
    try {
      const away = new JobsError('STORE_REFUSED', 'LOADING Redis is loading the dataset in memory')
      const asked = vi.spyOn(harness.store, verb).mockRejectedValueOnce(away)
      await vi.waitFor(() => expect(asked).toHaveBeenCalled(), lease)
      const met = performance.now()
      await vi.waitFor(
        async () =>
          expect(await harness.store.get('emails', held.id)).toMatchObject({ state: 'waiting', crashes: 0 }),
        5_000,
      )
      expect(performance.now() - met).toBeGreaterThanOrEqual(lease)
    } finally {
      await upkeep.stop()
      await harness[Symbol.asyncDispose]()
    }
  },
)
