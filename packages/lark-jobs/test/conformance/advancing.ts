/**
 * Flows advance although processes die. A worker or a dispatcher may die after any of its calls. Other
 * processes continue, and the flow ends in the state that follows from its jobs. No job is lost, and no job
 * runs twice.
 *
 * This folder has more than 25 files: one for each subject on which all stores make the same promises.
 * `suite.ts` has them in order.
 */
import { expect, test } from 'vitest'
import { memberId, memberOf } from '../../src/model/effect.ts'
import { JobsError } from '../../src/model/errors.ts'
import { type FlowDefinition, type FlowPlace, type FlowState, indexOf, NODES } from '../../src/model/flow.ts'
import type { MemberEnd } from '../../src/store/contract/store.ts'
import { Crew } from './flow-crew.ts'
import { callbacks, flow, members, node, type Story, stories } from './flow-stories.ts'
import { FlowWorker, HOUR, workUntilQuiet } from './flow-worker.ts'
import { AWAY, HOME, PLACES, World } from './flow-world.ts'
import type { Harness, Make } from './harness.ts'
import { Random } from './random.ts'
import { expectedEnd, namesOf, type RandomFlow, randomFlow } from './random-flows.ts'

const DAY = 86_400_000
/**
 * With `LARK_DEATHS=1`, the tests play each story once for each of its calls, and a process dies after this
 * call. The tests also run many random flows.
 */
const isLong = process.env.LARK_DEATHS === '1'
/** After how many calls of a story a process dies. */
const DEATHS = isLong ? Number.POSITIVE_INFINITY : 3
const seeds = Array.from({ length: isLong ? 100 : 3 }, (_, n) => n)

/**
 * @param turn chooses the calls after which processes die, so that the tests of different stores choose
 * different calls
 */
