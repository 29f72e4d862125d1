/**
 * Effects: what must happen elsewhere because a job ended. The tests show which ends write effects, that
 * retention keeps effects, how effects are handed out and acknowledged, and that flows count each member once
 * although workers die and replies are lost. (`rollbacks.ts` tests servers that lose acknowledged writes.)
 */
import { expect, test } from 'vitest'
import { type Effect, memberId, nameOf } from '../../src/model/effect.ts'
import type { JobRecord, NewJob, Outcome } from '../../src/model/record.ts'
import {
  endOf,
  MAX_BYTES,
  MAX_CRASHES,
  MAX_HOOKS,
  MAX_ITEMS,
  MEMBER_LEASE_MS,
  type MemberEnd,
  NODES,
  RESEND_MEMORY,
  type Store,
  type StoreOptions,
} from '../../src/store/contract/store.ts'
import { type Caller, LEASE } from './caller.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, ids, job, jobError, jobs, line, retried, settlement, unstarted } from './jobs.ts'

/** Milliseconds of the real clock. A notification of the store arrives within this time. */
const PATIENCE = 10_000
export const cancel = { kind: 'cancel', reason: 'user' } as const
const none = { count: 0, age: 0 }
export const forgetful: Partial<StoreOptions> = {
  retention: { completed: none, failed: none, cancelled: none },
}

/** Acknowledges effects and takes further effects, without taking jobs back. */
export async function take(store: Store, done: readonly Effect[] = [], leaseMs = LEASE): Promise<Effect[]> {
  const { effects = [] } = await store.recover('emails', {
    until: 0,
    effects: { leaseMs, done: done.map(nameOf) },
  })
  return effects
}

/** Takes the jobs whose end must be reported to a hook of their class. */
export async function takeHooks(store: Store): Promise<JobRecord[]> {
  return (await take(store)).flatMap((effect) => (effect.kind === 'hook' ? effect.job : []))
}

/** Makes a job fail because it crashed too often. */
async function crash(harness: Harness, caller: Caller): Promise<void> {
  for (let i = 0; i < MAX_CRASHES; i++) {
    await caller.claimAlone()
    harness.clock.now += LEASE + 1
    await harness.store.recover('emails', { fromWithin: true })
  }
}

async function crashed(harness: Harness): Promise<NewJob> {
  const given = job({ hooked: true })
  await harness.caller().enqueue(given)
  await crash(harness, harness.caller())
  return given
}

const both = ['hook', 'member'] as const
const untold: Outcome = { kind: 'failed', error: jobError(), untold: true }

interface End {
  state: 'completed' | 'failed' | 'cancelled'
  reason?: string
  kinds: readonly ('hook' | 'member')[]
  /** Ends the only job. */
  by: (harness: Harness, caller: Caller, id: string) => Promise<unknown>
}

/** Settles the job together with the other jobs of its claim. */
const settles = (outcome: Outcome, more = 0) => {
  return async (_: Harness, caller: Caller) => {
    await caller.enqueue(...jobs(more))
    const claim = await caller.claim(1 + more)
    const all = claim.map((held, i) => settlement(held, i === 0 ? outcome : completed))
    await caller.exchange(all, { limit: 0, leaseMs: LEASE })
  }
}

/**
 * Every way in which a job ends, and the effects that this end writes if the job is a member of a flow and
 * its class has a hook.
 */
