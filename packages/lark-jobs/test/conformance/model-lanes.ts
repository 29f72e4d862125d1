/**
 * The part of the model for groups: which group (lane) is next, and which of its jobs may begin. The code is
 * as simple as possible: it finds the jobs of a lane by a search through all jobs.
 */
import { expect } from 'vitest'
import type { ClaimedJob, Group } from '../../src/model/record.ts'
import { readLane } from '../../src/store/contract/rules/lane.ts'
import type { MetGroup, PausedGroup, Want } from '../../src/store/contract/store.ts'
import { type ModelJob, rank } from './model-job.ts'

interface Lane {
  rules: Rules
  turn?: number | undefined
  wakeAt?: number | undefined
  first?: string | undefined
}

type Rules = Pick<Group, 'limits' | 'strict'>

/** The name of the lane for jobs without a group. */
const NONE = ''

export class ModelLanes {
  readonly #jobs: ReadonlyMap<string, ModelJob>
  readonly #now: () => number
  readonly #lanes = new Map<string, Lane>()
  readonly #touched = new Set<string>()
  /** The end of each pause, by group. */
  readonly #paused = new Map<string, number>()
  #turn = 0
  #ownTurn = 0

  constructor(jobs: ReadonlyMap<string, ModelJob>, now: () => number) {
    this.#jobs = jobs
    this.#now = now
  }

  get size(): number {
    return this.#lanes.size
  }

  /** Adds the lane of a job, with the present rules of its group. */
  open({ lane, group }: ModelJob): void {
    if (lane !== NONE) this.#touch(lane, {}).rules = group ?? {}
  }

  /**
   * Called when a job has left its line, has come into its line, or has ended. @param wasActive whether the
   * job was active before
   */
  moved({ id, lane, group, isPending }: ModelJob, wasActive = false): void {
    if (lane === NONE) return
    const touched = this.#touch(lane, group ?? {})
    if (wasActive && isPending && group?.strict) touched.first = id
  }

  /** Returns the rules of the lane of a job, and whether the job is the first of the lane. */
  stand({ id, lane }: ModelJob): { rules: Rules; isFirst: boolean } {
    const found = this.#lanes.get(lane)
    return { rules: found?.rules ?? {}, isFirst: found?.first === id }
  }

  /** Called when a job comes from another partition. */
  come({ id, lane }: ModelJob, { rules, isFirst }: ReturnType<ModelLanes['stand']>): void {
    if (lane === NONE) return
    const touched = this.#touch(lane, rules)
    if (isFirst && touched.rules.strict) touched.first = id
  }