export function advancing(make: Make, turn: number): void {
  test.each(stories.map((story) => [story.name, story] as const))(
    '%s',
    { timeout: 120_000 },
    async (_, story) => {
      await using world = await oneServer(make)
      const calls = await play(world, story, 'whole', Number.POSITIVE_INFINITY)
      // Completed members of batches stay in the store for some time only if their class says so.
      for (const place of PLACES) await world.store.prune(place)
      const kept = /:(flow|news|crowd|effects|remembered|bundles)|^flows$/
      const left = (await world.mentions('whole')).filter((place) => kept.test(place))
      expect(left).toEqual([])
      const step = Math.max(1, Math.floor(calls / DEATHS))
      for (let call = 1 + (turn % step); call <= calls; call += step)
        await play(world, story, `death-${call}`, call)
    },
  )

  test('if a member of an inner batch ends and is removed while a worker checks it, the member does not run again', async () => {
    const harness = await make(forgetful)
    await using world = new World(new Map(PLACES.map((place) => [place, harness])))
    world.hangs.add('m0')
    const [first, other] = [new FlowWorker(world), new FlowWorker(world)]
    const batch = { home: HOME, definition: flow('batch', []), members: members(1) }
    await first.book.start(
      { flow: 'flow', home: HOME },
      flow('workflow', [node('batch', [], { flow: batch })]),
    )
    await first.work(() => world.begun.has('m0'))
    const looking = new FlowWorker(
      world,
      world.disturbed(async (verb) => {
        if (verb !== 'fates') return
        world.hangs.clear()
        await first.round()
      }),
    )
    while (world.hangs.size > 0) {
      world.advance(1_000)
      await looking.round()
    }
    await workUntilQuiet(world, [looking, other])
    expect(world.counted.map(({ name }) => name)).toEqual(['m0'])
  })

  test('if members have run and were removed before their unanswered dispatch is sent again, they do not run again', async () => {
    const harness = await make(forgetful)
    await using world = new World(new Map(PLACES.map((place) => [place, harness])))
    const place = { flow: 'flow', home: HOME }
    const worker = new FlowWorker(world)
    // The virtual clock moves on by up to an hour while workers wait. A slow server may cost a lease, and
    // this must not make the workers give the flow up.
    await worker.book.start(place, flow('batch', []), { fillsFor: DAY })
    // The members of one partition are queued in one call.
    const lost = new Set<unknown>()
    const store = world.unheard(async (verb, [partition]) => {
      if (verb !== 'enqueue' || lost.has(partition)) return false
      lost.add(partition)
      await worker.work()
      return true
    })
    await new FlowWorker(world, store).lots(place).queue(members(2), { ms: DAY, lot: 1 })
    expect([...lost]).toEqual([HOME, AWAY])
    await worker.book.seal(place)
    await worker.work()
    expect(world.counted.map(({ name }) => name).sort()).toEqual(['m0', 'm1'])
    expect(await stateOf(world, place)).toMatchObject({ end: { state: 'completed' } })
  })

  test('if a late call queues members of an inner batch that have already run, they do not run again', async () => {
    const harness = await make(forgetful)
    await using world = new World(new Map(PLACES.map((place) => [place, harness])))
    const batch = { home: AWAY, definition: flow('batch', []), members: members(2) }
    const other = new FlowWorker(world)
    let isSlow = false
    const slow = world.disturbed(async (verb) => {
      if (verb !== 'enqueue' || isSlow) return
      isSlow = true
      for (let n = 0; n < 12; n++) {
        world.advance(1_000)
        await other.work(() => world.counted.length > 1)
      }
    })
    const first = new FlowWorker(world, slow)
    const whole = flow('workflow', [node('batch', [], { flow: batch })])
    await first.book.start({ flow: 'flow', home: HOME }, whole)
    await workUntilQuiet(world, [first, other])
    expect(world.counted.map(({ name }) => name).sort()).toEqual(['m0', 'm1'])
  })

  test('if two workers retry the members of a batch, a member that has completed meanwhile does not run again', async () => {
    await using world = await oneServer(make)
    const place = { flow: 'flow', home: HOME }
    const worker = new FlowWorker(world)
    await worker.book.start(place, flow('batch', [], { allowed: 0 }), { fillsFor: HOUR })
    await worker.lots(place).queue(members(1), { ms: HOUR, lot: 1 })
    await worker.book.seal(place)
    world.fails.add('m0')
    await worker.work()
    world.fails.clear()
    let isOvertaken = false
    const overtake = async (verb: string) => {
      if (verb !== 'alter' || isOvertaken) return
      isOvertaken = true
      world.advance(5_000)
      await worker.work()
    }
    const before = world.counted.length
    await new FlowWorker(world, world.disturbed(overtake)).book.retry(place)
    await worker.work()
    expect(isOvertaken).toBe(true)
    expect(world.counted.slice(before).map(({ name }) => name)).toEqual(['m0'])
  })

  test('members that are added while a worker checks the earlier members do not count as lost', async () => {
    await using world = await oneServer(make)
    const place = { flow: 'flow', home: HOME }
    const worker = new FlowWorker(world)
    await worker.book.start(place, flow('batch', [], { allowed: 0 }), { fillsFor: HOUR })
    await worker.lots(place).queue(members(1), { ms: HOUR, lot: 1 })
    await worker.book.seal(place)
    world.hangs.add('m0')
    await worker.work(() => world.begun.has('m0'))
    // After this time, no member can still be on its way to the store.
    world.advance(20_000)
    let isAdded = false
    const looking = new FlowWorker(
      world,
      world.disturbed(async (verb) => {
        if (verb !== 'missing' || isAdded) return
        isAdded = true
        await worker.book.reserve(place, [{ partition: AWAY, count: 1, keys: ['member'] }])
      }),
    )
    while (!isAdded) {
      await looking.round()
      world.advance(1_000)
    }
    expect((await worker.book.get(place))!.crowd).toMatchObject({ reserved: 2, failed: 0 })
    expect(await stateOf(world, place)).not.toHaveProperty('ending')
  })

  test('if a member is retried, the end of its first run does not count when it arrives after the retry', async () => {
    await using world = await oneServer(make)
    let late: readonly MemberEnd[] = []
    const store = world.disturbed(async (verb, args) => {
      if (verb === 'apply') late = [...late, ...(args[1] as MemberEnd[])]
    })
    const worker = new FlowWorker(world, store)
    const place = await failedBatch(world, worker)
    expect(late).toMatchObject([{ state: 'failed' }])
    world.advance(1_000)
    await worker.book.retry(place)
    expect((await worker.book.get(place))!.crowd).toMatchObject({ completed: 0, failed: 0 })
    // Another worker got the same end before, and applies it only now.
    await new FlowWorker(world).book.apply(HOME, late)
    expect((await worker.book.get(place))!.crowd).toMatchObject({ completed: 0, failed: 0 })
    await worker.work()
    expect((await worker.book.get(place))!.crowd).toMatchObject({ completed: 0, failed: 1 })
    world.fails.clear()
    await worker.book.retry(place)
    await worker.work()
    expect(await stateOf(world, place)).toMatchObject({ end: { state: 'completed' } })
    expect(world.counted.map(({ name }) => name)).toEqual(['m1', 'm1', 'm1'])
  })

  test('after a retry, the earlier ends of nodes and of members of an inner batch arrive once more, and do not count', async () => {
    await using world = await oneServer(make)
    const late: [home: string, end: MemberEnd][] = []
    const store = world.disturbed(async (verb, [home, ends]) => {
      if (verb === 'apply') for (const end of ends as MemberEnd[]) late.push([home as string, end])
    })
    const worker = new FlowWorker(world, store)
    const place = { flow: 'flow', home: HOME }
    const batch = { home: HOME, definition: flow('batch', [], { allowed: 0 }), members: members(2) }
    const nodes = [node('a', [], { at: AWAY }), node('batch', [], { flow: batch })]
    for (const name of ['a', 'm1']) world.fails.add(name)
    await worker.book.start(place, flow('workflow', [...nodes, node('onEnded', [], { on: 'ended' })]))
    await worker.work()
    const failed = late.filter(([, { state }]) => state === 'failed')
    expect(failed.length).toBeGreaterThan(2)
    world.advance(1_000)
    await worker.book.retry(place)
    for (const name of ['a', 'm1']) world.hangs.add(name)
    await worker.round()
    for (const [home, end] of failed) await worker.book.apply(home, [end])
    await worker.round()
    expect(await stateOf(world, place)).toMatchObject({ phase: 'open' })
    expect(world.counted.filter(({ name }) => name === 'onEnded')).toHaveLength(1)
    world.hangs.clear()
    world.fails.clear()
    await worker.work()
    expect(await stateOf(world, place)).toMatchObject({ end: { state: 'completed' } })
    expect(world.counted.filter(({ name }) => name === 'onEnded')).toHaveLength(2)
  })

  test.each<[string, FlowDefinition]>([
    ['a chain', flow('chain', [node('m0', [], { at: AWAY }), node('m1', [0])])],
    ['a batch', flow('batch', [], { allowed: 0 })],
  ])('%s that is being cancelled is not started again before it has ended', async (_, definition) => {
    await using world = await oneServer(make)
    const worker = new FlowWorker(world)
    const place = { flow: 'flow', home: HOME }
    const isBatch = definition.kind === 'batch'
    world.hangs.add('m0')
    await worker.book.start(place, definition, isBatch ? { fillsFor: HOUR } : undefined)
    if (isBatch) await worker.lots(place).queue(members(2), { ms: HOUR, lot: 1 })
    if (isBatch) await worker.book.seal(place)
    await worker.work(() => world.begun.has('m0'))
    expect(await worker.book.cancel(place)).toBe(true)
    const before = await stateOf(world, place)
    await expect(worker.book.retry(place)).rejects.toMatchObject({
      code: 'FLOW_ENDING',
      message: expect.stringMatching(/flow is being cancelled, and jobs of it still run$/),
    })
    await expect(worker.book.retry(place, HOUR)).rejects.toMatchObject({ code: 'FLOW_ENDING' })
    expect(await stateOf(world, place)).toEqual(before)
    world.hangs.clear()
    await worker.work()
    expect(await stateOf(world, place)).toMatchObject({ end: { state: 'cancelled' } })
    expect(await worker.book.retry(place)).toBe(true)
    await worker.work()
    expect(await stateOf(world, place)).toMatchObject({ end: { state: 'completed' } })
  })

  test.each<[string, FlowDefinition, (world: World, place: FlowPlace) => Promise<unknown>]>([
    [
      'a chain is retried',
      flow('chain', [node('m0'), ...callbacks()]),
      (world, place) => new FlowWorker(world).book.retry(place),
    ],
    [
      'a node is retried by hand',
      flow('chain', [node('m0'), ...callbacks()]),
      ({ store }, place) =>
        store.alter(HOME, [memberId({ ...place, index: indexOf(0, 0) })], { kind: 'retry' }),
    ],
    [
      'members are retried by hand',
      flow('batch', callbacks(), { allowed: 0 }),
      ({ store }, place) => store.alter(HOME, [memberId({ ...place, index: 0 })], { kind: 'retry' }),
    ],
  ])(
    '%s before a callback of the first end is queued: that callback runs, too',
    async (_, definition, again) => {
      await using world = await oneServer(make)
      const place = { flow: 'flow', home: HOME }
      const cut = world.disturbed(async (verb, [partition]) => {
        if (verb === 'enqueue' && partition === AWAY)
          throw new JobsError('STORE_UNREACHABLE', 'the call is lost')
      })
      world.fails.add('m0')
      await dispatch(world, place, { definition, members: members(1) })
      await new FlowWorker(world, cut).work(() => world.counted.some(({ name }) => name === 'onEnded'))
      world.fails.clear()
      await again(world, place)
      await new FlowWorker(world).work()
      expect(await stateOf(world, place)).toMatchObject({ end: { state: 'completed' } })
      const names = world.counted.map(({ name }) => name).sort()
      expect(names).toEqual(['m0', 'm0', 'onCompleted', 'onEnded', 'onEnded', 'onFailed'])
    },
  )

  test('if a person undoes the retry of a member, its earlier end counts again', async () => {
    await using world = await oneServer(make)
    const worker = new FlowWorker(world)
    const place = await failedBatch(world, worker)
    const record = (await world.store.get(AWAY, memberId({ ...place, index: 0 })))!
    world.advance(1_000)
    await worker.book.retry(place)
    expect(await world.store.undo(AWAY, [record])).toEqual(['done'])
    await worker.work()
    expect(await stateOf(world, place)).toMatchObject({ phase: 'ended', end: { state: 'failed' } })
    expect((await worker.book.get(place))!.crowd).toMatchObject({ completed: 0, failed: 1 })
    expect(world.counted.map(({ name }) => name)).toEqual(['m1'])
  })

  test('if an answer about the state of a member arrives after the retry of the member, the member is checked again', async () => {
    await using world = await oneServer(make)
    const deaf = world.disturbed(async (verb) => {
      if (verb === 'apply') throw new JobsError('STORE_UNREACHABLE', 'the call is lost')
    })
    const worker = new FlowWorker(world)
    let isLate = false
    const looking = new FlowWorker(
      world,
      world.disturbed(async (verb, args) => {
        if (verb !== 'apply' || isLate) return
        isLate = true
        await worker.book.apply(HOME, args[1] as MemberEnd[])
        await worker.work()
        world.advance(1_000)
        await worker.book.retry(place)
      }),
    )
    const ending = new FlowWorker(world, deaf)
    const place = await failedBatch(world, ending, () => world.counted.length > 0)
    for (let n = 0; !isLate && n < 100; n++) {
      world.advance(1_000)
      await looking.advance(HOME)
    }
    expect(isLate).toBe(true)
    expect((await worker.book.get(place))!.crowd).toMatchObject({ completed: 0, failed: 0 })
  })

  test.each<[string, FlowDefinition, isCancelled?: boolean]>([
    ['the next job of a chain', flow('chain', [node('a'), node('b', [0], { at: AWAY })])],
    ['members of a batch that did not arrive', flow('batch', [])],
    ['members of a batch that is cancelled', flow('batch', []), true],
  ])(
    '%s: their place is away for minutes, and the flow ends soon after that',
    async (_, definition, isCancelled) => {
      await using world = await oneServer(make)
      let isAway = true
      const store = world.disturbed(async (_, [partition]) => {
        if (isAway && partition === AWAY) throw new JobsError('STORE_UNREACHABLE', 'the place is away')
      })
      const worker = new FlowWorker(world, store)
      const place = { flow: 'flow', home: HOME }
      const isBatch = definition.kind === 'batch'
      await worker.book.start(place, definition, isBatch ? { fillsFor: HOUR } : undefined)
      if (isBatch) {
        await worker.book.reserve(place, [{ partition: AWAY, count: 2, keys: ['member'] }])
        await worker.book.seal(place)
      }
      if (isCancelled) await worker.book.cancel(place)
      for (let n = 0; n < 60; n++) {
        world.advance(5_000)
        await worker.round()
      }
      expect(await stateOf(world, place)).toMatchObject({ phase: 'open' })
      isAway = false
      for (let n = 0; n < 20; n++) {
        world.advance(1_000)
        await worker.round()
      }
      expect(await stateOf(world, place)).toMatchObject({ phase: 'ended' })
    },
  )

  test('if a failover loses the retry of a node but keeps the end of this retry, the end counts when the node starts again', async () => {
    await using world = await oneServer(make)
    world.fails.add('a')
    const place = { flow: 'flow', home: HOME }
    const worker = new FlowWorker(world)
    await worker.book.start(place, flow('chain', [node('a'), node('b', [0])]))
    await worker.work()
    // This end belongs to a retry that the home partition has lost. The end is not news for the present state
    // of the flow, and is not handed out again.
    const lost = { flow: 'flow', index: indexOf(0, 1), state: 'completed', at: world.now } as const
    await worker.book.apply(HOME, [lost])
    await worker.work()
    expect(await stateOf(world, place)).toMatchObject({ nodes: 'fx' })
    world.fails.clear()
    await worker.book.retry(place)
    await worker.work()
    expect(await stateOf(world, place)).toMatchObject({ end: { state: 'completed' }, nodes: 'cc' })
  })

  test('if an inner flow is written while both flows are removed, the inner flow does not remain', async () => {
    await using world = await oneServer(make)
    const chain = { home: AWAY, definition: flow('chain', [node('a')]) }
    const place = { flow: 'flow', home: HOME }
    const worker = new FlowWorker(world)
    await worker.book.start(place, flow('workflow', [node('chain', [], { flow: chain })]))
    await worker.work()
    const [child] = Object.values((await stateOf(world, place)).flows!)
    world.advance((await world.next())!)
    let isTouched = false
    const touch = async (verb: string, args: readonly unknown[]) => {
      if (verb !== 'write' || args[0] !== AWAY || isTouched) return
      isTouched = true
      await worker.book.change({ flow: child!, home: AWAY }, ({ state }) => ({ state }))
    }
    await new FlowWorker(world, world.disturbed(touch)).work()
    expect(isTouched).toBe(true)
    for (const home of PLACES) expect(await world.store.flows.list(home, 10)).toEqual([])
  })
}

