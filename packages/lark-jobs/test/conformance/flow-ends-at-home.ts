/**
 * Ends of jobs in the partition in which their flow lives (its home). The flow counts the end in the same
 * atomic step, whichever verb ends the job.
 */
import { expect, test } from 'vitest'
import { memberId } from '../../src/model/effect.ts'
import { NODES } from '../../src/model/flow.ts'
import { FLOW_BYTES, FLOW_LEASE_MS, type Want } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import { cancel, endRest, ends, forgetful, take } from './effects.ts'
import { Home, MOMENT, PATIENCE, START } from './flow-home.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed as failedRun, ids, job, jobs, settlement } from './jobs.ts'
import { wrote } from './schedules.ts'

export function flowEndsAtHome(make: Make): void {
  for (const [name, { state, reason, kinds, by }] of Object.entries(ends)) {
    test.each([
      ['kept', {}],
      ['forgotten at once', forgetful],
    ])(
      `${name}: the flow in the same partition counts this end at once, and no effect is written (jobs are %s)`,
      async (_, options) => {
        await using harness = await make(options)
        const { store, clock } = harness
        const home = new Home(harness, 'emails')
        await home.make('flow', { crowd: { reserved: 1, size: 1 } })
        for (const index of [0, NODES + 7]) {
          const caller = harness.caller()
          const id = memberId({ flow: 'flow', home: 'emails', index })
          await caller.enqueue(job({ id, hooked: true }))
          await by(harness, caller, id)
          const error = state === 'failed' ? { error: expect.any(String) } : {}
          const ended = { index, state, ...(reason && { reason }), ...error, at: clock.now }
          const isNode = index >= NODES
          const [due] = await home.due()
          expect(due).toMatchObject({
            news: isNode ? [ended] : [],
            crowd: state === 'completed' ? { completed: 1, failed: 0 } : { completed: 0, failed: 1 },
          })
          const isKept = isNode || state !== 'completed'
          const result = isNode && name === 'completed with a result' ? { result: '{"n":1}' } : {}
          const found = await home.store.ends('emails', 'flow', [index])
          expect(found).toEqual(isKept ? [{ ...ended, ...result }] : [])
          const effects = await take(store)
          expect(effects.map(({ kind }) => kind)).toEqual(kinds.filter((kind) => kind !== 'member'))
          expect(await take(store, effects)).toEqual([])
          await endRest(harness, caller)
          const { rev } = due!
          await home.write({ id: 'flow', rev, state: '1', heard: due!.news.length })
          expect(await home.next()).toBeUndefined()
        }
        expect(await store.recover('emails')).not.toHaveProperty('nextEffect')
      },
    )
  }

  test('one call ends jobs of two flows of the partition, of a flow of another partition, and of no flow, with results and failures', async () => {
    await using harness = await make()
    const home = new Home(harness, 'emails')
    const size = 1_100
    for (const id of ['flow', 'other']) await home.make(id, { crowd: { reserved: size } })
    const idsOf = (flow: string, indices: number[], at = 'emails') =>
      indices.map((index) => memberId({ flow, home: at, index }))
    const given = [
      ...idsOf('flow', [0, 7, 1_023, 1_024, NODES + 1]),
      ...idsOf('other', [0, 1_099, NODES + 1]),
      ...idsOf('flow', [1, NODES + 2], 'home'),
      ...ids(jobs(3)),
    ]
    const caller = harness.caller()
    await caller.enqueue(...given.map((id) => job({ id })))
    const result = { kind: 'completed', result: '7' } as const
    const settled = (await caller.claim(given.length)).map((held, i) =>
      settlement(held, i === 1 ? failedRun : i === 4 || i === 5 ? result : completed),
    )
    const want = { limit: 9, leaseMs: LEASE, effects: { leaseMs: LEASE } }
    const { verdicts, effects = [], nextTick } = await caller.exchange(settled, want)
    expect(new Set(verdicts)).toEqual(new Set(['settled']))
    expect(nextTick).toBe(0)
    expect(effects.map(({ job }) => job.id).sort()).toEqual(idsOf('flow', [1, NODES + 2], 'home'))
    const at = START
    expect(await home.read()).toMatchObject({
      news: [{ index: NODES + 1, state: 'completed', at }],
      crowd: { completed: 3, failed: 1 },
    })
    expect(await home.store.ends('emails', 'flow', [0, 7, NODES + 1])).toEqual([
      { index: 7, state: 'failed', error: 'mailbox full', at },
      { index: NODES + 1, state: 'completed', result: '7', at },
    ])
    expect(await home.store.failed('emails', 'flow', -1, 9)).toEqual([7])
    expect(await home.store.missing('emails', 'flow', 1_022, 2)).toEqual([1_025, 1_026])
    expect(await home.read('other')).toMatchObject({
      news: [{ index: NODES + 1, state: 'completed', at }],
      crowd: { completed: 2, failed: 0 },
    })
    // The call is sent again.
    await caller.store.exchange('emails', caller.last(), settled, want)
    expect(await home.read()).toMatchObject({ news: [{}], crowd: { completed: 3, failed: 1 } })
    expect(await home.due()).toHaveLength(2)
  })

  test('an exchange that makes a flow due reports this, also if the exchange returns all requested jobs', async () => {
    await using harness = await make()
    const home = new Home(harness, 'emails')
    await home.make('flow', { next: START + 5_000, crowd: { reserved: 3, size: 2 } })
    const caller = harness.caller()
    const members = [0, 1, 2].map((index) => memberId({ flow: 'flow', home: 'emails', index }))
    await caller.enqueue(...members.map((id) => job({ id })), job())
    const next = async (limit: number) => {
      const held = await caller.claimOne()
      const { jobs, nextTick } = await caller.exchange([settlement(held, completed)], {
        limit,
        leaseMs: LEASE,
      })
      return [jobs.length, nextTick]
    }
    expect(await next(1)).toEqual([1, undefined])
    expect(await next(1)).toEqual([1, 0])
  })

  test('a caller whose call makes a flow due is told so, and no other worker is notified, unless the caller wants no jobs', async () => {
    await using harness = await make()
    const { store } = harness
    const home = new Home(harness, 'emails')
    // `next` of a home uses this caller, too, so that no other caller waits.
    const [ada, bob] = [harness.caller('ada'), harness.caller('asker')]
    await home.make()
    const next = async (number: number, limit: number) => {
      const index = NODES + number
      await ada.enqueue(job({ id: memberId({ flow: 'flow', home: 'emails', index }) }))
      const settled = [settlement(await ada.claimOne(), completed)]
      expect(await bob.claim()).toEqual([])
      const { nextTick } = await ada.exchange(settled, { limit, leaseMs: LEASE })
      return nextTick
    }
    expect(await next(0, 1)).toBe(0)
    expect(await store.wait('asker', MOMENT)).toEqual([])
    expect(await home.due(500)).toMatchObject([{ news: [{ index: NODES }] }])
    // A worker holds the flow, and gets the new end when it writes the flow.
    expect(await next(1, 1)).toBe(500)
    await home.change('flow', { heard: 1 })
    expect(await home.next()).toBe(0)
    await home.change('flow', { heard: 1 })
    expect(await home.next()).toBeUndefined()
    expect(await next(2, 0)).toBe(0)
    expect(await store.wait('asker', PATIENCE)).toEqual(['emails'])
  })

  test('an exchange hands out the flow that it makes due, under a lease, if its caller takes flows and wants jobs', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const home = new Home(harness, 'emails')
    const ada = harness.caller()
    await home.make('flow', { crowd: { reserved: 2, size: 1 } })
    const settle = async (index: number, want: Partial<Want> = {}, paused = false) => {
      await ada.enqueue(job({ id: memberId({ flow: 'flow', home: 'emails', index }) }))
      const settled = [settlement(await ada.claimOne(), completed)]
      if (paused) await store.configure('emails', { paused })
      const asked: Want = { limit: 1, leaseMs: LEASE, flows: true, ...want }
      const { dueFlows, nextTick } = await ada.exchange(settled, asked)
      // The answer was lost, and the call is sent again: the lease of the flow goes on.
      const again = await ada.store.exchange('emails', ada.last(), settled, asked)
      expect(again).not.toHaveProperty('dueFlows')
      if (asked.limit > 0) expect(again.nextTick).toBe(nextTick)
      return { flows: dueFlows?.flows ?? [], at: dueFlows?.at, nextTick }
    }
    const news = (index: number) => [{ index, state: 'completed', at: clock.now }]
    const { flows, at, nextTick } = await settle(NODES)
    expect([at, nextTick]).toEqual([clock.now, FLOW_LEASE_MS])
    expect(flows).toMatchObject([
      { id: 'flow', state: '{}', definition: 'definition of flow', news: news(NODES) },
    ])
    expect(await home.due()).toEqual([])
    clock.now += FLOW_LEASE_MS
    expect(await home.due(500)).toMatchObject([{ news: [{ index: NODES }] }])
    // A worker holds the flow, so another end does not hand it out.
    expect(await settle(NODES + 1)).toMatchObject({ flows: [], nextTick: 500 })
    const { rev, news: both } = (await home.read())!
    await home.write({ id: 'flow', rev, state: '1', heard: both.length })
    // Members make the flow due, so it gets a new number.
    const [reached] = (await settle(0)).flows
    expect(reached).toMatchObject({ id: 'flow', state: '1', news: [], crowd: { completed: 1 } })
    await home.change('flow')
    expect(reached!.rev).toBeGreaterThan(rev)
    // A caller that wants no jobs may be about to stop.
    expect(await settle(NODES + 2, { limit: 0 })).toMatchObject({ flows: [], nextTick: 0 })
    await home.change('flow', { heard: 1 })
    // A paused queue hands out no jobs, but its flows go on.
    expect(await settle(NODES + 3, {}, true)).toMatchObject({ flows: [{ news: news(NODES + 3) }] })
  })

  test('an exchange leaves a flow that is too large for it to a call of its own', async () => {
    await using harness = await make()
    const home = new Home(harness, 'emails')
    const ada = harness.caller()
    await home.make('flow', { definition: JSON.stringify('x'.repeat(FLOW_BYTES)), crowd: { reserved: 1 } })
    await ada.enqueue(job({ id: memberId({ flow: 'flow', home: 'emails', index: NODES }) }))
    const settled = [settlement(await ada.claimOne(), completed)]
    const { dueFlows, nextTick } = await ada.exchange(settled, { limit: 1, leaseMs: LEASE, flows: true })
    expect([dueFlows, nextTick]).toEqual([undefined, 0])
    expect(await home.due()).toHaveLength(1)
  })

  const ringing: Record<string, (harness: Harness, id: string) => Promise<unknown>> = {
    'a job that is cancelled': ({ store }, id) => store.alter('emails', [id], cancel),
    'a job that is removed': ({ store }, id) => store.alter('emails', [id], { kind: 'remove' }),
    'jobs that are cleared': ({ store }) => store.clear('emails', 'delayed'),
    'a job that is dropped': ({ store }) =>
      store.enqueue('emails', { caller: 'web', number: 99, bound: { max: 0, full: 'drop-oldest' } }, [
        job({ delay: 9_000 }),
      ]),
  }
  test.each(Object.entries(ringing))(
    '%s makes the flow in the same partition due, and wakes a worker',
    async (_, by) => {
      await using harness = await make()
      const home = new Home(harness, 'emails')
      await home.make()
      const id = memberId({ flow: 'flow', home: 'emails', index: NODES })
      await harness.caller('web').enqueue(job({ id, delay: 1_000 }))
      expect(await harness.caller('ada').claim()).toEqual([])
      await by(harness, id)
      expect(await home.next()).toBe(0)
      expect(await harness.store.wait('ada', PATIENCE)).toEqual(['emails'])
    },
  )

  test('a recovery that ends a job makes the flow in the same partition due, and wakes a worker', async () => {
    await using harness = await make()
    const home = new Home(harness, 'emails')
    await home.make()
    const id = memberId({ flow: 'flow', home: 'emails', index: NODES })
    const bob = harness.caller('bob')
    await bob.enqueue(job({ id }))
    await bob.claimOne()
    await harness.store.alter('emails', [id], cancel)
    harness.clock.now += LEASE
    expect(await harness.caller('ada').claim()).toEqual([])
    await harness.store.recover('emails')
    expect(await home.next()).toBe(0)
    expect(await harness.store.wait('ada', PATIENCE)).toEqual(['emails'])
  })

  test('if a write of a flow drops a job of the same flow to make room, the flow gets the end of this job and is due at once', async () => {
    await using harness = await make()
    const home = new Home(harness, 'emails')
    const { id, rev } = await home.make()
    const first = job({ id: memberId({ flow: 'flow', home: 'emails', index: NODES }), delay: 1_000 })
    await harness.caller().enqueue(first)
    const write = { id, rev, state: '1', next: START + 9_000, jobs: [job({ delay: 2_000 })] }
    const { nextTick, ...answer } = await home.store.write('emails', write, { max: 1, full: 'drop-oldest' })
    expect(answer).toEqual(wrote('queued'))
    expect(nextTick).toBe(0)
    expect(await home.read()).toMatchObject({
      state: '1',
      news: [{ index: NODES, state: 'cancelled', reason: 'dropped' }],
    })
  })

  test('a failed member that a person retries and that completes counts as completed', async () => {
    await using harness = await make()
    const home = new Home(harness, 'emails')
    await home.make('flow', { crowd: { reserved: 3 } })
    const caller = harness.caller()
    const members = [1, NODES].map((index) => memberId({ flow: 'flow', home: 'emails', index }))
    for (const id of members) await caller.run(job({ id }), failedRun)
    expect(await home.crowd()).toEqual({ reserved: 3, completed: 0, failed: 1 })
    const failure = { index: NODES, state: 'failed', error: 'mailbox full', at: START }
    expect(await home.read()).toMatchObject({ news: [failure] })
    await home.change('flow', { heard: 1 })
    for (const id of members) {
      expect(await harness.store.alter('emails', [id], { kind: 'retry' })).toEqual(['done'])
      await caller.settle(await caller.claimOne(), completed)
    }
    expect(await home.crowd()).toEqual({ reserved: 3, completed: 1, failed: 0 })
    expect((await home.due())[0]!.news).toEqual([{ index: NODES, state: 'completed', at: START }])
    expect(await take(harness.store)).toEqual([])
  })

  test('the end of a member is not kept if its flow does not exist or does not have this member', async () => {
    await using harness = await make()
    const home = new Home(harness, 'emails')
    await home.make('flow', { crowd: { reserved: 1, size: 1 } })
    const caller = harness.caller()
    const given = [
      memberId({ flow: 'none', home: 'emails', index: 0 }),
      memberId({ flow: 'none', home: 'emails', index: NODES }),
      memberId({ flow: 'flow', home: 'emails', index: 1 }),
    ]
    for (const id of given) await caller.run(job({ id }), completed)
    expect(await take(harness.store)).toEqual([])
    expect(await harness.store.recover('emails')).not.toHaveProperty('nextEffect')
    expect(await home.next()).toBeUndefined()
    expect(await home.crowd()).toMatchObject({ completed: 0, failed: 0 })
    expect(await home.make('none', { crowd: { reserved: 1 } })).toMatchObject({
      news: [],
      crowd: { completed: 0 },
    })
    expect(await home.store.fates('emails', given)).toMatchObject(given.map((id) => ({ job: { id } })))
  })
}
