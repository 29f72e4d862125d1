/**
 * Finds when the next job, flow or schedule is due in the store of a fake. The answers of the store to the
 * workers say when the next job may begin, as far as delays, limits and pauses decide this.
 */
import type { FlowState } from '../model/flow.ts'
import { isForEver } from '../model/journal.ts'
import { ScheduleBook } from '../schedule/book.ts'
import { type Exchange, MAX_ITEMS, type Permitted, type Store, type Want } from '../store/contract/store.ts'
import type { FakeClock } from './fake-clock.ts'

export class DueTimes {
  readonly #clock: FakeClock
  /** The time at which the next job may begin, by partition: milliseconds since 1970. */
  readonly #jobs = new Map<string, number>()
  /** The time at which the next permits may be granted, by limiter: milliseconds since 1970. */
  readonly #permits = new Map<string, number>()
  /** The limiters that workers have used. */
  readonly limiters = new Set<string>()

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  /** Notes the due times in the answer to a call of a worker. */
  heard(verb: string, args: readonly unknown[], answer: unknown): void {
    const name = args[0] as string
    if (verb === 'exchange') this.#answered(name, args[3] as Want, answer as Exchange)
    if (verb !== 'limiters.permit') return
    this.limiters.add(name)
    note(this.#permits, name, this.#after((answer as Permitted).wait))
  }

  #answered(partition: string, { limit, prefetch = 0 }: Want, { nextDue }: Exchange): void {
    const at = this.#after(nextDue)
    // If the call asked for no jobs, its answer covers only the jobs that the call has changed.
    if (limit + prefetch > 0) note(this.#jobs, partition, at)
    else if (at !== undefined) note(this.#jobs, partition, Math.min(at, this.#jobs.get(partition) ?? at))
  }

  /**
   * @param schedulesUntil ticks of schedules count up to this instant
   * @param leasedUntil the instant at which the leases of dead workers have ended
   * @returns milliseconds since 1970, later than now. Undefined if nothing will be due. Periodic checks of
   *   flows do not count, because they never end
   */
  async next(
    store: Store,
    { schedulesUntil, leasedUntil }: { schedulesUntil: number; leasedUntil: number },
  ): Promise<number | undefined> {
    const { now } = this.#clock
    const all = [this.#clock.next, ...this.#jobs.values(), ...this.#permits.values()]
    const partitions = await store.partitions()
    if (now < leasedUntil) {
      const { findings } = await store.survey(
        'fake',
        partitions.map((partition) => ({ partition })),
      )
      for (const { nextLeaseEnd, nextEffect, nextTick } of findings)
        all.push(this.#after(nextLeaseEnd), this.#after(nextEffect), this.#after(nextTick))
    }
    for (const partition of partitions)
      for (const { state } of await store.flows.list(partition, MAX_ITEMS)) {
        const { phase, deadline } = JSON.parse(state) as FlowState
        if (phase !== 'ended') all.push(deadline)
      }
    if (schedulesUntil > now)
      for (const { state } of await new ScheduleBook(store).list())
        if (state.paused === undefined && (state.next ?? schedulesUntil) < schedulesUntil)
          all.push(state.next)
    const later = all.filter((at): at is number => at !== undefined && at > now)
    return later.length === 0 ? undefined : Math.min(...later)
  }

  #after(ms: number | undefined): number | undefined {
    // A job that waits for a signal without a timeout is due in a hundred years.
    return ms === undefined || isForEver(ms) ? undefined : this.#clock.now + Math.ceil(ms)
  }
}

function note(times: Map<string, number>, name: string, at: number | undefined): void {
  if (at === undefined) times.delete(name)
  else times.set(name, at)
}
