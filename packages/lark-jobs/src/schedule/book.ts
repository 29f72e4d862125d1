/**
 * The schedules of a store: reads and changes one schedule at a time.
 *
 * A change reads the schedule, computes, and writes on condition that the schedule still has the version
 * number that was read. If another process has written the schedule meanwhile, the schedule is read and
 * changed again. So any number of processes may make changes at the same time, and no change is lost.
 *
 * A schedule is kept in the partition of its jobs, and the home of the schedule names that partition
 * (`store/contract/schedules.ts`). Nothing writes to two partitions at once, so a schedule whose jobs go to
 * another partition moves in steps: first it is marked and no longer ticks, then it is written unchanged to
 * its new partition, then its home changes, and in the end the old entry is removed. Any process may repeat
 * each step.
 */

import { defined } from '@s18i/lark/internal'
import { JobsError } from '../model/errors.ts'
import { grouped } from '../model/grouped.ts'
import { tickId } from '../model/tick.ts'
import type { Missed } from '../options/schedules/timing.ts'
import { alterFollowed, getFollowed } from '../store/contract/moved.ts'
import { inLots } from '../store/contract/rules/in-lots.ts'
import type { Bound, Enqueued, ScheduleWritten, Store, StoredSchedule } from '../store/contract/store.ts'
import { CHANGES, MAX_BYTES, MAX_ITEMS } from '../store/contract/store.ts'
import { type Definition, writeDefinition } from './definition.ts'
import { homeIn, partitionOf } from './home.ts'
import { begin, offsetOf, type Plan, planResume, planTicks, type Schedule, tickAt } from './plan.ts'
import type { ScheduleState } from './state.ts'
import { type Changed, type KeptSchedule, newOf, writeOf } from './tick-write.ts'

export class ScheduleBook {
  readonly #store: Store
  readonly #boundOf: (partition: string) => Bound | undefined

  /** @param boundOf returns how many jobs a partition may hold */
  constructor(store: Store, boundOf: (partition: string) => Bound | undefined = () => undefined) {
    this.#store = store
    this.#boundOf = boundOf
  }

  /** @throws STORE_DAMAGED if the stored schedule is unreadable */
  async get(id: string): Promise<KeptSchedule | undefined> {
    for (;;) {
      const home = await this.#store.schedules.home(id)
      if (home === undefined) return undefined
      const found = await this.#read(partitionOf(home), id)
      if (found?.state.movesTo === undefined) return found
      await this.complete(found)
    }
  }

  /**
   * Creates a schedule, or changes its definition. If the schedule already has this definition, nothing
   * changes.
   *
   * @param partition the partition of its jobs
   * @param allows throws if the existing schedule must not be replaced
   */
  async set(
    id: string,
    definition: Definition,
    partition: string,
    allows: (found: KeptSchedule) => void = () => {},
  ): Promise<KeptSchedule> {
    const text = writeDefinition(definition)
    for (;;) {
      const home = await this.#homeIn(id, partition, definition)
      const entry = await this.#read(partitionOf(home), id)
      if (entry !== undefined) allows(entry)
      if (entry?.state.movesTo !== undefined) {
        await this.complete(entry)
        continue
      }
      const isAlike = entry !== undefined && writeDefinition(entry.definition) === text
      if (isAlike && entry.partition === partition) return entry
      // After one successful write, the schedule counts as set. Otherwise two processes with different
      // definitions would overwrite each other's definitions for ever.
      const is =
        entry === undefined
          ? await this.#create(id, definition, partition, home)
          : isAlike
            ? await this.leaveFor(entry, partition)
            : await this.replace(entry, definition, {}, partition)
      if (is !== undefined) return is
    }
  }

