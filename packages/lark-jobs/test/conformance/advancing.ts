/**
 * Flows advance through every death: whichever call of a worker or a dispatcher is its last, others go on, and the flow ends
 * as its jobs demand. Nothing is lost, and nothing is doubled.
 */
import { expect, test } from 'vitest'
import { memberOf } from '../../src/model/effect.ts'
import type { FlowPlace } from '../../src/model/flow.ts'
import { type Story, stories } from './flow-stories.ts'
import { FlowWorker, HOUR } from './flow-worker.ts'
import { AWAY, HOME, PLACES, World } from './flow-world.ts'
import type { Harness, Make } from './harness.ts'

const DAY = 86_400_000
/** After how many calls of a story a process dies, each time it is played. `LARK_DEATHS=1`: after each call. */
const DEATHS = process.env.LARK_DEATHS === '1' ? Number.POSITIVE_INFINITY : 4

/** @param turn stores with other turns have other deaths */
export function advancing(make: Make, turn: number): void {
  test.each(stories)('$name', { timeout: 120_000 }, async (story) => {
    await using world = await oneServer(make)
    const calls = await play(world, story, 'whole', Number.POSITIVE_INFINITY)
    const step = Math.max(1, Math.floor(calls / DEATHS))
    for (let call = 1 + (turn % step); call <= calls; call += step)
      await play(world, story, `death-${call}`, call)
  })
}

async function oneServer(make: Make): Promise<World> {
  const harness: Harness = await make()
  return new World(new Map(PLACES.map((place) => [place, harness])))
}

/** Plays a story, in which a process dies, and looks how it has ended. @returns how many calls changed something */
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
  // Only what is retried by hand may have two runs of one job: the one before has failed.
  const completions = world.counted.filter(({ result }) => result !== undefined).map(({ id }) => id)
  expect(completions).toEqual([...new Set(completions)])
  // The result that was handed on is that of the run that counted.
  const results = world.counted.map(({ result }) => result)
  for (const { payload } of world.counted) {
    const { from } = JSON.parse(payload)
    if (from !== undefined) expect(results).toContain(JSON.stringify(from))
  }
  await expectKeptResults(world, home)
}

/** Of each node the home has kept the result of the run that counted. */
async function expectKeptResults(world: World, home: string): Promise<void> {
  for (const { id, result } of world.counted) {
    const member = memberOf(id)!
    if (result === undefined || member.index < 90_000_000 || member.home !== home) continue
    const [end] = await world.store.flows.ends(home, member.flow, [member.index])
    expect(end).toMatchObject({ state: 'completed', result })
  }
}

/** Later the flow is forgotten, and its jobs with it. */
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
    if (index < 90_000_000) continue
    for (const place of PLACES) expect(await world.store.get(place, id)).toBeUndefined()
  }
}
