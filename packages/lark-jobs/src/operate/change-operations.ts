/**
 * The operations on changes at a pace: begin, list, pause, resume, stop. The implementation is in `pace/`,
 * which is loaded with the first call.
 */
import type { OpenChange } from './change/row.ts'
import type { Operating } from './operated.ts'
import type { PacedKind } from './pace/kept-change.ts'
import type { PacedChange, PacedFilter, PaceOptions, PaceReason } from './pace/paced-changes.ts'

/**
 * Changes at a pace: changes by filter that go on by themselves, so many jobs at a time. They are kept in the
 * store, and any worker goes on with them. `operate().changes` is such an object.
 */
export class ChangeOperations {
  readonly #operating: Operating

  /** @internal */
  constructor(operating: Operating) {
    this.#operating = operating
  }

  /**
   * Begins a change at a pace: at most `limit` jobs in the time `per`, in several lots. It changes the jobs
   * that meet the filter now, and each of them once: a job that is retried and fails again is left. The
   * change stops by itself if too many of its jobs fail again. While their queue is paused, it waits.
   *
   * @param change `'retry'`, `'run-now'`, `'reschedule'` or `'move'`
   * @param filter as the change itself takes it: at least one condition, or `{ all: true }`
   * @param options `limit`, `per`, `maxFailed`; `delay` for `reschedule`, `to` for `move`; with `dryRun`, it
   *   only counts the jobs
   * @throws CHANGE_INVALID, FILTER_INVALID, UNKNOWN_QUEUE
   * @example await operate().changes.begin('retry', { kind: '3f2a' }, { limit: 500, per: '1m' })
   */
  async begin<Kind extends PacedKind>(
    change: Kind,
    filter: PacedFilter<Kind>,
    options: PaceOptions,
  ): Promise<PacedChange> {
    const { begin, checkBegin } = await import('./pace/paced-changes.ts')
    const beginning = checkBegin(change, filter, options, this.#operating.names)
    const { filter: on, value, dryRun } = beginning
    const act = async () => begin(await this.#open(), beginning, this.#operating.actor!)
    if (dryRun) return act()
    const to = change === 'move' ? String(value) : undefined
    return this.#operating.perform({ what: 'begin-change', on, to, count: () => 1 }, act)
  }

  /**
   * Lists the changes that go on, in the order in which they began; then those that have ended in the last
   * seven days, at most 20.
   *
   * @example for (const { id, done, left, failed } of await operate().changes.list()) show(id, done, left,
   *   failed)
   */
  async list(): Promise<PacedChange[]> {
    const { listChanges } = await import('./pace/paced-changes.ts')
    return listChanges(await this.#open())
  }

  /**
   * Pauses a change. A lot that a worker is changing is changed to its end.
   *
   * @param options `because`: the reason, for people
   * @returns the change. If it was paused or has ended, nothing changes
   * @throws CHANGE_NOT_FOUND, CHANGE_INVALID
   */
  async pause(id: string, options: PaceReason = {}): Promise<PacedChange> {
    const { checkHalt, pauseChange } = await import('./pace/paced-changes.ts')
    checkHalt('pause()', id, options)
    return this.#perform('pause-change', id, (open, by) => pauseChange(open, id, options, by))
  }

  /** Goes on with a paused change. @throws CHANGE_NOT_FOUND, CHANGE_INVALID */
  async resume(id: string): Promise<PacedChange> {
    const { checkHalt, resumeChange } = await import('./pace/paced-changes.ts')
    checkHalt('resume()', id, {})
    return this.#perform('resume-change', id, (open) => resumeChange(open, id))
  }

  /**
   * Stops a change for good. Jobs that were changed by then stay changed.
   *
   * @param options `because`: the reason, for people
   * @throws CHANGE_NOT_FOUND, CHANGE_INVALID
   */
  async stop(id: string, options: PaceReason = {}): Promise<PacedChange> {
    const { checkHalt, stopChange } = await import('./pace/paced-changes.ts')
    checkHalt('stop()', id, options)
    return this.#perform('stop-change', id, (open, by) => stopChange(open, id, options, by))
  }

  #perform(
    what: 'pause-change' | 'resume-change' | 'stop-change',
    id: string,
    act: (open: OpenChange, by: string) => Promise<PacedChange>,
  ): Promise<PacedChange> {
    return this.#operating.perform({ what, on: `change ${id}`, count: () => 1 }, async () => {
      const { who, host } = this.#operating.actor!
      return act(await this.#open(), `${who} at ${host}`)
    })
  }

  async #open(): Promise<OpenChange> {
    const { store, settings } = await this.#operating.jobs.open()
    return { store, settings, queues: settings.partitions }
  }
}