  /**
   * Creates a schedule that comes from another store, with the state that it had there.
   *
   * @returns false if a schedule with this id exists
   */
  async restore(
    id: string,
    definition: Definition,
    state: ScheduleState,
    partition: string,
  ): Promise<boolean> {
    for (;;) {
      if ((await this.get(id)) !== undefined) return false
      const home = await this.#homeIn(id, partition, definition)
      if ((await this.#create(id, definition, partition, home, state)) !== undefined) return true
    }
  }

  /**
   * Changes the definition of a schedule. Ticks that are already due belong to the old definition and are
   * handled first, so this may take more than one call.
   *
   * @param changes fields of the new state
   * @param partition the partition of its jobs. Default: the partition does not change
   * @returns the schedule. Undefined if the schedule does not have the new definition yet
   */
  async replace(
    found: KeptSchedule,
    definition: Definition,
    changes: Partial<ScheduleState> = {},
    partition = found.partition,
  ): Promise<KeptSchedule | undefined> {
    const { paused } = found.state
    const { state, ticks } = paused === undefined ? await this.plan(found) : recorded(found)
    if ((tickAt({ ...found, state }) ?? Number.POSITIVE_INFINITY) <= found.at) {
      await this.write(found, { state, ticks })
      return undefined
    }
    const after = handledUpTo(state, found.at, offsetOf(found.id, definition.jitter))
    const begun = { ...begin(definition, found.at, state, after), ...changes }
    return this.#place(found, { definition, state: begun, ticks }, partition)
  }

  /**
   * Starts the move of a schedule to the partition of its jobs.
   *
   * @returns the schedule. Undefined if another process has changed the schedule
   */
  leaveFor(found: KeptSchedule, partition: string): Promise<KeptSchedule | undefined> {
    return this.#place(found, { state: found.state }, partition)
  }

  /**
   * Changes a schedule.
   *
   * @param change makes the change, or returns undefined to change nothing. Called again if another process
   *   has written the schedule meanwhile
   * @returns the schedule before and after the change. Undefined if there is no such schedule
   */
  async change(
    id: string,
    change: (found: KeptSchedule) => Changed | undefined | Promise<Changed | undefined>,
  ): Promise<{ before: KeptSchedule; changed: Changed | undefined; queued: Enqueued[] } | undefined> {
    for (;;) {
      const before = await this.get(id)
      if (before === undefined) return undefined
      const changed = await change(before)
      if (changed === undefined) return { before, changed, queued: [] }
      const { isWritten, jobs } = await this.#write(before, changed)
      if (isWritten) return { before, changed, queued: jobs }
    }
  }

  /** @returns whether the schedule existed */
  async remove(id: string, allows: (found: KeptSchedule) => void = () => {}): Promise<boolean> {
    for (;;) {
      const found = await this.get(id).catch((error) => {
        if (JobsError.is(error, 'STORE_DAMAGED')) return 'damaged' as const
        throw error
      })
      if (found === undefined) return false
      if (found === 'damaged') return this.#discard(id)
      allows(found)
      if (await this.forget(found)) return true
    }
  }

  /**
   * Removes a schedule, unless another process has changed it since it was read. @returns whether the
   * schedule was removed
   */
  async forget({ id, partition, rev }: KeptSchedule): Promise<boolean> {
    const { schedules } = this.#store
    const home = await schedules.home(id)
    const { written } = await schedules.write(partition, [{ id, rev, remove: true }], undefined, true)
    const { isWritten } = written[0]!
    // The home is removed last, and only if it has not changed since it was read above. If another process
    // has set the schedule again meanwhile, the schedule has another home.
    if (isWritten && home !== undefined && partitionOf(home) === partition)
      await schedules.move(id, home, undefined)
    return isWritten
  }

  /**
   * Ends a pause.
   *
   * @returns what happens to the ticks of the pause. Undefined if there is no such schedule
   */
  async resume(id: string, missed: Missed): Promise<Pick<Plan, 'ticks' | 'skipped'> | undefined> {
    let plan: Plan | undefined
    const done = await this.change(id, async (found) => {
      if (found.state.paused === undefined) return undefined
      const most = mostOf(found.definition.job, MAX_ITEMS)
      plan = await this.#besideOthers(found, (isRunning) =>
        planResume(found, found.at, missed, { most, isRunning }),
      )
      return plan
    })
    return done && { ticks: [], skipped: 0, ...(done.changed && plan) }
  }

  /**
   * All schedules that can be read, in the order of their ids.
   *
   * @param ofClass `true`: only schedules that job classes declare. `false`: only other schedules. Default:
   *   all schedules
   * @param damaged receives the ids of the schedules that cannot be read
   */
  async list(ofClass?: boolean, damaged: string[] = []): Promise<KeptSchedule[]> {
    const homes = (await this.#store.schedules.homes(ofClass)).filter(({ id }) => id !== CHANGES)
    const partitions = grouped(homes.map(({ id, home }) => [partitionOf(home), id] as const))
    const all: KeptSchedule[] = []
    for (const [partition, ids] of partitions) {
      for (const some of inLots(ids, MAX_ITEMS)) {
        const { at, found } = await this.#store.schedules.get(partition, some)
        for (const stored of found) {
          const schedule = stored && this.#readable(partition, stored, at)
          if (schedule !== undefined) all.push(schedule)
          else if (stored !== undefined) damaged.push(stored.id)
        }
      }
    }
    return all.sort((one, other) => (one.id < other.id ? -1 : 1))
  }

  /**
   * Plans what happens to the due ticks of a schedule. If `overlap` is `cancel`, this also cancels the jobs
   * of earlier runs. That is correct even if the later write fails, because in that case another worker has
   * handled the ticks.
   *
   * @param lead ticks that are due within this time are included, in milliseconds
   */
  plan(found: KeptSchedule, lead = 0): Promise<Plan> {
    const most = mostOf(found.definition.job, 100)
    return this.#besideOthers(found, (isRunning) => planTicks(found, found.at, { most, isRunning, lead }))
  }

  /**
   * @param plan makes the plan; its argument says whether a job of the last tick or of the last run by hand
   *   has not ended
   */
  async #besideOthers(found: KeptSchedule, plan: (isRunning: boolean) => Plan): Promise<Plan> {
    const { definition, state, partition, id } = found
    const isAsked = definition.overlap === 'skip' || definition.overlap === 'cancel'
    const before = isAsked ? [state.last, state.byHand].filter((instant) => instant !== undefined) : []
    const running: string[] = []
    for (const job of before.map((at) => tickId({ schedule: id, at }))) {
      const kept = await getFollowed(this.#store, partition, job, true)
      if (kept !== undefined && kept.finishedAt === undefined) running.push(job)
    }
    const planned = plan(running.length > 0)
    if (running.length > 0 && definition.overlap === 'cancel' && planned.ticks.length > 0) {
      const because = `the next run of ${id} is due`
      await alterFollowed(this.#store, partition, running, { kind: 'cancel', reason: 'replaced', because })
    }
    return planned
  }

  /**
   * @returns the new revision number. 0 if nothing was written, because another process has changed the
   *   schedule
   */
  async write(found: KeptSchedule, changed: Changed): Promise<number> {
    return (await this.#write(found, changed)).rev
  }

  /**
   * Completes a move of a schedule to another partition. Other processes may have completed the move
   * meanwhile, and may have set, removed or moved the schedule since then.
   */
  async complete({ id, partition, state, rev, definition }: KeptSchedule): Promise<void> {
    const { schedules } = this.#store
    const { movesTo, ...kept } = state
    if (movesTo === undefined) return
    const home = await schedules.home(id)
    const isHere = home !== undefined && partitionOf(home) === partition
    if ((await schedules.get(partition, [id])).found[0]?.rev !== rev) return
    if (isHere) {
      const arrived = await this.#arrive(movesTo, { id, definition, state: kept })
      const is = await schedules.move(id, home, homeIn(movesTo), definition.ofClass !== undefined)
      // The schedule is already in a third partition: another process has completed this move and then moved
      // the schedule again.
      if (arrived > 0 && (is === undefined || partitionOf(is) !== movesTo))
        await schedules.write(movesTo, [{ id, rev: arrived, remove: true }])
    }
    await schedules.write(partition, [{ id, rev, remove: true }], undefined, true)
  }

  /**
   * @returns the revision number of the schedule in the new partition. 0 if another process has already
   *   written the schedule there
   */
  async #arrive(partition: string, schedule: Omit<Schedule, 'runs'>): Promise<number> {
    const { id, definition, state } = schedule
    const { at, found } = await this.#store.schedules.get(partition, [id])
    const there = found[0] && this.#readable(partition, found[0], at)
    // An entry with `movesTo` was left behind by a later move, so it does not count as the schedule.
    const isLeft = there?.state.movesTo !== undefined
    const write = newOf(id, definition, state, isLeft ? there?.rev : 0)
    const { written } = await this.#store.schedules.write(partition, [write], undefined, true)
    return written[0]!.rev
  }

  /**
   * Checks whether a schedule that was found in a partition has its home there, and repairs it if not. A
   * failover that loses the last changes may lose a home or bring back an earlier home. In this case, this
   * method writes the home again. If a process dies while other processes set the same schedule in another
   * partition, there may be two entries of the schedule. In this case, this method removes the entry in this
   * partition.
   */
  async adopt({ id, partition, rev, definition }: KeptSchedule): Promise<void> {
    const { schedules } = this.#store
    const home = await schedules.home(id)
    if (home !== undefined && partitionOf(home) === partition) return
    const other = home === undefined ? undefined : await this.#read(partitionOf(home), id)
    if (other === undefined)
      await schedules.move(id, home, homeIn(partition), definition.ofClass !== undefined)
    // A schedule that is moving may have entries in two partitions. If the schedule is not moving, this entry
    // is a leftover, and is removed.
    else if (other.state.movesTo === undefined)
      await schedules.write(partition, [{ id, rev, remove: true }], undefined, true)
  }

  /** Reads a schedule that `due` has returned. @throws STORE_DAMAGED if the stored text is unreadable */
  parse(partition: string, stored: StoredSchedule, at: number): KeptSchedule {
    const { id, rev, runs } = stored
    try {
      const definition = JSON.parse(stored.definition) as Definition
      const state = JSON.parse(stored.state) as ScheduleState
      if (typeof definition.timing === 'object' && Array.isArray(state.ahead))
        return { id, partition, rev, runs, at, definition, state }
    } catch {
      // The text is not JSON. The error is thrown below.
    }
    throw new JobsError(
      'STORE_DAMAGED',
      `${this.#store.name} has a schedule '${id}' that Lark did not write`,
      { hint: 'Remove the schedule, and make it again.' },
    )
  }

  #readable(...read: Parameters<ScheduleBook['parse']>): KeptSchedule | undefined {
    try {
      return this.parse(...read)
    } catch (error) {
      if (JobsError.is(error, 'STORE_DAMAGED')) return undefined
      throw error
    }
  }

  /** Removes a schedule that is unreadable. @returns whether the schedule existed */
  async #discard(id: string): Promise<boolean> {
    const { schedules } = this.#store
    const home = await schedules.home(id)
    if (home === undefined) return false
    const partition = partitionOf(home)
    const [stored] = (await schedules.get(partition, [id])).found
    if (stored !== undefined) await schedules.write(partition, [{ id, rev: stored.rev, remove: true }])
    await schedules.move(id, home, undefined)
    return stored !== undefined
  }

  async #read(partition: string, id: string): Promise<KeptSchedule | undefined> {
    const { at, found } = await this.#store.schedules.get(partition, [id])
    return found[0] && this.parse(partition, found[0], at)
  }