/** Ignores the error of a retry of a flow that has not quite ended. */
function endsYet(error: unknown): void {
  expect(error).toMatchObject({ code: 'FLOW_ENDING' })
}

/** Random flows with workers that die and lose answers. The two partitions are on two servers. */
export function advancingAtRandom(make: Make): void {
  test.each(seeds)('seed %i', { timeout: 120_000 }, async (seed) => {
    const random = new Random(seed)
    await using world = await twoServers(() => make(random.chance(2) ? {} : forgetful))
    const what = randomFlow(random)
    const place = { flow: `seed-${seed}`, home: random.pick(PLACES)! }
    for (const name of random.some(namesOf(what), 4)) world.fails.add(name)
    const crew = new Crew(world, random)
    await dispatch(world, place, what)
    const { book } = new FlowWorker(world)
    let isCancelled = false
    const meddle = async () => {
      if (random.chance(30)) await book.retry(place).catch(endsYet)
      if (seed % 4 === 3 && random.chance(10)) isCancelled = (await book.cancel(place)) || isCancelled
    }
    await crew.work(30, meddle)
    const { isCompleted, letters } = expectedEnd(what, world.fails)
    const first = await stateOf(world, place)
    if (isCancelled)
      expect(first).toMatchObject({ phase: 'ended', nodes: expect.stringMatching(/^[cfx-]*$/) })
    else expect(first).toMatchObject({ end: { state: isCompleted ? 'completed' : 'failed' }, nodes: letters })
    expectOnce(world)
    if (first.end!.state !== 'completed') {
      world.fails.clear()
      await book.retry(place)
      await crew.work(30)
      const again = await stateOf(world, place)
      expect(again).toMatchObject({ end: { state: 'completed' } })
      expect(again.nodes).toBe(expectedEnd(what, world.fails).letters)
      expectOnce(world)
    }
    await forgotten(world, new FlowWorker(world))
  })
}

