/**
 * Makes random calls in random order, and compares the answers of the store with the answers of a model. Some
 * answers are lost, so these calls are sent again, at once or after other calls. The same seed makes the same
 * sequence, and a failure prints the steps of its sequence.
 */
import { expect, test } from 'vitest'
import { type Effect, type EffectName, memberId, nameOf } from '../../src/model/effect.ts'
import { type ClaimedJob, type EndedState, type NewJob, states } from '../../src/model/record.ts'
import { bring } from '../../src/store/contract/moved.ts'
import {
  CALL_MEMORY,
  type Change,
  type EffectsWanted,
  type Exchange,
  isSuspect,
  type RecoverOptions,
  type SettingChange,
  type Settlement,
  type Want,
} from '../../src/store/contract/store.ts'
import type { Caller } from './caller.ts'
import {
  chanceGroups,
  chanceJob,
  chanceLimiters,
  chanceOutcome,
  chancePayload,
  chanceSignals,
  chanceSteps,
  chanceTags,
  chosenIds,
} from './chance.ts'
import { compare, withoutEmptyJournal } from './compare.ts'
import { end, Home } from './flow-home.ts'
import type { Harness, Make } from './harness.ts'
import { Model } from './model.ts'
import { endedStates } from './model-job.ts'
import { Random } from './random.ts'

const BLOCK = 30
const STEPS = 50

/** The retention is so small that random sequences reach every limit. */
const kept = { count: 3, age: 2_000 }
const LEASES = [50, 300, 2_000]
/** Milliseconds after which calls are forgotten and minutes have passed. */
const LONG = 25 * 60_000

const FLOWS = ['one', 'other']
const SIZE = 9
const all = Array.from({ length: SIZE }, (_, index) => index)

/** Whether the end of a member counts. @param before the end of this member that has counted until now */
function counts(before: EndedState | undefined, state: EndedState): boolean {
  return before === undefined || (before !== 'completed' && state === 'completed')
}

function hasFailed(state: EndedState | undefined): boolean {
  return state === 'failed' || state === 'cancelled'
}

/**
 * A call whose answer was lost. The store has carried it out. The caller makes no other call until it has the
 * answer.
 */
interface Lost {
  caller: Caller
  /** Sends the call again, and checks the answer. */
  again: () => Promise<void>
}

/**
 * `LARK_SEED=1000` makes the sequences from this seed on. A failure names its seed.
 *
 * @param seeds the first seed and the last seed
 */
export function sequences(make: Make, [from, to]: readonly [from: number, to: number]): void {
  const start = Number(process.env.LARK_SEED ?? from)
  for (let first = start; first <= start + to - from; first += BLOCK) {
    const title = `random verbs, seeds ${first} to ${first + BLOCK - 1}: every answer is that of the model`
    // The sequences take seconds on an idle machine, and a minute on a very busy one.
    test(title, { timeout: 240_000 }, async () => {
      await using harness = await make({ retention: { completed: kept, failed: kept, cancelled: kept } })
      for (let seed = first; seed < first + BLOCK; seed += 1) await new Sequence(harness, seed).run()
    })
  }
}

class Sequence {
  readonly #harness: Harness
  readonly #seed: number
  readonly #random: Random
  readonly #model: Model
  readonly #partition: string
  readonly #callers: Caller[]
  /** Every job that was ever handed out, so that calls with old tokens are made, too. */
  readonly #handed: ClaimedJob[] = []
  #lost: Lost[] = []
  /**
   * Every effect that was ever handed out, so that effects of earlier ends are acknowledged at random, too.
   */
  readonly #effects: EffectName[] = []
  readonly #open = new Map<string, Map<number, EndedState>>()
  /** For each kept flow, when its members were last started again. */
  readonly #starts = new Map<string, Map<number, number>>()
  /** The position of the listener. */
  #position: string | undefined
  readonly #story: string[] = []

  constructor(harness: Harness, seed: number) {
    this.#harness = harness
    this.#seed = seed
    this.#random = new Random(seed)
    this.#partition = `seed/${seed}`
    this.#model = new Model(kept, () => harness.clock.now, this.#partition)
    this.#callers = ['ada', 'bob', 'cyd'].map((id) => harness.caller(id, this.#partition))
    this.#story.push(`LARK_SEED=${seed}`)
  }

