/**
 * The clock of the machine is set back. The change of the clock must not affect leases, delays and permits,
 * neither in running processes nor in processes that start later.
 */
import { expect, onTestFinished, test, vi } from 'vitest'
import { Clock } from '../../src/store/sqlite/clock.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Caller, LEASE } from '../conformance/caller.ts'
import { ids, job, jobs } from '../conformance/jobs.ts'
import { Child } from './child.ts'
import { Folder, options } from './folder.ts'

const HOUR = 3_600_000

/** A machine whose clock a test can set, and the processes on it. */
function machine(file: string) {
  const clock = { now: 1_700_000_000_000 }
  const open = async () => {
    const store = new SqliteStore(file, { ...options, clock: () => clock.now })
    await store.open()
    return store
  }
  return { clock, open }
}

test('after the clock was set back, the clock of the store goes a little slower until both clocks agree', () => {
  const machine = { now: 100_000 }
  const clock = new Clock(
    () => machine.now,
    () => machine.now,
  )
  const told = [clock.now()]
  machine.now -= 1_600
  told.push(clock.now())
  for (const step of [160, 1_600, 14_240, 16_000, 1]) {
    machine.now += step
    told.push(clock.now())
  }
  expect(told.map((at) => at - 100_000)).toEqual([0, 0, 150, 1_650, 15_000, 30_400, 30_401])
})

test('if the clock is set back an hour and then corrected, no time has passed for the store', () => {
  const machine = { now: 1_700_000_000_000, steady: 500 }
  const clock = new Clock(
    () => machine.now,
    () => machine.steady,
  )
  const start = clock.now()
  const pass = (ms: number, set = 0) => {
    machine.now += ms + set
    machine.steady += ms
    return clock.now() - start
  }
  expect([pass(0, -HOUR), pass(1_600), pass(1_600, HOUR), pass(1_000)]).toEqual([0, 1_500, 3_200, 4_200])
})

test('if the clock is set back an hour and then corrected, a lease that was renewed has not ended', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  await new Caller(store, 'web', 'emails').enqueue(...jobs(2))
  await new Caller(store, 'ada', 'emails').claim(2)
  const date = vi.spyOn(Date, 'now')
  onTestFinished(() => date.mockRestore())
  const machine = Date.now()
  date.mockReturnValue(machine - HOUR)
  await store.now()
  date.mockReturnValue(machine + 1)
  expect((await store.recover('emails')).recovered).toEqual([])
})

test('the clock returns whole milliseconds that never go back, whatever happens to the machine', () => {
  const machine = { now: 1_000_000, steady: 0 }
  const clock = new Clock(
    () => machine.now,
    () => machine.steady,
  )
  let last = 0
  for (let step = 1; step < 5_000; step += 1) {
    machine.now += step % 97 === 0 ? -((step * 7_919) % 50_000) : (step * 31) % 40
    machine.steady += (step * 13) % 40
    if (step % 501 === 0) clock.meet(last + 1_234)
    const now = clock.now()
    expect(Number.isInteger(now)).toBe(true)
    expect(now).toBeGreaterThanOrEqual(Math.max(last, machine.now))
    last = now
  }
})

test.each(['lives on', 'starts afterwards'])(
  'if the clock is set back an hour, a process that %s takes back the jobs of a dead process when their lease ends',
  async (when) => {
    await using folder = await Folder.make()
    const { clock, open } = machine(folder.file)
    await using dead = await open()
    await new Caller(dead, 'web', 'emails').enqueue(...jobs(2))
    const held = await new Caller(dead, 'ada', 'emails').claim(2)
    const before = when === 'lives on' ? await open() : undefined
    clock.now += 1_000
    await before?.counts('emails')
    clock.now -= HOUR
    await using bob = before ?? (await open())
    await bob.now()
    clock.now += LEASE - 2_000
    expect((await bob.recover('emails')).recovered).toEqual([])
    // The clock of the store is slower by a sixteenth, and this process does not know the time before its
    // start.
    clock.now += LEASE / 8 + 3_000
    expect((await bob.recover('emails')).recovered).toEqual(ids(held))
  },
)

test('if the clock is set back an hour, delayed jobs, permits and living workers are not affected', async () => {
  await using folder = await Folder.make()
  const { clock, open } = machine(folder.file)
  await using store = await open()
  const web = new Caller(store, 'web', 'emails')
  await web.enqueue(job({ delay: 60_000 }))
  const call = { number: 1, limits: { concurrency: 1 }, held: 0, wanted: 1, leaseMs: LEASE }
  expect(await store.limiters.permit('api', { ...call, holder: 'ada' })).toMatchObject({ granted: 1 })
  clock.now -= HOUR
  await store.now()
  await using late = await open()
  expect(await late.limiters.permit('api', { ...call, holder: 'bob' })).toMatchObject({ granted: 0 })
  clock.now += LEASE + LEASE / 8
  expect(await late.limiters.permit('api', { ...call, holder: 'bob', number: 2 })).toMatchObject({
    granted: 1,
  })
  clock.now += 60_000
  expect(await late.counts('emails')).toMatchObject({ waiting: 1, delayed: 0 })
  expect(await store.counts('emails')).toMatchObject({ waiting: 1, delayed: 0 })
})

test('processes whose clock is an hour late take back the jobs of a killed process after its lease', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  await new Caller(store, 'web', 'emails').enqueue(...jobs(3))
  await using killed = new Child('grab', folder.file, 'ada')
  const held = await killed.message<string[]>()
  expect(held).toHaveLength(3)
  await killed.kill()
  await using late = new Child('take-back', folder.file, 'bob', { clock: -HOUR })
  expect(await late.message<string[]>()).toEqual(held)
})
