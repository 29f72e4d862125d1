/**
 * The operations on changes at a pace: begin, list, pause, resume, stop. The implementation is in `pace/`,
 * which is loaded with the first call.
 */
import type { OpenChange } from './change/row.ts'
import type { Operating } from './operated.ts'
import type { PacedKind } from './pace/kept-change.ts'
import type { PacedChange, PacedFilter, PaceOptions, PaceReason } from './pace/paced-changes.ts'

/**
 * Changes at a pace: changes of all jobs that meet a filter, a limited number of jobs at a time. The store
 * keeps these changes, and any worker continues them. `operate().changes` is such an object.
 */
export class ChangeOperations {
  readonly #operating: Operating

  /** @internal */
  constructor(operating: Operating) {
    this.#operating = operating
  }

  /**
   * Begins a change at a pace: workers change at most `limit` jobs in the time `per`, in several lots. They
   * change the jobs that meet the filter now, and each job once: a job that was retried and failed again is
   * not retried a second time. The change stops by itself if too many of its jobs fail again. The jobs of a
   * paused queue are not changed during the pause.
   *
   * @param change `'retry'`, `'run-now'`, `'reschedule'` or `'move'`
   * @param filter a filter as for `retry()`, `runNow()` and so on: at least one condition, or `{ all: true }`
   * @param options `limit`, `per`, `maxFailed`; `delay` for `reschedule`, `to` for `move`; with `dryRun`, the
   *   call only counts the jobs
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
   * Lists the changes that have not ended, in the order in which they began, and then at most 20 changes that
   * have ended in the last seven days.
   *
   * @example for (const { id, done, left, failed } of await operate().changes.list()) show(id, done, left,
   *   failed)
   */
  async list(): Promise<PacedChange[]> {
    const { listChanges } = await import('./pace/paced-changes.ts')
    return listChanges(await this.#open())
  }

  /**
   * Pauses a change. If a worker is changing a lot of jobs, it changes all jobs of this lot.
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

  /** Continues a paused change. @throws CHANGE_NOT_FOUND, CHANGE_INVALID */
  async resume(id: string): Promise<PacedChange> {
    const { checkHalt, resumeChange } = await import('./pace/paced-changes.ts')
    checkHalt('resume()', id, {})
    return this.#perform('resume-change', id, (open) => resumeChange(open, id))
  }

  /**
   * Stops a change for good. Jobs that were already changed stay changed.
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