/**
 * Random flows with workers that die and lose answers, in which each server also loses its last changes at
 * least once. Some jobs may run again.
 */
export function advancingThroughRollbacks(make: Make): void {
  test('if the server of a member loses the retry of the member, the end of the member counts once more', async () => {
    await using world = await twoServers(make)
    const worker = new FlowWorker(world)
    const place = await failedBatch(world, worker)
    const setBack = await world.save(AWAY)
    world.advance(1_000)
    await worker.book.retry(place)
    await setBack()
    await worker.work()
    expect(await stateOf(world, place)).toMatchObject({ phase: 'ended', end: { state: 'failed' } })
    expect((await worker.book.get(place))!.crowd).toMatchObject({ completed: 0, failed: 1 })
    world.fails.clear()
    await worker.book.retry(place)
    await worker.work()
    expect(await stateOf(world, place)).toMatchObject({ end: { state: 'completed' } })
  })

  test.each(seeds)('seed %i', { timeout: 120_000 }, async (seed) => {
    const random = new Random(seed)
    await using world = await twoServers(() => make(random.chance(2) ? {} : forgetful))
    const what = randomFlow(random)
    const place = { flow: `seed-${seed}`, home: random.pick(PLACES)! }
    for (const name of random.some(namesOf(what), 4)) world.fails.add(name)
    const crew = new Crew(world, random)
    await dispatch(world, place, what)
    const saved: (() => Promise<void>)[] = []
    const rollBack = async () => {
      const what = random.below(isLong ? 5 : 16)
      if (what < 2) saved.push(await world.save(random.pick(PLACES)!))
      if (what === 2) await saved.pop()?.()
    }
    await crew.work(30, rollBack)
    const first = await stateOf(world, place)
    expect(first).toMatchObject({ phase: 'ended', end: { state: expect.any(String) } })
    expect(first.nodes).toMatch(/^[cfx-]*$/)
    const next = await world.next()
    expect(next).toBeGreaterThan(HOUR)
    world.advance(next!)
    await new FlowWorker(world).work()
    expect((await world.store.flows.get(place.home, place.flow)).found).toBeUndefined()
  })
}

