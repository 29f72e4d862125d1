/** Reads and writes the document with the changes at a pace of a store. */
import { defined } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import { homeIn, partitionOf } from '../../schedule/home.ts'
import { parsed } from '../../store/contract/rules/unreadable.ts'
import { CHANGES, type Store, type StoredSchedule } from '../../store/contract/store.ts'
import { type KeptChange, nextOf, withoutOld } from './kept-change.ts'

/** The document as it was read. */
export interface ChangesRead {
  partition: string
  /** The revision of the document. 0 if there is no document yet. */
  rev: number
  /** The time by the store's clock. */
  at: number
  changes: KeptChange[]
}

export class ChangeBook {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * @param partition the partition of a new document. If this argument is missing and there is no document,
   * the result is undefined
   */
  async read(partition?: string): Promise<ChangesRead | undefined> {
    const { schedules } = this.#store
    const known = await schedules.home(CHANGES)
    if (known === undefined && partition === undefined) return undefined
    const home = known ?? (await schedules.move(CHANGES, undefined, homeIn(partition!), false))!
    const place = partitionOf(home)
    const { at, found } = await schedules.get(place, [CHANGES])
    return { partition: place, at, rev: found[0]?.rev ?? 0, changes: this.#parse(found[0]) }
  }

  /**
   * Changes the document. If another process has written the document meanwhile, the document is read and
   * changed again.
   *
   * @param change returns the new list of changes, or undefined to write nothing
   * @param partition the partition of a new document
   * @returns the list of changes after the call, and the time by the store's clock
   */
  async update(
    change: (read: ChangesRead) => readonly KeptChange[] | undefined,
    partition?: string,
  ): Promise<Pick<ChangesRead, 'changes' | 'at'>> {
    for (;;) {
      const read = await this.read(partition)
      if (read === undefined) return { changes: [], at: await this.#store.now() }
      const changed = change(read)
      if (changed === undefined) return read
      const changes = withoutOld(changed, read.at)
      if ((await this.#write(read, changes)) !== undefined) return { changes, at: read.at }
    }
  }

  /**
   * Changes one change of the document.
   *
   * @param change returns the new version of the change, or undefined to write nothing
   * @returns the change after the call. Undefined if there is no such change
   */
  async updateOne(
    id: string,
    change: (found: KeptChange, at: number) => KeptChange | undefined,
  ): Promise<{ change: KeptChange; at: number } | undefined> {
    const { changes, at } = await this.update((read) => {
      const found = read.changes.find((each) => each.id === id)
      const changed = found && change(found, read.at)
      return changed && read.changes.map((each) => (each === found ? changed : each))
    })
    const found = changes.find((each) => each.id === id)
    return found && { change: found, at }
  }

  /** @returns undefined if another process has written the document meanwhile */
  async #write({ partition, rev }: ChangesRead, changes: readonly KeptChange[]): Promise<true | undefined> {
    const state = JSON.stringify({ changes })
    const next = nextOf(changes)
    const write = { id: CHANGES, rev, state, ...(rev === 0 && { definition: '{}' }), ...defined({ next }) }
    const { written } = await this.#store.schedules.write(partition, [write], undefined, true)
    return written[0]!.isWritten || undefined
  }

  /** @throws STORE_DAMAGED */
  #parse(stored: StoredSchedule | undefined): KeptChange[] {
    if (stored === undefined) return []
    const state = parsed(stored.state) as { changes?: KeptChange[] } | undefined
    if (Array.isArray(state?.changes)) return state.changes
    const message = `${this.#store.name} has a list of changes at a pace that Lark did not write`
    throw new JobsError('STORE_DAMAGED', message)
  }
}