  async run(): Promise<void> {
    const steps: [weight: number, step: () => Promise<void>][] = [
      [6, () => this.#enqueue()],
      [10, () => this.#exchange()],
      [6, () => this.#advance()],
      [3, () => this.#extend()],
      [4, () => this.#record()],
      [3, () => this.#signal()],
      [1, () => this.#append()],
      [3, () => this.#resend()],
      [5, () => this.#recover()],
      [3, () => this.#survey()],
      [3, () => this.#alter()],
      [2, () => this.#move()],
      [1, () => this.#configure()],
      [2, () => this.#prune()],
      [1, () => this.#clear()],
      [3, () => this.#flows()],
      [3, () => this.#watch()],
      [3, () => this.#listen()],
      [this.#hasGroups ? 2 : 0, () => this.#pause()],
    ]
    const wheel = steps.flatMap(([weight, step]) => new Array<() => Promise<void>>(weight).fill(step))
    try {
      for (let step = 0; step < STEPS; step += 1) {
        await this.#random.pick(wheel)!()
        await compare(this.#harness.store, this.#partition, this.#model, this.#random)
      }
    } catch (error) {
      throw new Error(this.#story.join('\n  '), { cause: error })
    }
  }

  async #enqueue(): Promise<void> {
    const caller = this.#caller()
    const list = Array.from({ length: 1 + this.#random.below(5) }, () => this.#newJob())
    this.#tell('enqueue', caller.id, list)
    const verdicts = await caller.enqueue(...list)
    expect(verdicts).toEqual(this.#model.enqueue(list))
    const call = caller.last()
    await this.#mayLose(caller, async () => {
      expect(await caller.store.enqueue(this.#partition, call, list)).toEqual(verdicts)
    })
  }

  async #exchange(): Promise<void> {
    const caller = this.#caller()
    const settlements = this.#random.some(this.#handed.slice(-8), 3).map(({ id, token }): Settlement => {
      const mayUndo = (this.#model.jobs.get(id)?.journal?.undo ?? null) !== null
      return { id, token, outcome: chanceOutcome(this.#random, this.#entriesOf(id), mayUndo) }
    })
    const want: Want = { limit: this.#random.below(5), leaseMs: this.#random.pick(LEASES)! }
    if (this.#random.chance(2)) want.prefetch = this.#random.below(5)
    if (this.#random.chance(4)) want.limits = { concurrency: 1 + this.#random.below(4) }
    if (this.#random.chance(4)) want.aging = this.#random.pick([1, 60])!
    if (this.#random.chance(2))
      want.permits = Object.fromEntries(
        this.#random.some(chanceLimiters).map((limiter) => [limiter, this.#random.below(4)]),
      )
    this.#tell('exchange', caller.id, settlements, want)
    const effects = this.#chanceEffects()
    if (effects !== undefined) this.#tell('effects', effects)
    const exchange = await caller.exchange(settlements, { ...want, effects })
    expect(exchange.verdicts).toEqual(settlements.map((settlement) => this.#model.settle(settlement)))
    const call = caller.last()
    const before = this.#model.in('active').length
    this.#model.claim(exchange.jobs, want, `${caller.id}.${call.number}`)
    const mayLimit = Math.min(want.limit, (want.limits?.concurrency ?? Infinity) - before) > 0
    expect(exchange.limited ?? {}).toEqual(mayLimit && !this.#model.paused ? this.#model.lanes.limited : {})
    expect(exchange.nextDue).toBe(this.#model.isFull(want, exchange.jobs) ? undefined : this.#model.nextDue())
    this.#handed.push(...exchange.jobs)
    this.#compareEffects(effects, exchange.effects)
    await this.#mayLose(caller, async () => {
      const { nextTick, ...again } = await caller.store.exchange(this.#partition, call, settlements, want)
      const { verdicts, jobs } = exchange
      const nextDue = this.#model.nextDue()
      expect({ ...again, jobs: again.jobs.map(withoutEmptyJournal) }).toEqual<Exchange>({
        verdicts,
        jobs: this.#model.stillHeld(jobs),
        ...(nextDue !== undefined && { nextDue }),
      })
    })
  }

  /** Returns a random caller that does not wait for an answer. */
  #caller(): Caller {
    return this.#random.pick(
      this.#callers.filter((caller) => !this.#lost.some((lost) => lost.caller === caller)),
    )!
  }

  /** Loses the answer at random. The call is then sent again at once, or some time later. */
  async #mayLose(caller: Caller, again: () => Promise<void>): Promise<void> {
    if (this.#random.chance(5)) {
      this.#tell('again', caller.id)
      await again()
    } else if (this.#random.chance(4) && this.#lost.length < this.#callers.length - 1) {
      this.#tell('(its answer is lost)')
      this.#lost.push({ caller, again })
    }
  }

  async #resend(): Promise<void> {
    const lost = this.#lost.shift()
    if (!lost) return
    this.#tell('again', lost.caller.id)
    await lost.again()
  }

  async #advance(): Promise<void> {
    const ms = this.#random.chance(12) ? LONG : this.#random.pick([1, 50, 300, 1_000])!
    this.#tell('advance', ms)
    this.#harness.clock.advance(ms)
    if (ms > CALL_MEMORY) this.#lost = []
  }

  async #extend(): Promise<void> {
    const notes = this.#random.some(this.#handed.slice(-8)).map((held) => {
      const { id, token } = held
      return {
        id,
        token,
        ...(isSuspect(held) && this.#random.chance(2) && { alone: this.#random.chance(2) }),
      }
    })
    const leaseMs = this.#random.pick(LEASES)!
    this.#tell('extend', notes, leaseMs)
    const extension = await this.#harness.store.extend(this.#partition, 'ada', notes, leaseMs)
    expect(extension).toEqual(this.#model.extend(notes, leaseMs))
  }

  async #record(): Promise<void> {
    const notes = this.#random.some(this.#handed.slice(-8)).map(({ id, token }) => ({
      ...{ id, token },
      ...(!this.#random.chance(4) && { steps: chanceSteps(this.#random, this.#entriesOf(id)) }),
      ...(this.#random.chance(2) && { heard: this.#random.below(3) }),
    }))
    if (notes.length === 0) return
    this.#tell('record', notes)
    const expected = this.#model.record(notes)
    expect(await this.#harness.store.journals.record(this.#partition, notes)).toEqual(expected)
  }

  async #signal(): Promise<void> {
    const id = this.#random.pick([...this.#model.jobs.keys(), ...chosenIds, 'nobody'])!
    const signal = {
      ...{ name: this.#random.pick(chanceSignals)!, text: `"${this.#random.below(9)}"` },
      ...(this.#random.chance(2) && { key: this.#random.pick(['one', 'two'])! }),
      ...(chosenIds.includes(id) && { mayBeEarly: true }),
    }
    this.#tell('signal', id, signal)
    const verdict = await this.#harness.store.journals.signal(this.#partition, id, signal)
    expect(verdict).toBe(this.#model.signal(id, signal))
  }

  async #append(): Promise<void> {
    const recorded = [...this.#model.jobs.values()].filter(({ wholeJournal }) => wholeJournal !== undefined)
    const id = this.#random.pick([...recorded.map((job) => job.id), 'nobody'])!
    const { at, entries } = chanceSteps(this.#random, this.#entriesOf(id))
    this.#tell('append', id, at, entries)
    const verdict = await this.#harness.store.journals.append(this.#partition, id, { at, entries })
    expect(verdict).toBe(this.#model.append(id, { at, entries }))
  }

  #entriesOf(id: string): number {
    return this.#model.jobs.get(id)?.journal?.entries.length ?? 0
  }

  async #survey(): Promise<void> {
    const leaseMs = this.#random.pick(LEASES)!
    this.#tell('survey', leaseMs)
    await this.#harness.store.survey('dan', [{ partition: this.#partition }], undefined, leaseMs)
    this.#model.hear(leaseMs)
  }

  async #recover(): Promise<void> {
    const { now } = this.#harness.clock
    const options: RecoverOptions = {
      ...(this.#random.chance(3) && { forgiving: true }),
      ...(this.#random.chance(2) && { fromWithin: true }),
      ...(this.#random.chance(3) && { holder: this.#random.pick(this.#callers)!.id }),
      ...(this.#random.chance(4) && { until: now + this.#random.pick([-1, 0, 500])! }),
      ...(this.#random.chance(4) && {
        unread: this.#random.pick(['nobody.1', ...this.#model.in('active').map(({ token }) => token)])!,
      }),
      ...(this.#random.chance(2) && { leaseMs: this.#random.pick(LEASES)! }),
      effects: this.#chanceEffects(),
    }
    this.#tell('recover', options)
    const recovery = await this.#harness.store.recover(this.#partition, options)
    const expected = this.#model.recover(options)
    expect([...recovery.recovered].sort()).toEqual(expected.recovered.sort())
    expect([...recovery.failed].sort()).toEqual(expected.failed.sort())
    expect([...(recovery.crashed ?? [])].sort()).toEqual(expected.crashed.sort())
    expect([...(recovery.doubted ?? [])].sort()).toEqual(expected.doubted.sort())
    expect(recovery.nextLeaseEnd).toBe(expected.nextLeaseEnd)
    this.#compareEffects(options.effects, recovery.effects)
    expect(recovery.nextEffect).toBe(this.#model.nextEffect())
  }

  async #alter(): Promise<void> {
    const asked = this.#random.some([...this.#model.ids, 'nobody']).slice(0, 3)
    const kinds: { [Kind in Change['kind']]: (Change & { kind: Kind })[] } = {
      retry: [{ kind: 'retry', keepsFailures: this.#random.chance(2), fromStart: this.#random.chance(4) }],
      cancel: [
        { kind: 'cancel', reason: 'user' },
        {
          kind: 'cancel',
          reason: 'user',
          because: 'no | longer\nwanted 🚦',
          ifNotBegun: this.#random.chance(2),
        },
      ],
      remove: [{ kind: 'remove' }, { kind: 'remove', ifNotBegun: true }],
      purge: [{ kind: 'purge' }],
      unpin: [{ kind: 'unpin' }],
      'run-now': [{ kind: 'run-now' }],
      reschedule: [{ kind: 'reschedule', in: this.#random.below(800) }],
      edit: [
        {
          kind: 'edit',
          payload: chancePayload(this.#random),
          ...{ whileActive: this.#random.chance(2), force: this.#random.chance(2) },
        },
        { kind: 'edit', payload: chancePayload(this.#random), redact: this.#random.pick([['card|*'], []])! },
      ],
      prioritize: [{ kind: 'prioritize', priority: this.#random.pick([-5, 0, 7, 100])! }],
      'add-tags': [{ kind: 'add-tags', tags: this.#random.some(chanceTags) }],
      'remove-tags': [{ kind: 'remove-tags', tags: this.#random.some(chanceTags) }],
      report: [{ kind: 'report', log: [{ at: 1, level: 'info', text: 'seen' }] }],
    }
    const change = {
      ...this.#random.pick<Change>(Object.values(kinds).flat())!,
      ...(this.#random.chance(3) && { only: this.#random.some(states) }),
    }
    this.#tell('alter', asked, change)
    const verdicts = await this.#harness.store.alter(this.#partition, asked, change)
    expect(verdicts).toEqual(this.#model.alter(asked, change))
  }

  /** Moves jobs to another partition and back. Each step may be made twice. */
  async #move(): Promise<void> {
    const asked = this.#random.some([...this.#model.ids, 'nobody']).slice(0, 3)
    const away = `away/${this.#seed}`
    this.#tell('move', asked)
    const { store } = this.#harness
    const to = asked.map(() => away)
    const { verdicts, jobs } = await store.moves.take(this.#partition, asked, to)
    expect(verdicts).toEqual(this.#model.moveThereAndBack(asked))
    if (this.#random.chance(3)) {
      this.#tell('take again')
      expect(await store.moves.take(this.#partition, asked, to)).toEqual({ verdicts, jobs })
    }
    await bring(store, this.#partition, jobs)
    if (this.#random.chance(3)) await bring(store, this.#partition, jobs)
    const gone = jobs.map(({ id }) => id)
    for (const id of gone) expect(await store.get(this.#partition, id)).toBeUndefined()
    const back = await store.moves.take(
      away,
      gone,
      gone.map(() => this.#partition),
    )
    await bring(store, away, back.jobs)
    if (this.#random.chance(3)) await bring(store, away, back.jobs)
    // Repeats a call of the move to the other partition.
    if (this.#random.chance(3)) await bring(store, this.#partition, jobs)
    expect(await store.counts(away)).toMatchObject({ waiting: 0, delayed: 0 })
  }

  async #configure(): Promise<void> {
    const settings: SettingChange = this.#random.pick([
      { paused: false },
      { paused: false },
      { paused: true },
      { paused: true, for: this.#random.below(900) },
      { paused: true, for: this.#random.below(900), because: 'x', keepsLonger: true },
      {},
    ])!
    this.#tell('configure', settings)
    const set = await this.#harness.store.configure(this.#partition, settings)
    expect(set).toEqual(this.#model.configure(settings))
  }

  async #pause(): Promise<void> {
    const { name } = this.#random.pick(chanceGroups)!
    const ms = this.#random.pick([0, 0, 300, undefined])
    this.#tell('pause', name, ms)
    const met = await this.#harness.store.pause(this.#partition, name, ms)
    expect(met).toEqual(this.#model.lanes.pause(name, ms))
    this.#model.lanes.reposition()
  }

  async #prune(): Promise<void> {
    this.#tell('prune')
    expect(await this.#harness.store.prune(this.#partition)).toBe(this.#model.prune())
  }

  async #clear(): Promise<void> {
    const state = this.#random.pick(['waiting', 'delayed', 'hidden', ...endedStates] as const)!
    if (state === 'hidden' && this.#model.hasBare) return
    this.#tell('clear', state)
    expect(await this.#harness.store.clear(this.#partition, state)).toBe(this.#model.clear(state))
  }

  #chanceEffects(): EffectsWanted | undefined {
    if (this.#random.chance(2)) return undefined
    const done = this.#random.some(this.#effects.slice(-8))
    const leaseMs = this.#random.pick([...LEASES, 0, undefined])
    return { ...(leaseMs !== undefined && { leaseMs }), ...(done.length > 0 && { done }) }
  }

  /** Checks the effects that a call got which had asked for effects in this way. */
  #compareEffects(wanted: EffectsWanted | undefined, handed: readonly Effect[] | undefined): void {
    const expected = wanted === undefined ? [] : this.#model.effects(wanted)
    const names = (handed ?? []).map(nameOf)
    const sorted = (all: EffectName[]) => all.map(({ kind, id, at }) => `${kind} ${id} ${at}`).sort()
    expect(sorted(names)).toEqual(sorted(expected))
    expect(handed?.length).not.toBe(0)
    for (const { kind, job } of handed ?? []) {
      const { state, reason, payload } = (this.#model.jobs.get(job.id) ?? this.#model.hidden.get(job.id))!
      expect(job).toMatchObject({ state, ...(kind === 'hook' && { payload }) })
      expect(job.reason).toBe(reason)
      if (kind === 'member') expect(job).not.toHaveProperty('payload')
    }
    this.#effects.push(...names)
  }

  /** Counts the ends that the flows of this partition have counted since the last call. */
  #countEnds(): void {
    for (const { flow, index, state } of this.#model.ends.splice(0)) {
      const ended = this.#open.get(flow)
      if (ended !== undefined && counts(ended.get(index), state)) ended.set(index, state)
    }
  }

  /** Makes calls about the flows of this partition, whose members are jobs of the same partition. */
  async #flows(): Promise<void> {
    this.#countEnds()
    const home = new Home(this.#harness, this.#partition)
    const id = this.#random.pick(FLOWS)!
    const ended = this.#open.get(id)
    const what = this.#random.pick([
      'open',
      'apply',
      'apply',
      'reopen',
      'missing',
      'fates',
      'remove',
    ] as const)
    this.#tell(what, id)
    if (what === 'open') {
      const made = { id, rev: 0, definition: '{}', state: '{}', crowd: { reserved: SIZE } }
      expect((await home.write(made)).isWritten).toBe(ended === undefined)
      if (ended === undefined) {
        this.#open.set(id, new Map())
        this.#starts.set(id, new Map())
      }
    } else if (what === 'apply') {
      const start = this.#chanceStart()
      const ends = Array.from({ length: 3 }, () =>
        end(this.#random.below(SIZE + 1), {
          flow: id,
          state: this.#random.pick(['completed', 'failed', 'cancelled'] as const)!,
          ...(start !== undefined && { start }),
        }),
      )
      const verdicts = ends.map(({ index, state }) => {
        if (ended === undefined || index >= SIZE) return 'unknown'
        if (!counts(ended.get(index), state)) return 'repeated'
        const isFormer = (start ?? Number.POSITIVE_INFINITY) < (this.#starts.get(id)!.get(index) ?? 0)
        if (isFormer && state !== 'completed') return 'former'
        ended.set(index, state)
        return 'counted'
      })
      expect(await home.apply(...ends)).toEqual(verdicts)
      // A member that completes after a failure makes the flow due. The model does not know this, so the flow
      // is written here.
      for (const { id, rev, state } of await home.due()) await home.write({ id, rev, state })
    } else if (what === 'reopen') {
      const failed = this.#random.some(all).filter((index) => hasFailed(ended?.get(index)))
      const starts = this.#random.chance(4) ? undefined : failed.map(() => this.#harness.clock.now)
      expect(await home.store.reopen(this.#partition, id, failed, starts)).toBe(failed.length)
      for (const [i, index] of failed.entries()) {
        ended!.delete(index)
        this.#starts.get(id)!.set(index, starts?.[i] ?? 0)
      }
    } else if (what === 'missing') {
      const after = this.#random.below(3) - 1
      const of = (isOne: (state: EndedState | undefined) => boolean) =>
        ended === undefined ? [] : all.filter((index) => index > after && isOne(ended.get(index)))
      const missing = of((state) => state === undefined)
      expect(await home.store.missing(this.#partition, id, after, 4)).toEqual(missing.slice(0, 4))
      expect(await home.store.failed(this.#partition, id, after, 4)).toEqual(of(hasFailed).slice(0, 4))
      const found = await home.find(id)
      const cancelled = [...(ended?.values() ?? [])].filter((state) => state === 'cancelled').length
      expect(found?.crowd).toEqual(
        ended && {
          reserved: SIZE,
          completed: [...ended.values()].filter((state) => state === 'completed').length,
          failed: [...ended.values()].filter(hasFailed).length,
          ...(cancelled > 0 && { cancelled }),
        },
      )
    } else if (what === 'fates') {
      const ids = this.#random.some([...this.#model.jobs.keys(), ...this.#model.hidden.keys(), 'nobody'])
      const fates = await home.store.fates(this.#partition, ids)
      expect(fates.map(({ kind }) => kind)).toEqual(ids.map((id) => this.#model.fate(id)))
    } else {
      const { rev = 0 } = (await home.find(id)) ?? {}
      expect((await home.write({ id, rev, remove: true })).isWritten).toBe(true)
      this.#open.delete(id)
    }
  }

  /** Returns when the job of a member was queued, or an earlier time, as a late end would have it. */
  #chanceStart(): number | undefined {
    const late = this.#random.pick([undefined, 0, 1, 1_000])
    return late === undefined ? undefined : this.#harness.clock.now - late
  }

  async #watch(): Promise<void> {
    const asked = this.#random.some([...this.#model.ids, 'nobody'])
    const ttl = this.#random.pick([100, 1_000, 30_000])!
    this.#tell('watch', asked, ttl)
    const fates = await this.#harness.store.watch(this.#partition, 'web', asked, ttl)
    expect(fates.map(({ kind }) => kind)).toEqual(this.#model.watch(asked, ttl))
  }

  /**
   * Gets all events since the last time, and compares them. The order of two events of one call is certain
   * only if both belong to the same job.
   */
  async #listen(): Promise<void> {
    const ttl = this.#random.pick([5_000, 60_000])!
    this.#tell('listen', ttl)
    const heard: string[] = []
    let isGap = false
    for (let entries = 1; entries > 0; ) {
      const page = await this.#harness.store.listen(this.#partition, 'web', ttl, this.#position)
      isGap ||= page.isGap ?? false
      this.#position = page.position
      heard.push(...page.entries.flatMap(({ kind, ids }) => ids.map((id) => `${id} ${kind}`)))
      entries = page.entries.length
    }
    const { hasLapsed } = this.#model.events
    const expected = this.#model.events.listen(ttl)
    if (hasLapsed && isGap) return
    const idOf = (event: string) => event.split(' ')[0]!
    const byJob = (events: string[]) =>
      events.sort((a, b) => (idOf(a) < idOf(b) ? -1 : Number(idOf(a) > idOf(b))))
    expect({ isGap, events: byJob(heard) }).toEqual({ ...expected, events: byJob(expected.events) })
  }

  #chanceMember(): string | undefined {
    if (!this.#random.chance(4)) return undefined
    const flow = this.#random.pick(FLOWS)!
    const home = this.#random.chance(2) ? this.#partition : 'elsewhere'
    const id = memberId({ flow, home, index: this.#random.below(SIZE) })
    return this.#model.isBare(id) ? undefined : id
  }

  /** Every second sequence has groups. The other sequences test prefetched jobs. */
  get #hasGroups(): boolean {
    return this.#seed % 2 === 0
  }

  #newJob(): NewJob {
    const known = this.#random.chance(8) ? this.#random.pick([...this.#model.ids, ...chosenIds]) : undefined
    return chanceJob(this.#random, known ?? this.#chanceMember(), this.#hasGroups)
  }

  #tell(...words: unknown[]): void {
    this.#story.push(words.map((word) => (typeof word === 'string' ? word : JSON.stringify(word))).join(' '))
  }
}
