import { setTimeout as pause } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { JobsError } from '../../src/model/errors.ts'
import type { WorkerRecord } from '../../src/model/record.ts'
import type { Recovery } from '../../src/store/contract/store.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Maintenance } from '../../src/worker/maintenance/maintenance.ts'
import { StoreClock } from '../../src/worker/maintenance/store-clock.ts'
import { Harness } from '../conformance/harness.ts'
import { job } from '../conformance/jobs.ts'

const LEASE = 300
const HOUR = 3_600_000
/** Milliseconds. If a call to the store takes longer, this counts as an outage. */
const OUTAGE = 1_100

/**
 * Makes a job whose lease has ended, and the maintenance that takes the job back. @param late the only verb
 * that has an outage
 */
async function outlived(
  late?: 'survey' | 'partitions' | 'prune' | 'renew',
  leaseMs = LEASE,
  howOften: 'once' | 'always' = 'once',
  finds?: Recovery,
) {
  const harness = await Harness.make(async () => ({
    handle: (options) => new SqliteStore(':memory:', options),
    remove: async () => {},
  }))
  const caller = harness.caller('ada', 'emails')
  const { store } = harness
  const wait = () => pause(OUTAGE)
  if (late === 'prune') {
    await caller.run(job(), { kind: 'completed' })
    harness.clock.advance(HOUR)
    vi.spyOn(store, 'prune').mockImplementationOnce(() => wait().then(() => 0))
  }
  await caller.enqueue(job())
  // The clock must not jump, because a jump would count as a silence of the store.
  const held = await caller.claimOne(1)
  const leaseEnds = () => harness.clock.advance(1)
  // Pruning comes last in a round. If the lease ended before, the same round would take the job back.
  if (late !== 'prune') leaseEnds()
  if (late === 'survey') {
    const survey = store.survey.bind(store)
    vi.spyOn(store, 'survey').mockImplementationOnce(async (...args) => {
      const answer = await survey(...args)
      await wait()
      return answer
    })
  }
  if (late === 'partitions') vi.spyOn(store, 'partitions').mockImplementationOnce(() => wait().then(() => []))
  let isFirst = true
  const renew = async () => {
    if (late === 'renew' && isFirst) await wait()
    if (howOften === 'once') isFirst = false
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
  if (finds !== undefined) vi.spyOn(store, 'recover').mockResolvedValueOnce(finds)
  const warnings: string[] = []
  const report = { wrote() {}, ended() {}, warn: (text: string) => void warnings.push(text), info() {} }
  const met = vi.fn()
  const trouble = { met, answered() {}, passed() {} }
  const dice = vi.spyOn(Math, 'random').mockReturnValue(late === 'prune' ? 0 : 0.5)
  const maintenance = new Maintenance({
    ticked() {},
    clock: new StoreClock(),
    rests: () => false,
    foreseen() {},
    recovered() {},
    owes() {},
    ordered() {},
    store,
    caller: record().id,
    partitions: ['emails'],
    met() {},
    leaseMs,
    record,
    report,
    renew,
    trouble,
  })
  await maintenance.start()
  dice.mockRestore()
  if (late === 'prune') {
    await vi.waitFor(() => expect(maintenance.isAfterOutage).toBe(true), 5_000)
    leaseEnds()
  }
  expect(met).not.toHaveBeenCalled()
  return { harness, maintenance, held, warnings }
}

/**
 * Expects that living workers first have time to renew their leases, and that the job is then taken back with
 * this number of crashes.
 */
async function goesBack(crashes: number, late?: Parameters<typeof outlived>[0]): Promise<void> {
  const { harness, maintenance, held } = await outlived(late)
  try {
    expect(maintenance.isAfterOutage).toBe(late !== undefined)
    expect(await harness.store.get('emails', held.id)).toMatchObject({ state: 'active' })
    await vi.waitFor(
      async () =>
        expect(await harness.store.get('emails', held.id)).toMatchObject({ state: 'waiting', crashes }),
      5_000,
    )
    expect(maintenance.isAfterOutage).toBe(false)
  } finally {
    await maintenance.stop()
    await harness[Symbol.asyncDispose]()
  }
}

test.each<[Recovery, string[]]>([
  [{ recovered: ['one'], failed: [] }, ['Took 1 job back from a worker that died (emails): one']],
  [
    { recovered: ['one', 'two'], failed: [], doubted: ['two'] },
    [
      'Took 1 job back from a worker that died (emails): one',
      'Took 1 job back after a silence of the store, which may have finished (emails): two',
    ],
  ],
  [
    { recovered: ['one', 'two'], failed: ['three'], doubted: ['one', 'two'] },
    [
      'Took 2 jobs back after a silence of the store, which may have finished (emails): one, two',
      'Failed 1 job at the limit of crashes (emails): three',
    ],
  ],
])('says which jobs it takes back, and why: %j', async (finds, said) => {
  const { harness, maintenance, warnings } = await outlived(undefined, LEASE, 'once', finds)
  await vi.waitFor(() => expect(warnings.length).toBeGreaterThanOrEqual(said.length), 10_000)
  expect(warnings.slice(0, said.length)).toEqual(said)
  await maintenance.stop()
  await harness[Symbol.asyncDispose]()
})

test('a job whose lease has ended is taken back after living workers have had time to renew their leases, and a crash is counted', () =>
  goesBack(1))

test.each(['survey', 'partitions', 'prune', 'renew'] as const)(
  'after an outage of the verb %s only, living workers have one lease of time to renew, and no crash is counted',
  (late) => goesBack(0, late),
)

test('another outage in this time gives living workers the time of another lease', async () => {
  const lease = 1_200
  const { harness, maintenance, held } = await outlived('survey', lease)
  try {
    // The error of a server that loads its data, or that is a replica for some time.
    const away = new JobsError('STORE_REFUSED', 'LOADING Redis is loading the dataset in memory')
    const asked = vi.spyOn(harness.store, 'survey').mockRejectedValueOnce(away)
    await vi.waitFor(() => expect(asked).toHaveBeenCalled(), lease)
    const met = performance.now()
    await vi.waitFor(
      async () =>
        expect(await harness.store.get('emails', held.id)).toMatchObject({ state: 'waiting', crashes: 0 }),
      5_000,
    )
    expect(performance.now() - met).toBeGreaterThanOrEqual(lease)
  } finally {
    await maintenance.stop()
    await harness[Symbol.asyncDispose]()
  }
})

/**
 * From now on, the store is late with each call of this verb, also by its own clock: the answer of `survey`
 * comes late, and `recover` runs late.
 */
function isLateWith(verb: 'survey' | 'recover', { clock, store }: Harness): void {
  const wait = async () => {
    await pause(OUTAGE)
    clock.advance(OUTAGE)
  }
  const [survey, recover] = [store.survey.bind(store), store.recover.bind(store)]
  if (verb === 'survey')
    vi.spyOn(store, verb).mockImplementation(async (...args) => {
      const answer = await survey(...args)
      await wait()
      return answer
    })
  else vi.spyOn(store, verb).mockImplementation((...args) => wait().then(() => recover(...args)))
}

test.each(['survey', 'recover'] as const)(
  'jobs are taken back although the store is late with each %s, and no crash is counted',
  async (verb) => {
    const { harness, maintenance, held } = await outlived()
    try {
      isLateWith(verb, harness)
      await vi.waitFor(
        async () =>
          expect(await harness.store.get('emails', held.id)).toMatchObject({ state: 'waiting', crashes: 0 }),
        30_000,
      )
    } finally {
      await maintenance.stop()
      await harness[Symbol.asyncDispose]()
    }
  },
)

test('late answers to other calls do not prevent maintenance', async () => {
  const { harness, maintenance, held } = await outlived('renew', 1_200, 'always')
  try {
    await vi.waitFor(
      async () =>
        expect(await harness.store.get('emails', held.id)).toMatchObject({ state: 'waiting', crashes: 0 }),
      30_000,
    )
  } finally {
    await maintenance.stop()
    await harness[Symbol.asyncDispose]()
  }
})

test('a store that is late again and again does not count as away for ever', async () => {
  const { harness, maintenance } = await outlived('renew', 2_400, 'always')
  try {
    expect(maintenance.isAfterOutage).toBe(true)
    await vi.waitFor(() => expect(maintenance.isAfterOutage).toBe(false), 30_000)
  } finally {
    await maintenance.stop()
    await harness[Symbol.asyncDispose]()
  }
})

test('while one part of the store cannot be reached, jobs of dead workers in another part are taken back, and a crash counts', async () => {
  const { harness, maintenance } = await outlived()
  const { store } = harness
  try {
    const survey = store.survey.bind(store)
    let failed = 0
    // The store behaves like a cluster with a node that does not answer.
    vi.spyOn(store, 'survey').mockImplementation(async (caller, asked, announced) => {
      const there = asked.filter(({ partition }) => partition !== 'lost')
      if (there.length === asked.length) return survey(caller, asked, announced)
      await pause(OUTAGE)
      failed++
      const error = new JobsError('STORE_UNREACHABLE', 'A node does not answer')
      if (there.length === 0) throw error
      const answer = await survey(caller, there, announced)
      return { ...answer, failures: new Map([...answer.failures, ['lost', error]]) }
    })
    await harness.caller('web', 'lost').enqueue(job())
    await vi.waitFor(() => expect(failed).toBeGreaterThan(1), 15_000)
    const dead = harness.caller('dead', 'emails')
    await dead.enqueue(job())
    const held = await dead.claimOne(1)
    harness.clock.advance(1)
    await vi.waitFor(
      async () => expect(await store.get('emails', held.id)).toMatchObject({ state: 'waiting', crashes: 1 }),
      5_000,
    )
  } finally {
    await maintenance.stop()
    await harness[Symbol.asyncDispose]()
  }
})