/**
 * A batch with a failing member in another partition. @param isEnough the condition at which the worker stops
 */
async function failedBatch(world: World, worker: FlowWorker, isEnough?: () => boolean): Promise<FlowPlace> {
  const place = { flow: 'flow', home: HOME }
  world.fails.add('m1')
  await dispatch(world, place, {
    definition: flow('batch', [], { allowed: 0 }),
    members: members(2).slice(1),
  })
  await worker.work(isEnough)
  return place
}

async function twoServers(make: Make): Promise<World> {
  return new World(
    new Map([
      [HOME, await make()],
      [AWAY, await make()],
    ]),
  )
}

/** With these options, completed members are removed at once. */
const forgetful = {
  retention: {
    completed: { count: 0, age: 0 },
    failed: { count: 100, age: DAY },
    cancelled: { count: 100, age: DAY },
  },
}

async function oneServer(make: Make): Promise<World> {
  const harness: Harness = await make()
  return new World(new Map(PLACES.map((place) => [place, harness])))
}

/**
 * Plays a story in which a process dies, and checks how the flow has ended. @returns how many calls changed
 * something
 */
async function play(world: World, story: Story, flow: string, deathAt: number): Promise<number> {
  world.forget()
  for (const name of story.fails ?? []) world.fails.add(name)
  for (const name of story.hangs ?? []) world.hangs.add(name)
  const place = { flow, home: story.home }
  let next = 0
  const goOn = async (worker: FlowWorker) => {
    for (; next < story.steps.length; next++) await story.steps[next]!(worker, place, world)
  }
  const { store, died, writes } = world.mortal(deathAt)
  try {
    await Promise.race([goOn(new FlowWorker(world, store)), died])
    const other = new FlowWorker(world)
    await goOn(other)
    await look(world, story, place)
    await forgotten(world, other)
  } catch (error) {
    const { found } = await world.store.flows.get(place.home, flow)
    throw new Error(
      `death after call ${deathAt}: ${(error as Error).message}\n${found?.state} ${JSON.stringify(found?.crowd)}`,
      { cause: error },
    )
  }
  return writes()
}