  /** The home of a schedule. A schedule without a home gets a home in this partition. */
  async #homeIn(id: string, partition: string, { ofClass }: Definition): Promise<string> {
    const { schedules } = this.#store
    const home = await schedules.home(id)
    return home ?? (await schedules.move(id, undefined, homeIn(partition), ofClass !== undefined))!
  }

  /**
   * Writes a change, and moves the schedule to the partition of its jobs.
   *
   * @returns the schedule. Undefined if the change was not written
   */
  async #place(found: KeptSchedule, changed: Changed, partition: string): Promise<KeptSchedule | undefined> {
    const { definition = found.definition } = changed
    const isMoving = partition !== found.partition
    const state = isMoving ? { ...changed.state, movesTo: partition } : changed.state
    const rev = await this.write(found, { ...changed, state })
    if (rev === 0) return undefined
    if (isMoving) await this.complete({ ...found, definition, state, rev })
    return { ...found, definition, state: changed.state, rev, partition }
  }

  /** @returns the schedule. Undefined if another process has created a schedule with this id */
  async #create(
    id: string,
    definition: Definition,
    partition: string,
    home: string,
    kept?: ScheduleState,
  ): Promise<KeptSchedule | undefined> {
    const { schedules } = this.#store
    // This home has a new nonce. A simultaneous call that removes the former schedule knows only the former
    // home, so it cannot remove this home.
    const mine = homeIn(partition)
    const is = await schedules.move(id, home, mine, definition.ofClass !== undefined)
    if (is !== mine) return undefined
    const { at } = await schedules.get(partition, [])
    const state = kept ?? begin(definition, at)
    if (kept === undefined && definition.ofClass !== undefined) state.firstSeen = at
    const { written } = await schedules.write(partition, [newOf(id, definition, state)], undefined, true)
    const { rev, isWritten } = written[0]!
    if (!isWritten) return undefined
    const present = await schedules.home(id)
    if (present === undefined) return undefined
    if (partitionOf(present) === partition) return { id, partition, rev, at, definition, state, runs: [] }
    // Another process has created the schedule in another partition meanwhile, so the entry that this process
    // has written is removed.
    await schedules.write(partition, [{ id, rev, remove: true }], undefined, true)
    return undefined
  }

  async #write(found: KeptSchedule, changed: Changed): Promise<ScheduleWritten> {
    const { partition } = found
    const { written } = await this.#store.schedules.write(
      partition,
      [writeOf(found, changed)],
      this.#boundOf(partition),
      true,
    )
    return written[0]!
  }
}

/**
 * The plan when a paused schedule gets a new definition: the ticks of the pause are recorded as skipped,
 * because they belong to the old definition.
 */
function recorded(found: KeptSchedule): Plan {
  const { paused, resumedAt } = found.state
  const plan = planResume(found, found.at, 'skip')
  return { ...plan, state: { ...plan.state, ...defined({ paused, resumedAt }) } }
}

/**
 * The instant up to which the ticks of a schedule have been handled when a new definition takes effect. A
 * tick whose instant has passed may not be due yet because of the jitter.
 */
function handledUpTo({ next, last = 0 }: ScheduleState, at: number, offset: number): number {
  return next !== undefined && next <= at ? Math.max(next - 1, at - offset) : Math.max(at, last)
}

/** How many jobs with this payload fit into one call. */
function mostOf({ payload }: Definition['job'], most: number): number {
  return Math.max(1, Math.min(most, Math.floor(MAX_BYTES / (Buffer.byteLength(payload) + 1))))
}