export const ends: Record<string, End> = {
  completed: { state: 'completed', kinds: ['member'], by: settles(completed) },
  'completed with others': { state: 'completed', kinds: ['member'], by: settles(completed, 3) },
  'completed with a result': {
    state: 'completed',
    kinds: ['member'],
    by: settles({ kind: 'completed', result: '{"n":1}', log: [line('x')] }),
  },
  failed: { state: 'failed', kinds: ['member'], by: settles(failed) },
  'failed untold': { state: 'failed', kinds: both, by: settles(untold, 1) },
  'cancelled by its handler': {
    state: 'cancelled',
    reason: 'user',
    kinds: ['member'],
    by: settles({ kind: 'cancelled', reason: 'user' }),
  },
  expired: {
    state: 'cancelled',
    reason: 'expired',
    kinds: ['member'],
    by: settles({ kind: 'cancelled', reason: 'expired' }),
  },
  'crashed too often': { state: 'failed', kinds: both, by: crash },
  'asked, and to be retried': {
    state: 'cancelled',
    reason: 'user',
    kinds: both,
    by: async ({ store }, caller, id) => {
      const held = await caller.claimOne()
      await store.alter('emails', [id], cancel)
      await caller.settle(held, retried(10))
    },
  },
  'asked, and given back': {
    state: 'cancelled',
    reason: 'user',
    kinds: both,
    by: async ({ store }, caller, id) => {
      const held = await caller.claimOne()
      await store.alter('emails', [id], cancel)
      await caller.settle(held, unstarted)
    },
  },
  'asked, and its worker died': {
    state: 'cancelled',
    reason: 'user',
    kinds: both,
    by: async ({ store, clock }, caller, id) => {
      await caller.claimOne()
      await store.alter('emails', [id], cancel)
      clock.now += LEASE
      await store.recover('emails')
    },
  },
  'cancelled by hand': {
    state: 'cancelled',
    reason: 'user',
    kinds: both,
    by: ({ store }, _, id) => store.alter('emails', [id], cancel),
  },
  dropped: {
    state: 'cancelled',
    reason: 'dropped',
    kinds: both,
    by: async ({ store }, caller) => {
      const call = { ...caller.next(), bound: { max: 1, full: 'drop-oldest' as const } }
      await store.enqueue('emails', call, [job()])
    },
  },
  'removed by hand': {
    state: 'cancelled',
    reason: 'removed',
    kinds: ['member'],
    by: ({ store }, _, id) => store.alter('emails', [id], { kind: 'remove' }),
  },
  cleared: {
    state: 'cancelled',
    reason: 'removed',
    kinds: ['member'],
    by: ({ store }) => store.clear('emails', 'waiting'),
  },
}