async function look(world: World, { ends, runs }: Story, { flow, home }: FlowPlace): Promise<void> {
  const { found } = await world.store.flows.get(home, flow)
  const state = JSON.parse(found!.state)
  expect(state).toMatchObject({
    phase: 'ended',
    end: { state: ends.state, ...(ends.reason && { reason: ends.reason }) },
  })
  if (ends.nodes !== undefined) expect(state.nodes).toMatch(ends.nodes)
  const { completed = found!.crowd.completed, failed = found!.crowd.failed } = ends
  expect(found!.crowd).toMatchObject({ completed, failed })
  const names: Record<string, number> = {}
  for (const { name } of world.counted) names[name] = (names[name] ?? 0) + 1
  if (runs !== undefined) expect(names).toEqual(runs)
  expectOnce(world)
  await expectKeptResults(world, home)
}

/** Expects that no job has completed twice, and that jobs got the results of the runs that counted. */
function expectOnce({ counted }: World): void {
  const completed = counted.filter(({ result }) => result !== undefined)
  const ids = completed.map(({ id }) => id)
  expect(ids).toEqual([...new Set(ids)])
  const results = new Set(completed.map(({ result }) => result))
  for (const { payload } of counted) {
    const { from } = JSON.parse(payload)
    // The result of a flow differs from the results of its nodes.
    if (from?.run !== undefined) expect(results).toContain(JSON.stringify(from))
  }
}

