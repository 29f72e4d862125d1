/**
 * The lanes of groups as the model knows them: whose turn it is, and what each may begin. As plainly as it can be said:
 * a lane's jobs are looked for among all.
 */
import { expect } from 'vitest'
import type { Group, LeasedJob } from '../../src/record.ts'
import { type ModelJob, rank } from './model-job.ts'

interface Lane {
  rules: Group
  turn?: number | undefined
  wakeAt?: number | undefined
  pausedUntil: number
  first?: string | undefined
}

/** Stands for the jobs without a group. */
const NONE = ''

export class ModelLanes {
  readonly #jobs: ReadonlyMap<string, ModelJob>
  readonly #now: () => number
  readonly #lanes = new Map<string, Lane>()
  readonly #touched = new Set<string>()
  #turn = 0
  #ownTurn = 0

  constructor(jobs: ReadonlyMap<string, ModelJob>, now: () => number) {
    this.#jobs = jobs
    this.#now = now
  }

  get size(): number {
    return this.#lanes.size
  }

  /** Its group is known, with the rules that it has now. */
  open(rules: Group): void {
    this.#touch(rules).rules = rules
  }

  /** A job has left its line, has come into it, or has ended. @param wasActive before */
  moved({ id, group, isPending }: ModelJob, wasActive = false): void {
    if (group === undefined) return
    const lane = this.#touch(group)
    if (wasActive && isPending && group.strict) lane.first = id
  }

  pause(name: string, ms = Number.POSITIVE_INFINITY): void {
    this.#touch({ name }).pausedUntil = this.#now() + ms
  }

  /** Unless it is paused for longer. */
  pauseMore(name: string, ms: number): void {
    const { pausedUntil } = this.#touch({ name })
    this.pause(name, Math.max(ms, pausedUntil - this.#now()))
  }

  stir(): void {
    for (const name of [...this.#touched].sort()) this.#stirOne(name)
    this.#touched.clear()
  }

  /** Checks that these are the jobs that must be handed out, and hands them out. */
  claim(claimed: readonly LeasedJob[], most: number, token: string): void {
    const asleep = [...this.#lanes].filter(([, { wakeAt }]) => (wakeAt ?? Infinity) <= this.#now())
    asleep.sort(([a, one], [b, other]) => one.wakeAt! - other.wakeAt! || (a < b ? -1 : 1))
    for (const [name] of asleep) this.#stirOne(name)
    let taken = 0
    for (;;) {
      const order = most > taken ? this.#inTurn().slice(0, most - taken) : []
      if (order.length === 0) break
      const share = Math.floor((most - taken) / order.length)
      const counts = order.map((name) => this.#allowed(name, share))
      const places = this.#places(counts, taken)
      for (const [i, name] of order.entries())
        this.#serve(
          name,
          places[i]!.map((place) => claimed[place]),
          token,
        )
      taken += places.flat().length
    }
    expect(claimed).toHaveLength(taken)
  }

  /** When one may begin, of all. */
  get nextAt(): number | undefined {
    const own = this.#of(NONE).map(({ place }) => place)
    const times = [...this.#lanes.values()].flatMap(({ turn, wakeAt }) =>
      turn ? this.#now() : (wakeAt ?? []),
    )
    const at = Math.min(...own, ...times)
    return at === Number.POSITIVE_INFINITY ? undefined : at
  }

  #touch(group: Group): Lane {
    const { name } = group
    this.#touched.add(name)
    const lane = this.#lanes.get(name) ?? { rules: group, pausedUntil: 0 }
    this.#lanes.set(name, lane)
    return lane
  }

  /** Which of the claimed jobs are whose: one of each after the other. */
  #places(counts: readonly number[], from: number): number[][] {
    const places: number[][] = counts.map(() => [])
    let place = from
    for (let round = 0; round < Math.max(...counts); round++)
      for (const [i, count] of counts.entries()) if (round < count) places[i]!.push(place++)
    return places
  }

  #serve(name: string, jobs: readonly (LeasedJob | undefined)[], token: string): void {
    for (const leased of jobs) {
      const job = this.#firstOf(name).find(({ id }) => id === leased?.id)
      if (!job) throw new Error(`${leased?.id} was handed out, but it is the turn of '${name}'`)
      job.claim(token, false)
      expect(leased).toMatchObject(job.handedOut)
    }
    if (name === NONE) {
      this.#ownTurn = ++this.#turn
      return
    }
    const lane = this.#lanes.get(name)!
    lane.turn = undefined
    lane.first = undefined
    this.#stirOne(name)
  }

  #inTurn(): string[] {
    const turns = [...this.#lanes].flatMap(([name, { turn }]) => (turn === undefined ? [] : [{ name, turn }]))
    if (this.#due(NONE).length > 0) turns.push({ name: NONE, turn: this.#ownTurn })
    return turns.sort((a, b) => a.turn - b.turn).map(({ name }) => name)
  }

  #allowed(name: string, share: number): number {
    if (this.#lanes.get(name)?.first !== undefined) return Math.min(share, 1)
    const { concurrency = Number.POSITIVE_INFINITY } = this.#lanes.get(name)?.rules.limits ?? {}
    return Math.min(share, this.#due(name).length, concurrency - this.#busy(name))
  }

  #stirOne(name: string): void {
    const lane = this.#lanes.get(name)!
    const now = this.#now()
    const pending = this.#of(name)
    let at = this.#due(name).length > 0 ? 0 : Math.min(...pending.map(({ place }) => place))
    const first = pending.find(({ id }) => id === lane.first)
    if (first === undefined) lane.first = undefined
    else if (first.place > now) at = first.place
    if (lane.pausedUntil > now) at = at === Infinity ? lane.pausedUntil : Math.max(at, lane.pausedUntil)
    const { concurrency = Number.POSITIVE_INFINITY } = lane.rules.limits ?? {}
    if (at === 0 && this.#busy(name) >= concurrency) at = Infinity
    if (pending.length === 0 && this.#busy(name) === 0 && lane.pausedUntil <= now) {
      this.#lanes.delete(name)
      return
    }
    lane.turn = at > 0 ? undefined : (lane.turn ?? ++this.#turn)
    lane.wakeAt = at > 0 && at < Infinity ? at : undefined
  }

  #firstOf(name: string): ModelJob[] {
    const first = this.#of(name).find(({ id }) => id === this.#lanes.get(name)?.first)
    if (first) return [first]
    const due = this.#due(name)
    return due.filter((job) => due.every((other) => rank(job, other) <= 0))
  }

  #due(name: string): ModelJob[] {
    return this.#of(name).filter((job) => job.state === 'waiting')
  }

  /** Those that have not begun. */
  #of(name: string): ModelJob[] {
    return [...this.#jobs.values()].filter((job) => job.isPending && (job.group?.name ?? NONE) === name)
  }

  #busy(name: string): number {
    return [...this.#jobs.values()].filter((job) => job.state === 'active' && job.group?.name === name).length
  }
}