export function effects(make: Make): void {
  test('a hook is handed out with the record of its job, for a job that crashed too often and for a job that was cancelled while it waited', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const dead = await crashed(harness)
    clock.now += 1
    const given = job({ hooked: true, delay: 1_000, payload: '7' })
    await harness.caller('web').enqueue(given)
    await store.alter('emails', [given.id], cancel)
    expect((await store.recover('emails')).nextEffect).toBe(0)
    const found = await takeHooks(store)
    expect(found).toMatchObject([
      {
        id: dead.id,
        state: 'failed',
        crashes: MAX_CRASHES,
        errors: [{ run: 1 }, { run: 2 }, { run: 3, code: 'WORKER_DIED' }],
      },
      { id: given.id, state: 'cancelled', reason: 'user', payload: '7' },
    ])
    for (const { id } of found)
      expect(await store.get('emails', id)).toEqual(found.find((each) => each.id === id))
  })

  test('a job that failed without a handler is a failed job like any other, and its hook is called', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const [given, plain] = [job({ hooked: true }), job()]
    await caller.enqueue(given, plain)
    const error = jobError({ code: 'JOB_TIMED_OUT', message: '!|{}' })
    for (const held of await caller.claim(2))
      expect(await caller.settle(held, { ...untold, error, log: [line('x')] } as Outcome)).toBe('settled')
    expect(await store.get('emails', plain.id)).toMatchObject({
      state: 'failed',
      failures: 1,
      errors: [error],
    })
    const found = await take(store)
    expect(found).toEqual([{ kind: 'hook', job: await store.get('emails', given.id) }])
    expect(found).toMatchObject([{ job: { state: 'failed', runs: 1, failures: 1, errors: [error] } }])
    expect(await store.minutes('emails')).toMatchObject([{ failed: 2 }])
    expect(await take(store, found)).toEqual([])
  })

  test('no hook is handed out for a job whose handler ended, and no effect for a plain job', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.enqueue(...jobs(3, { hooked: true }))
    await caller.settle(await caller.claimOne(), completed)
    await caller.settle(await caller.claimOne(), failed)
    await caller.settle(await caller.claimOne(), { kind: 'cancelled', reason: 'user' })
    const plain = job()
    await caller.enqueue(plain)
    await store.alter('emails', [plain.id], cancel)
    expect(await store.recover('emails', { effects: { leaseMs: LEASE } })).toEqual({
      recovered: [],
      failed: [],
    })
  })

  test('an effect is handed out again after each lease, until it is acknowledged', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const { id } = await crashed(harness)
    const first = await take(store, [], 1_000)
    expect(first).toMatchObject([{ kind: 'hook', job: { id } }])
    expect(await take(store, [], 1_000)).toEqual([])
    clock.now += 999
    expect(await store.recover('emails')).toMatchObject({ nextEffect: 1 })
    expect(await take(store, [], 1_000)).toEqual([])
    clock.now += 1
    expect(await take(store, [], 1_000)).toEqual(first)
    expect(await take(store, first, 1_000)).toEqual([])
    clock.now += 1_000
    expect(await take(store, [], 1_000)).toEqual([])
    expect(await store.recover('emails')).not.toHaveProperty('nextEffect')
    expect(await store.get('emails', id)).toMatchObject({ state: 'failed' })
  })

  test('a call with a lease of 0 acknowledges effects, and takes no effects', async () => {
    await using harness = await make()
    const { store } = harness
    const [id] = members(1)
    await harness.caller().run(job({ id: id! }), completed)
    const first = await take(store)
    await crashed(harness)
    expect(first).toHaveLength(1)
    expect(await take(store, first, 0)).toEqual([])
    expect(await store.recover('emails')).toMatchObject({ nextEffect: 0 })
    harness.clock.now += MEMBER_LEASE_MS
    expect(await take(store)).toMatchObject([{ kind: 'hook' }])
  })

  test('a retry withdraws the effects of the job, and a late acknowledgement does not count for its next end', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const { id } = await crashed(harness)
    const first = await take(store)
    await store.alter('emails', [id], { kind: 'retry' })
    clock.now += LEASE
    expect(await take(store)).toEqual([])
    await store.alter('emails', [id], cancel)
    expect(await take(store, first)).toMatchObject([{ kind: 'hook', job: { id, state: 'cancelled' } }])
  })

  test('if a person undoes a retry, hooks that were not called yet are handed out again', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller('web')
    const [given, dead] = [job({ hooked: true, delay: 1_000 }), await crashed(harness)]
    await caller.enqueue(given)
    await store.alter('emails', [given.id], cancel)
    const all = [dead.id, given.id]
    const records = (await Promise.all(all.map((id) => store.get('emails', id)))) as JobRecord[]
    await store.alter('emails', all, { kind: 'retry' })
    clock.now += LEASE
    expect(await take(store)).toEqual([])
    expect(await store.undo('emails', records)).toEqual(['done', 'done'])
    expect(new Set((await takeHooks(store)).map(({ id, state }) => `${id} ${state}`))).toEqual(
      new Set([`${dead.id} failed`, `${given.id} cancelled`]),
    )
  })

  test('if a person undoes a cancel, hooks that were not called yet are withdrawn', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller('web')
    const given = job({ hooked: true })
    await caller.enqueue(given)
    const before = (await store.get('emails', given.id))!
    await store.alter('emails', [given.id], cancel)
    expect(await store.undo('emails', [before])).toEqual(['done'])
    expect(await take(store)).toEqual([])
    await store.alter('emails', [given.id], cancel)
    expect(await take(store)).toMatchObject([{ kind: 'hook', job: { id: given.id, state: 'cancelled' } }])
  })

  test('if a job is removed before its hook is called, the job is hidden, its id cannot be used again, and the hook is called', async () => {
    await using harness = await make()
    const { store } = harness
    const { id } = await crashed(harness)
    expect(await store.alter('emails', [id], { kind: 'remove' })).toEqual(['done'])
    expect(await store.counts('emails')).toMatchObject({ failed: 0 })
    expect(await store.get('emails', id)).toBeUndefined()
    expect(await store.log('emails', id)).toEqual([])
    expect((await store.list('emails', { state: 'failed' })).jobs).toEqual([])
    for (const kind of ['retry', 'remove', 'run-now'] as const)
      expect(await store.alter('emails', [id], { kind })).toEqual(['missing'])
    expect(await harness.caller().enqueue(job({ id }))).toEqual(['exists'])
    const found = await take(store)
    expect(found).toMatchObject([{ kind: 'hook', job: { id, state: 'failed', crashes: MAX_CRASHES } }])
    await take(store, found)
    expect(await harness.caller().enqueue(job({ id }))).toEqual(['queued'])
  })

  test('retention by count and by age does not remove effects', async () => {
    const one = { count: 1, age: 1_000 }
    await using harness = await make({ retention: { completed: one, failed: one, cancelled: one } })
    const { store, clock } = harness
    const given = jobs(3, { hooked: true })
    await harness.caller().enqueue(...given)
    await store.alter('emails', ids(given), cancel)
    expect(await store.counts('emails')).toMatchObject({ cancelled: 1 })
    clock.now += 1_001
    expect(await store.prune('emails')).toBe(1)
    expect(await store.counts('emails')).toMatchObject({ cancelled: 0 })
    const found = await take(store)
    expect(found.map((effect) => effect.job.id).sort()).toEqual(ids(given))
    expect(found[0]).toMatchObject({ job: { state: 'cancelled', reason: 'user', payload: '{"to":"ada"}' } })
    expect(await take(store, found)).toEqual([])
    expect(await harness.caller().enqueue(...given)).toEqual(['queued', 'queued', 'queued'])
  })

  test('one answer has a limited number of hooks, those of the earliest ends first', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const given = jobs(MAX_HOOKS + 5, { hooked: true })
    await harness.caller().enqueue(...given)
    await store.alter('emails', ids(given.slice(5)), cancel)
    clock.now += 1
    await store.alter('emails', ids(given.slice(0, 5)), cancel)
    const first = await take(store)
    expect(first.map(({ job }) => job.id).sort()).toEqual(ids(given.slice(5)))
    expect((await take(store, first)).map(({ job }) => job.id).sort()).toEqual(ids(given.slice(0, 5)))
  })

  test('the effect of an end is in the answer of the exchange that ended the job, but not if the exchange is sent again', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const [id] = members(1)
    await caller.enqueue(job({ id: id! }))
    const settled = [settlement(await caller.claimOne(), completed)]
    const want = { limit: 0, leaseMs: LEASE, effects: { leaseMs: LEASE } }
    const { effects: found = [] } = await caller.exchange(settled, want)
    expect(found).toMatchObject([{ kind: 'member', job: { id, state: 'completed' } }])
    expect(await store.exchange('emails', caller.last(), settled, want)).toEqual({
      verdicts: ['settled'],
      jobs: [],
    })
    const done = found.map(nameOf)
    expect(await caller.exchange([], { ...want, effects: { leaseMs: LEASE, done } })).toEqual({
      verdicts: [],
      jobs: [],
    })
    harness.clock.now += MEMBER_LEASE_MS
    expect(await take(store)).toEqual([])
  })

  test(`one answer has the ends of ${MAX_ITEMS} members of one claim, without payloads`, async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = members(MAX_ITEMS)
    await caller.enqueue(...given.map((id) => job({ id, payload: '1'.repeat(2_000) })))
    const claims = []
    for (let claim = await caller.claim(MAX_ITEMS); claim.length > 0; claim = await caller.claim(MAX_ITEMS))
      claims.push(...claim)
    const settled = claims.map((held) => settlement(held, completed))
    const { effects: found = [] } = await caller.exchange(settled, {
      limit: 0,
      leaseMs: LEASE,
      effects: { leaseMs: LEASE },
    })
    expect(found.map(({ job }) => job.id).sort()).toEqual(given)
    for (const effect of found) expect(effect.job).not.toHaveProperty('payload')
  })

  test('the ends of nodes with large results are handed out in several answers', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const given = nodes(5)
    await caller.enqueue(...given.map((id) => job({ id })))
    const result = JSON.stringify('x'.repeat(MAX_BYTES * 0.4))
    for (const held of await caller.claim(5)) await caller.settle(held, { kind: 'completed', result })
    const all: string[] = []
    let found: Effect[] = []
    for (let call = 0; call < 3; call++) {
      found = await take(store, found)
      expect(found.length).toBeLessThanOrEqual(2)
      for (const { job } of found) expect(job.result === result).toBe(true)
      all.push(...found.map(({ job }) => job.id))
    }
    expect(all.sort()).toEqual(given)
  })

  for (const [name, { state, reason, kinds, by }] of Object.entries(ends)) {
    test.each([
      ['kept', {}],
      ['forgotten at once', forgetful],
    ])(
      `${name}: the effects of this end are applied once, whenever the worker that delivers them dies (jobs are %s)`,
      async (_, options) => {
        await using harness = await make(options)
        const { store, clock } = harness
        await openFlow(store, DEATHS.length)
        for (const [index, death] of DEATHS.entries()) {
          const caller = harness.caller()
          const id = memberId({ flow: 'flow', home: 'home', index })
          await caller.enqueue(job({ id, hooked: true }))
          await by(harness, caller, id)
          await endRest(harness, caller)
          const heard: string[] = []
          for (let deaths = death === 'none' ? 0 : 2; ; deaths -= 1) {
            const found = await take(store)
            expect(found.map(({ kind }) => kind).sort()).toEqual(kinds)
            for (const { job } of found) {
              expect(job).toMatchObject({ id, state })
              expect(job.reason).toBe(reason)
            }
            const isLast = deaths <= 0
            if (isLast || death !== 'before') {
              const { verdicts } = await store.flows.apply('home', endsOf(found))
              heard.push(...verdicts)
            }
            // The reply was lost, so the call is made again.
            if (death === 'after') for (let i = 0; i < 2; i++) expect(await take(store, found)).toEqual([])
            else if (isLast) expect(await take(store, found)).toEqual([])
            clock.now += LEASE
            if (isLast || death === 'after') break
          }
          expect(heard.filter((verdict) => verdict === 'counted')).toHaveLength(1)
          expect(await take(store)).toEqual([])
          expect(await store.flows.missing('home', 'flow', -1, 9)).toHaveLength(DEATHS.length - index - 1)
          clock.now += RESEND_MEMORY
          await store.prune('emails')
          await store.clear('emails', state)
        }
        expect(await store.recover('emails', { effects: { leaseMs: LEASE } })).toEqual({
          recovered: [],
          failed: [],
        })
      },
    )
  }

  test('fates returns whether each job is present, has ended, or is unknown', async () => {
    await using harness = await make(forgetful)
    const { store, clock } = harness
    const caller = harness.caller()
    const [waiting, active, ended, lost] = members(4) as [string, string, string, string]
    const [node] = nodes(1) as [string]
    for (const id of [ended, node]) await caller.run(job({ id }), { kind: 'completed', result: '7' })
    await caller.enqueue(job({ id: active }))
    await caller.claimOne()
    await caller.enqueue(job({ id: waiting }))
    const fates = (...asked: string[]) => store.flows.fates('emails', asked)
    const gone = [
      { kind: 'ended', job: { id: ended, state: 'completed', finishedAt: clock.now } },
      { kind: 'ended', job: { id: node, state: 'completed', result: '7' } },
    ]
    expect(await fates(lost, ended, node, active, waiting)).toMatchObject([
      { kind: 'unknown' },
      ...gone,
      { kind: 'present' },
      { kind: 'present' },
    ])
    await take(store, await take(store))
    clock.now += RESEND_MEMORY - 1
    await store.prune('emails')
    expect(await fates(ended, node)).toMatchObject(gone)
    clock.now += 1
    await store.prune('emails')
    expect(await fates(ended, node)).toEqual([{ kind: 'unknown' }, { kind: 'unknown' }])
    expect(await store.flows.fates('nowhere', [ended])).toEqual([{ kind: 'unknown' }])
    expect(await fates()).toEqual([])
  })

  test('the ends of members of one call can be acknowledged one by one or together, and all other ends are handed out again', async () => {
    await using harness = await make(forgetful)
    const { store, clock } = harness
    const caller = harness.caller()
    await caller.enqueue(...members(5).map((id) => job({ id })))
    const settled = (await caller.claim(5)).map((held, i) => settlement(held, i === 1 ? failed : completed))
    const want = { limit: 0, leaseMs: LEASE, effects: { leaseMs: LEASE } }
    const found = (await caller.exchange(settled, want)).effects ?? []
    const more = found.length < 5 ? await take(store) : []
    const all = [...found, ...more].sort((a, b) => (a.job.id < b.job.id ? -1 : 1))
    expect(all.map(({ job }) => job.id)).toEqual(members(5))
    await take(store, [all[0]!, all[3]!])
    await take(store, [all[4]!])
    // The same acknowledgement may be sent twice.
    await take(store, [all[3]!])
    expect(await take(store)).toEqual([])
    clock.now += MEMBER_LEASE_MS
    const rest = await take(store)
    expect(rest.map(({ job }) => job.id).sort()).toEqual([members(5)[1], members(5)[2]])
    clock.now += RESEND_MEMORY - MEMBER_LEASE_MS - 1
    const kinds = async () => (await store.flows.fates('emails', members(5))).map(({ kind }) => kind)
    expect(await kinds()).toEqual(members(5).map(() => 'ended'))
    clock.now += 1
    await take(store, all)
    await store.prune('emails')
    expect(await kinds()).toEqual(['unknown', 'ended', 'ended', 'unknown', 'unknown'])
    clock.now += RESEND_MEMORY
    await store.prune('emails')
    // The failed member is kept until its flow is removed.
    expect(await kinds()).toEqual(members(5).map((_, i) => (i === 1 ? 'ended' : 'unknown')))
    expect(await store.recover('emails', { effects: { leaseMs: LEASE } })).toEqual({
      recovered: [],
      failed: [],
    })
  })

  test('after a retry of a completed member, its end is not handed out, and the ends of the other members are', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const [first, second, third] = members(3) as [string, string, string]
    await caller.enqueue(...[first, second, third].map((id) => job({ id })))
    const settled = (await caller.claim(3)).map((held) => settlement(held, completed))
    await caller.exchange(settled, { limit: 0, leaseMs: LEASE })
    await store.alter('emails', [second], { kind: 'retry' })
    const found = await take(store)
    expect(found.map(({ job }) => job.id).sort()).toEqual([first, third])
    await take(store, found)
    await store.alter('emails', [second], cancel)
    expect(await take(store, found)).toMatchObject([{ job: { id: second, state: 'cancelled' } }])
    // When a job is erased, its effect is removed, too.
    await caller.run(job({ id: members(4)[3]! }), completed)
    await store.alter('emails', [members(4)[3]!], { kind: 'purge' })
    clock.now += RESEND_MEMORY
    expect(await take(store)).toMatchObject([{ job: { id: second } }])
  })

  test('survey finds acknowledged ends that need not be remembered any longer, and each acknowledgement removes some of them', async () => {
    await using harness = await make(forgetful)
    const { store, clock } = harness
    const caller = harness.caller()
    const isOld = async () => {
      const { findings } = await store.survey('ada', [{ partition: 'emails', prunes: true }])
      return findings[0]?.isOld === true
    }
    const run = async (id: string) => {
      await caller.run(job({ id }), completed)
      await take(store, await take(store))
    }
    const [first, second, third] = members(3) as [string, string, string]
    await run(first)
    await store.prune('emails')
    expect(await isOld()).toBe(false)
    clock.now += RESEND_MEMORY
    expect(await isOld()).toBe(true)
    await run(second)
    expect(await store.flows.fates('emails', [first])).toEqual([{ kind: 'unknown' }])
    clock.now += RESEND_MEMORY
    expect(await isOld()).toBe(true)
    await store.prune('emails')
    expect(await store.flows.fates('emails', [second])).toEqual([{ kind: 'unknown' }])
    // The store no longer remembers the answers of calls either.
    clock.now += 2 * RESEND_MEMORY
    await store.prune('emails')
    await caller.enqueue(job({ id: third }))
  })

  test('large hooks fill at most half of an answer, and the rest is for ends of members', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const [node] = nodes(1) as [string]
    const large = jobs(3, { hooked: true, delay: 1_000, payload: `"${'x'.repeat(MAX_BYTES / 3 - 1_000)}"` })
    for (const each of large) await caller.enqueue(each)
    await store.alter('emails', ids(large), cancel)
    await caller.run(job({ id: node }), { kind: 'completed', result: `"${'y'.repeat(9_000)}"` })
    expect((await take(store)).map(({ kind }) => kind)).toEqual(['hook', 'member'])
    expect((await take(store)).map(({ kind }) => kind)).toEqual(['hook', 'hook'])
  })

  test.each([2 * MAX_ITEMS, 10 * MAX_ITEMS])(
    `${MAX_ITEMS} ends of members are acknowledged although some are named several times, %i names in all`,
    async (count) => {
      await using harness = await make(forgetful)
      const { store } = harness
      const caller = harness.caller()
      await caller.enqueue(...members(MAX_ITEMS).map((id) => job({ id })))
      const settled = (await caller.claim(MAX_ITEMS)).map((held) => settlement(held, completed))
      const want = { limit: 1, leaseMs: LEASE, effects: { leaseMs: LEASE } }
      const { effects: found = [] } = await caller.exchange(settled, want)
      expect(found).toHaveLength(MAX_ITEMS)
      const [given, next] = jobs(2)
      await caller.enqueue(given!, next!)
      const held = await caller.claimOne()
      const names = found.map(nameOf)
      const done = Array.from({ length: count }, (_, i) => names[i % names.length]!)
      const answer = await caller.exchange([settlement(held, completed)], { ...want, effects: { done } })
      expect(answer).toMatchObject({ verdicts: ['settled'], jobs: [{ id: next!.id }] })
      expect(await store.recover('emails')).not.toHaveProperty('nextEffect')
    },
  )

  test('a verb that writes an effect and hands out no effects wakes a waiting worker', async () => {
    await using harness = await make()
    const { store } = harness
    const given = jobs(3, { hooked: true, delay: 1_000 })
    await harness.caller('web').enqueue(...given)
    await harness.caller('ada').claim()
    const waits = store.wait('ada', PATIENCE)
    await store.alter('emails', [given[0]!.id], cancel)
    expect(await waits).toEqual(['emails'])
    // One notification is enough while effects are due.
    await harness.caller('bob').claim()
    await store.alter('emails', [given[1]!.id], cancel)
    expect(await store.wait('bob', 0)).toEqual([])
    await take(store)
    await store.alter('emails', [given[2]!.id], cancel)
    expect(await store.wait('bob', PATIENCE)).toEqual(['emails'])
  })

  test('if no worker waits, a worker that holds jobs in the partition gets a notice', async () => {
    await using harness = await make()
    const { store } = harness
    const given = job({ hooked: true, delay: 1_000 })
    await harness.caller('web').enqueue(given, job())
    await harness.caller('ada').claimOne()
    const stop = new AbortController()
    const told = new Promise((resolve) => void store.wait('ada', PATIENCE, stop.signal, resolve))
    await store.alter('emails', [given.id], cancel)
    expect(await told).toBe('emails')
    stop.abort()
  })

  test('of several workers that hold jobs in the partition, the worker whose lease ends last gets the notice, because other workers may be dead', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const given = job({ hooked: true, delay: 10_000 })
    await harness.caller('web').enqueue(given, ...jobs(3))
    await harness.caller('bob').claimOne()
    clock.now += 1
    await harness.caller('ada').claimOne()
    const stop = new AbortController()
    const told = new Promise((resolve) => void store.wait('ada', PATIENCE, stop.signal, resolve))
    await store.alter('emails', [given.id], cancel)
    expect(await told).toBe('emails')
    stop.abort()
  })
}