/** Expects that the home partition has the result of the counted run of each node. */
async function expectKeptResults(world: World, home: string): Promise<void> {
  for (const { id, result } of world.counted) {
    const member = memberOf(id)!
    if (result === undefined || member.index < NODES || member.home !== home) continue
    const [end] = await world.store.flows.ends(home, member.flow, [member.index])
    expect(end).toMatchObject({ state: 'completed', result })
  }
}

async function dispatch(world: World, place: FlowPlace, { definition, members }: RandomFlow): Promise<void> {
  const { book, lots } = new FlowWorker(world)
  if (definition.kind !== 'batch') {
    await book.start(place, definition)
    return
  }
  await book.start(place, definition, { fillsFor: HOUR })
  await lots(place).queue(members, { ms: HOUR, lot: 1 })
  await book.seal(place)
}

async function stateOf(world: World, { flow, home }: FlowPlace): Promise<FlowState> {
  return JSON.parse((await world.store.flows.get(home, flow)).found!.state)
}

/** Expects that the flow and its jobs are removed later. */
async function forgotten(world: World, worker: FlowWorker): Promise<void> {
  const next = await world.next()
  expect(next).toBeGreaterThan(HOUR)
  expect(next).toBeLessThanOrEqual(DAY)
  world.advance(next!)
  await worker.work()
  expect(await world.next()).toBeUndefined()
  for (const place of [HOME, AWAY]) expect(await world.store.flows.list(place, 10)).toEqual([])
  for (const { id } of world.counted) {
    const { index } = memberOf(id)!
    if (index < NODES) continue
    for (const place of PLACES) expect(await world.store.get(place, id)).toBeUndefined()
  }
}