  pause(group: string, ms = Number.POSITIVE_INFINITY): MetGroup {
    const wasPaused = this.#pausedUntil(group) > this.#now()
    this.#paused.set(group, this.#now() + ms)
    const lanes = [...this.#lanes.keys()].filter((lane) => readLane(lane).group === group)
    for (const lane of lanes) this.#touched.add(lane)
    return { wasPaused, hasJobs: lanes.length > 0 }
  }

  get paused(): PausedGroup[] {
    const paused = [...this.#paused].filter(([, until]) => until > this.#now())
    paused.sort(([a, one], [b, other]) => (one === other ? (a < b ? -1 : 1) : one - other))
    return paused.map(([group, until]) => (until === Infinity ? { group } : { group, until }))
  }

  /** Pauses a group, unless it is paused for longer. */
  pauseMore(group: string, ms: number): void {
    this.pause(group, Math.max(ms, this.#pausedUntil(group) - this.#now()))
  }

  reposition(): void {
    for (const name of [...this.#touched].sort()) this.#repositionOne(name)
    this.#touched.clear()
  }

  /** Checks that a store must hand out these jobs, and hands them out. */
  claim(
    claimed: readonly ClaimedJob[],
    most: number,
    token: string,
    { permits = {}, aging }: Pick<Want, 'permits' | 'aging'>,
  ): void {
    const left = new Map(Object.entries(permits))
    const asleep = [...this.#lanes].filter(([, { wakeAt }]) => (wakeAt ?? Infinity) <= this.#now())
    asleep.sort(([a, one], [b, other]) => one.wakeAt! - other.wakeAt! || (a < b ? -1 : 1))
    for (const [name] of asleep) this.#repositionOne(name)
    let taken = 0
    for (;;) {
      const order = most > taken ? this.#inTurn(left, most - taken) : []
      if (order.length === 0) break
      const share = Math.floor((most - taken) / order.length)
      const permitted: boolean[] = []
      const counts = order.map((name, i) => {
        const { limiter } = readLane(name)
        const part = limiter === undefined ? share : Math.min(share, left.get(limiter)!)
        permitted[i] = part > 0
        const count = this.#allowed(name, part)
        if (limiter !== undefined) left.set(limiter, left.get(limiter)! - count)
        return count
      })
      const places = this.#places(counts, taken)
      for (const [i, name] of order.entries()) {
        const jobs = places[i]!.map((place) => claimed[place])
        if (permitted[i]) this.#serve(name, jobs, token, aging)
      }
      taken += places.flat().length
    }
    expect(claimed).toHaveLength(taken)
  }

  /**
   * For each limiter: how many of its waiting jobs could begin if there were permits. Each group counts as
   * one job, and each job without a group counts.
   */
  get limited(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const [name, { turn }] of this.#lanes) {
      const { group, limiter } = readLane(name)
      if (turn === undefined || limiter === undefined) continue
      counts[limiter] = (counts[limiter] ?? 0) + (group === undefined ? this.#due(name).length : 1)
    }
    return counts
  }

  /** The earliest time at which a job of any lane may begin without a permit. */
  get nextAt(): number | undefined {
    const own = this.#of(NONE).map(({ place }) => place)
    const times = [...this.#lanes].flatMap(([name, { turn, wakeAt }]) => {
      if (turn === undefined) return wakeAt ?? []
      return readLane(name).limiter === undefined ? this.#now() : []
    })
    const at = Math.min(...own, ...times)
    return at === Number.POSITIVE_INFINITY ? undefined : at
  }

  #touch(name: string, rules: Rules): Lane {
    this.#touched.add(name)
    const lane = this.#lanes.get(name) ?? { rules }
    this.#lanes.set(name, lane)
    return lane
  }

  #pausedUntil(group: string | undefined): number {
    return this.#paused.get(group ?? '') ?? 0
  }

  /** Returns the positions of each lane in a claim in which the lanes take turns. */
  #places(counts: readonly number[], from: number): number[][] {
    const places: number[][] = counts.map(() => [])
    let place = from
    for (let round = 0; round < Math.max(...counts); round++)
      for (const [i, count] of counts.entries()) if (round < count) places[i]!.push(place++)
    return places
  }

  #serve(name: string, jobs: readonly (ClaimedJob | undefined)[], token: string, aging?: number): void {
    for (const claimed of jobs) {
      const job = this.#firstOf(name, aging).find(({ id }) => id === claimed?.id)
      if (!job) throw new Error(`${claimed?.id} was handed out, but it is the turn of '${name}'`)
      job.claim(token, false)
      expect(claimed).toMatchObject(job.handedOut)
    }
    if (name === NONE) {
      this.#ownTurn = ++this.#turn
      return
    }
    const lane = this.#lanes.get(name)!
    lane.turn = undefined
    lane.first = undefined
    this.#repositionOne(name)
  }

  #inTurn(permits: ReadonlyMap<string, number>, most: number): string[] {
    const turns: { name: string; turn: number }[] = []
    for (const [limiter, count] of [[undefined, most] as const, ...permits]) {
      const open = [...this.#lanes].flatMap(([name, { turn }]) =>
        turn === undefined ? [] : [{ name, turn }],
      )
      const its = open.filter(({ name }) => readLane(name).limiter === limiter)
      turns.push(...its.sort((a, b) => a.turn - b.turn).slice(0, count))
    }
    if (this.#due(NONE).length > 0) turns.push({ name: NONE, turn: this.#ownTurn })
    const sorted = turns.sort((a, b) => a.turn - b.turn).slice(0, most)
    return sorted.map(({ name }) => name)
  }

  #allowed(name: string, share: number): number {
    if (share <= 0) return 0
    if (this.#lanes.get(name)?.first !== undefined) return Math.min(share, 1)
    const { concurrency = Number.POSITIVE_INFINITY } = this.#lanes.get(name)?.rules.limits ?? {}
    return Math.min(share, this.#due(name).length, concurrency - this.#busy(name))
  }

  #repositionOne(name: string): void {
    const lane = this.#lanes.get(name)!
    const now = this.#now()
    const pending = this.#of(name)
    let at = this.#due(name).length > 0 ? 0 : Math.min(...pending.map(({ place }) => place))
    const first = pending.find(({ id }) => id === lane.first)
    if (first === undefined) lane.first = undefined
    else if (first.place > now) at = first.place
    const until = this.#pausedUntil(readLane(name).group)
    if (until > now) at = Math.max(at, until)
    const { concurrency = Number.POSITIVE_INFINITY } = lane.rules.limits ?? {}
    if (at === 0 && this.#busy(name) >= concurrency) at = Infinity
    if (pending.length === 0 && this.#busy(name) === 0) {
      this.#lanes.delete(name)
      return
    }
    lane.turn = at > 0 ? undefined : (lane.turn ?? ++this.#turn)
    lane.wakeAt = at > 0 && at < Infinity ? at : undefined
  }

  #firstOf(name: string, aging?: number): ModelJob[] {
    const first = this.#of(name).find(({ id }) => id === this.#lanes.get(name)?.first)
    if (first) return [first]
    const due = this.#due(name)
    return due.filter((job) => due.every((other) => rank(job, other, aging) <= 0))
  }

  #due(name: string): ModelJob[] {
    return this.#of(name).filter((job) => job.state === 'waiting')
  }

  /** The jobs of a lane that have not begun. */
  #of(name: string): ModelJob[] {
    return [...this.#jobs.values()].filter((job) => job.isPending && job.lane === name)
  }

  #busy(name: string): number {
    return [...this.#jobs.values()].filter((job) => job.state === 'active' && job.lane === name).length
  }
}