/**
 * When the worker that delivers an effect dies: `before` it has applied the effect, or before or after it has
 * acknowledged the effect.
 */
export const DEATHS = ['none', 'before', 'between', 'after'] as const

/** Ids of members of one flow. */
export function members(count: number, flow = 'flow'): string[] {
  return Array.from({ length: count }, (_, index) => memberId({ flow, home: 'home', index }))
}

/** Ids of nodes of one flow. */
export function nodes(count: number): string[] {
  return Array.from({ length: count }, (_, n) => memberId({ flow: 'flow', home: 'home', index: NODES + n }))
}

/** Makes a flow whose members have the ids that `members` returns. */
export async function openFlow(store: Store, size: number, id = 'flow', home = 'home'): Promise<void> {
  const crowd = { reserved: size, size }
  const { isWritten } = await store.flows.write(home, { id, rev: 0, definition: '{}', state: '{}', crowd })
  expect(isWritten).toBe(true)
}

/** Returns the ends of members, in the form in which a flow gets them. */
export function endsOf(effects: readonly Effect[]): MemberEnd[] {
  return effects.flatMap(({ kind, job }) => (kind === 'member' ? endOf(job) : []))
}

/** Completes the other jobs that the test of an end has queued. */
export async function endRest(_: Harness, caller: Caller): Promise<void> {
  for (const held of await caller.claim(9)) await caller.settle(held, completed)
}
