/**
 * Compares a line (the sorted set of delayed jobs, and the list with its entries of removed jobs) with a
 * model that knows only priority, place and id. Each step has its own millisecond, and jobs become due
 * between the steps.
 */
import { expect, inject, test } from 'vitest'
import type { NewJob, State } from '../../src/model/record.ts'
import { type Change, isSuspect, MAX_CRASHES } from '../../src/store/contract/store.ts'
import { type Caller, LEASE } from '../conformance/caller.ts'
import { Harness } from '../conformance/harness.ts'
import { completed, failed, ids, job, jobs, retried, unstarted } from '../conformance/jobs.ts'
import { redisPlace } from './place.ts'

const make = () => Harness.make(redisPlace(inject('redisUrl')))

interface Modelled {
  id: string
  priority: number
  /** The time at which the job was queued or becomes due. */
  place: number
  state: 'line' | Exclude<State, 'waiting' | 'delayed' | 'blocked'>
  leaseEnds: number
  crashes: number
  /**
   * Whether the job is a suspect whose worker has not reported yet that the job runs alone. This job counts
   * as not started.
   */
  isUnstarted?: boolean
}

class Model {
  readonly jobs = new Map<string, Modelled>()
  now = 0

  line(due: boolean): string[] {
    const found = [...this.jobs.values()].filter(
      (one) => one.state === 'line' && one.place <= this.now === due,
    )
    if (!due) found.sort((a, b) => a.place - b.place || b.priority - a.priority || (a.id < b.id ? -1 : 1))
    else found.sort((a, b) => b.priority - a.priority || a.place - b.place || (a.id < b.id ? -1 : 1))
    return ids(found)
  }

  in(state: Modelled['state']): Modelled[] {
    return [...this.jobs.values()].filter((one) => one.state === state)
  }
}

/** A small generator (mulberry32). The seed is in the name of the test. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

test.each([1, 2, 3, 4, 5, 6])('400 random steps agree with the model, seed %i', async (seed) => {
  await using harness = await make()
  const { store, clock } = harness
  const below = random(seed)
  const model = new Model()
  const caller = harness.caller()
  const tokens = new Map<string, string>()
  /** A delay that is not a multiple of 10, because all steps are multiples of 10. */
  const delay = () => 10 * below(30) + 1 + below(9)

  function pick(): Modelled | undefined {
    const all = [...model.jobs.values()]
    return all.length > 0 ? all[below(all.length)] : undefined
  }

  const steps: (() => Promise<void>)[] = [
    async function enqueue() {
      const list: NewJob[] = jobs(1 + below(6)).map((given) => {
        const priority = below(3) === 0 ? below(5) - 2 : 0
        return { ...given, priority, ...(below(3) === 0 && { delay: delay() }) }
      })
      await caller.enqueue(...list)
      for (const { id, priority = 0, delay: after = 0 } of list) {
        const place = clock.now + after
        model.jobs.set(id, { id, priority, place, state: 'line', leaseEnds: 0, crashes: 0 })
      }
    },
    async function claim() {
      const limit = 1 + below(8)
      const expected = model.line(true).slice(0, limit)
      const claimed = await caller.claim(limit)
      expect(ids(claimed)).toEqual(expected)
      for (const { id, token } of claimed) {
        tokens.set(id, token)
        const one = model.jobs.get(id)!
        Object.assign(one, { state: 'active', leaseEnds: clock.now + LEASE, isUnstarted: isSuspect(one) })
      }
    },
    async function start() {
      const suspects = model.in('active').filter((one) => one.isUnstarted)
      const notes = suspects.slice(0, 2).map(({ id }) => ({ id, token: tokens.get(id)!, alone: true }))
      if (notes.length > 0) await store.extend('emails', 'ada', notes, LEASE)
      for (const one of suspects.slice(0, 2))
        Object.assign(one, { isUnstarted: false, leaseEnds: clock.now + LEASE })
    },
    async function settle() {
      for (const one of model.in('active').slice(0, 1 + below(3))) {
        const after = delay()
        const outcomes = [
          completed,
          failed,
          unstarted,
          retried(after),
          { kind: 'released', in: after } as const,
        ]
        const outcome = outcomes[below(outcomes.length)]!
        expect(await caller.settle({ id: one.id, token: tokens.get(one.id)! }, outcome)).toBe('settled')
        if (outcome === completed || outcome === failed) one.state = outcome.kind as 'completed' | 'failed'
        else one.state = 'line'
        if (outcome.kind === 'released' || outcome.kind === 'failed') one.place = clock.now + after
      }
    },
    async function alter() {
      const one = pick()
      if (!one) return
      const after = delay()
      const changes: Change[] = [
        { kind: 'cancel', reason: 'user' },
        { kind: 'retry' },
        { kind: 'remove' },
        { kind: 'purge' },
        { kind: 'run-now' },
        { kind: 'reschedule', in: after },
        { kind: 'prioritize', priority: [-3, 0, 3][below(3)]! },
        { kind: 'cancel', reason: 'user' },
      ]
      const change = changes[below(changes.length)]!
      if (one.state === 'active' && change.kind === 'cancel') return
      const [verdict] = await store.alter('emails', [one.id], change)
      const inLine = one.state === 'line'
      const allowed = {
        cancel: inLine,
        retry: !inLine && one.state !== 'active',
        remove: one.state !== 'active',
        purge: one.state !== 'active',
        unpin: one.state === 'failed',
        'run-now': inLine && one.place > clock.now,
        reschedule: inLine,
        prioritize: inLine,
        edit: false,
        'add-tags': false,
        'remove-tags': false,
        report: false,
      }[change.kind]
      expect(verdict, `${change.kind} of ${one.state}`).toBe(allowed ? 'done' : 'refused')
      if (!allowed) return
      if (change.kind === 'remove' || change.kind === 'purge') model.jobs.delete(one.id)
      else if (change.kind === 'cancel') one.state = 'cancelled'
      else if (change.kind === 'prioritize') one.priority = change.priority
      else {
        Object.assign(one, { place: clock.now + (change.kind === 'reschedule' ? after : 0), state: 'line' })
        if (change.kind === 'retry') one.crashes = 0
      }
    },
    async function queueAgain() {
      const id = ids([...model.jobs.values()]).at(-1)
      if (id === undefined || (await store.alter('emails', [id], { kind: 'remove' }))[0] !== 'done') return
      const priority = model.jobs.get(id)!.priority
      expect(await caller.enqueue(job({ id, priority }))).toEqual(['queued'])
      model.jobs.set(id, { id, priority, place: clock.now, state: 'line', leaseEnds: 0, crashes: 0 })
    },
    async function recover() {
      if (below(4) === 0) clock.now += LEASE
      const dead = model.in('active').filter((one) => one.leaseEnds <= clock.now)
      const { recovered, failed: gone } = await store.recover('emails', { fromWithin: true })
      for (const one of dead) {
        if (!one.isUnstarted) one.crashes += 1
        one.state = !one.isUnstarted && one.crashes === MAX_CRASHES ? 'failed' : 'line'
      }
      expect(recovered.sort()).toEqual(ids(dead.filter((one) => one.state === 'line')).sort())
      expect(gone.sort()).toEqual(ids(dead.filter((one) => one.state === 'failed')).sort())
    },
  ]

  for (let step = 0; step < 400; step += 1) {
    clock.advance(10)
    model.now = clock.now
    await steps[below(steps.length)]!()
    model.now = clock.now
    const counts = {
      waiting: model.line(true).length,
      delayed: model.line(false).length,
      active: model.in('active').length,
      completed: model.in('completed').length,
      failed: model.in('failed').length,
      cancelled: model.in('cancelled').length,
      blocked: 0,
    }
    expect(await store.counts('emails'), `after step ${step}`).toEqual(counts)
    if (step % 20 === 0) {
      for (const state of ['waiting', 'delayed'] as const) {
        expect(await listAll(harness, state, 1 + below(9)), `${state} after step ${step}`).toEqual(
          model.line(state === 'waiting'),
        )
      }
      const { nextDue } = await caller.exchange([], { limit: 0, leaseMs: LEASE })
      const next = model.jobs.get(model.line(false)[0] ?? '')
      expect(nextDue).toBe(counts.waiting > 0 ? 0 : next && next.place - clock.now)
    }
  }
  await drain(caller, model.line(true))
})

