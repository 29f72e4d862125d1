/**
 * Declares the schedules of this worker's classes when the worker starts, and every minute. Workers of
 * different deploys may declare different definitions of one schedule; `schedule/declared.ts` decides which
 * definition is used. A schedule is dropped after a while if living workers know its class and none of them
 * declares the schedule.
 */
import { defined } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import type { WorkerRecord } from '../../model/record.ts'
import type { Registry } from '../../options/registry.ts'
import type { ScheduleBook } from '../../schedule/book.ts'
import { FORGET, type Holding, holding } from '../../schedule/declared.ts'
import { hashOf } from '../../schedule/definition.ts'
import type { ScheduleState } from '../../schedule/state.ts'
import type { KeptSchedule } from '../../schedule/tick-write.ts'
import { isResendable, type Store } from '../../store/contract/store.ts'
import type { DeclaredSchedule, WorkerSchedules } from '../options.ts'
import { Part } from '../part.ts'
import type { WorkerReport } from '../report.ts'

/** Milliseconds between two declarations. */
const LOOK = 60_000

export interface DeclarationsOptions extends Pick<WorkerSchedules, 'declared' | 'placeOf'> {
  store: Store
  book: ScheduleBook
  registry: Registry
  /** Returns whether the store may have schedules that other workers declare. */
  hasOthers: () => boolean
  report: WorkerReport
  met: (error: unknown) => void
}

/** The hashes of the definitions that living workers declare, by the id of the schedule. */
type Declared = ReadonlyMap<string, ReadonlySet<string>>

export class Declarations extends Part {
  readonly #options: DeclarationsOptions
  readonly #warned = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined

  constructor(options: DeclarationsOptions) {
    super()
    this.#options = options
  }

  /** The part of the worker's record that lists its schedules. */
  get record(): Pick<WorkerRecord, 'schedules'> {
    const { declared } = this.#options
    if (declared.length === 0) return {}
    return { schedules: Object.fromEntries(declared.map(({ id, definition }) => [id, hashOf(definition)])) }
  }

  /**
   * Resolves when the schedules are declared, or when the attempt has failed because the store does not
   * answer.
   */
  protected override async onStart(): Promise<void> {
    const { declared, hasOthers, met } = this.#options
    if (declared.length > 0 || hasOthers()) {
      this.#looking = this.#look().catch(met)
      await this.#looking
    }
    if (this.isStopped) return
    this.#timer = setTimeout(() => void this.onStart(), LOOK * (0.75 + Math.random() / 2)).unref()
  }

  protected override async onStop(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#looking
  }

  async #look(): Promise<void> {
    const { store, book, declared } = this.#options
    const hashes = new Map<string, Set<string>>()
    const add = (id: string, hash: string) => hashes.set(id, (hashes.get(id) ?? new Set()).add(hash))
    for (const { schedules = {} } of await store.workers())
      for (const [id, hash] of Object.entries(schedules)) add(id, hash)
    for (const { id, definition } of declared) add(id, hashOf(definition))
    // One call reads all schedules of a partition. Usually no schedule has changed, so no further call is
    // needed.
    const all = new Map((await book.list(true)).map((found) => [found.id, found]))
    for (const each of declared)
      await this.#unlessAway(each.id, () => this.#declare(each, hashes, all.get(each.id)))
    for (const { id } of declared) all.delete(id)
    for (const found of all.values()) if (!hashes.has(found.id)) await this.#dropUndeclared(found)
  }

  /** Runs `act`. A schedule that is damaged, or that the store refuses, does not stop the other schedules. */
  async #unlessAway(id: string, act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      if (!JobsError.is(error) || isResendable(error)) throw error
      this.#warn(id, error.message)
    }
  }

  /** Warns once about each schedule. */
  #warn(id: string, text: string): void {
    if (!this.#warned.has(id)) this.#options.report.warn(text)
    this.#warned.add(id)
  }

  /** @param read the stored schedule, if the caller has just read it */
  async #declare(
    { id, definition }: DeclaredSchedule,
    hashes: Declared,
    read: KeptSchedule | undefined,
  ): Promise<void> {
    const { book, placeOf } = this.#options
    let first = read?.state.movesTo === undefined ? read : undefined
    while (!this.isStopped) {
      const found = first ?? (await book.get(id))
      first = undefined
      if (found === undefined) {
        await book.set(id, definition, placeOf(id, definition))
        continue
      }
      if (found.definition.ofClass === undefined) {
        const text = `${definition.ofClass} declares the schedule '${id}', but Jobs.schedules.set() has made one with this id`
        this.#warn(id, text)
        return
      }
      const held = holding(found, definition, hashes.get(id)!, found.at)
      const isHeld = held.definition === undefined || hashOf(held.definition) === hashOf(definition)
      const partition = placeOf(id, definition)
      if (await this.#hold(found, held)) continue
      if (!isHeld || partition === found.partition || hashOf(found.definition) !== hashOf(definition)) return
      await book.leaveFor(found, partition)
    }
  }

  /** @returns whether the stored schedule had to be changed */
  async #hold(found: KeptSchedule, { definition, changes }: Holding): Promise<boolean> {
    const { book } = this.#options
    const isDropped = found.state.ended?.why === 'dropped'
    if (definition !== undefined || isDropped)
      await book.replace(found, definition ?? found.definition, changes && defined(changes))
    else if (changes !== undefined) await book.write(found, { state: changed(found.state, changes) })
    else return false
    return true
  }

  async #dropUndeclared(found: KeptSchedule): Promise<void> {
    const { book, registry, report } = this.#options
    const { id } = found
    const { ofClass } = found.definition
    if (ofClass === undefined || !registry.keys.includes(ofClass)) return
    if (found.state.ended !== undefined) return
    const { changes } = holding(found, undefined, new Set(), found.at)
    const since = changes?.undeclaredSince ?? found.state.undeclaredSince ?? found.at
    if (found.at - since < FORGET) {
      if (changes !== undefined) await book.write(found, { state: changed(found.state, changes) })
      return
    }
    const { next: _, ...rest } = found.state
    const ended: ScheduleState = { ...rest, ahead: [], ended: { at: found.at, why: 'dropped' } }
    if ((await book.write(found, { state: ended })) > 0)
      report.warn(
        `Dropped the schedule '${id}': ${ofClass} has not declared it for ${FORGET / 60_000} minutes`,
      )
  }
}

function changed(state: ScheduleState, changes: NonNullable<Holding['changes']>): ScheduleState {
  const { undeclaredSince: _, ...rest } = state
  return { ...rest, ...defined(changes) }
}