async function listAll(harness: Harness, state: State, limit: number): Promise<string[]> {
  const found: string[] = []
  let cursor: string | undefined
  do {
    const page = await harness.store.list('emails', { state, limit, ...(cursor !== undefined && { cursor }) })
    found.push(...ids(page.jobs))
    cursor = page.cursor
  } while (cursor !== undefined)
  return found
}

async function drain(caller: Caller, expected: string[]): Promise<void> {
  expect(ids(await caller.claim(1_000))).toEqual(expected)
}

test('a line whose waiting jobs were all cancelled is empty, for claim, counts, list, clear and nextDue', async () => {
  await using harness = await make()
  const { store } = harness
  const caller = harness.caller()
  const list = jobs(500)
  await caller.enqueue(...list)
  await store.alter('emails', ids(list), { kind: 'cancel', reason: 'user' })
  expect(await store.counts('emails')).toMatchObject({ waiting: 0, cancelled: 500 })
  expect((await store.list('emails', { state: 'waiting' })).jobs).toEqual([])
  const { nextDue } = await caller.exchange([], { limit: 0, leaseMs: LEASE })
  expect(nextDue).toBeUndefined()
  const last = job()
  await caller.enqueue(last)
  expect(await store.clear('emails', 'waiting')).toBe(1)
  expect(await caller.claim(1)).toEqual([])
})

test('a claim finds the job behind entries of jobs that no longer wait', async () => {
  await using harness = await make()
  const caller = harness.caller()
  const list = jobs(30)
  await caller.enqueue(...list)
  const dropped = list.filter((_, i) => i < 5 || i % 2 === 0)
  await harness.store.alter('emails', ids(dropped), { kind: 'remove' })
  const left = ids(list.filter((one) => !dropped.includes(one)))
  expect(ids(await caller.claim(1))).toEqual(left.slice(0, 1))
  expect(ids(await caller.claim(50))).toEqual(left.slice(1))
})

test('after a claim that has only removed entries of jobs that no longer wait, the caller asks again at once and finds the next job', async () => {
  await using harness = await make()
  const web = harness.caller('web')
  for (let batch = 0; batch < 13; batch++) {
    const gone = jobs(1_000)
    await web.enqueue(...gone)
    await harness.store.alter('emails', ids(gone), { kind: 'cancel', reason: 'user' })
  }
  const left = job()
  await web.enqueue(left)
  const want = { limit: 10, ahead: 0, leaseMs: LEASE }
  const first = await harness.caller().exchange([], want)
  expect(first).toEqual({ verdicts: [], jobs: [], nextDue: 1 })
  expect(await harness.caller().exchange([], want)).toMatchObject({ jobs: [{ id: left.id }] })
})
