/**
 * Records what happens to the runs of a fake: a list of events, and promises for events that have happened or
 * will happen.
 */

import type { JobLike, PayloadOf, ResultOf } from '../options/job-class.ts'
import type {
  CancelledEvent,
  CompletedEvent,
  CrashedEvent,
  FailedEvent,
  Hooks,
  JobEvent,
  ReleasedEvent,
  SuspendedEvent,
} from '../run/hooks.ts'
import { type ClassOrKey, Expectation, type PayloadMatch } from './expectation.ts'

type EventOf = {
  started: JobEvent
  completed: CompletedEvent
  failed: FailedEvent
  released: ReleasedEvent
  suspended: SuspendedEvent
  cancelled: CancelledEvent
  crashed: CrashedEvent
}

/** An event of a job of a class. */
export type SpiedEvent<J extends JobLike, E> = Omit<E, 'payload' | 'result'> & {
  readonly payload: PayloadOf<J>[0]
} & (E extends CompletedEvent ? { readonly result: ResultOf<J> } : unknown)

/** An event of a run. */
interface Happening {
  kind: keyof EventOf
  event: EventOf[keyof EventOf]
}

export class Happenings {
  readonly all: Happening[] = []

  /** Hooks that record the events, and call the hooks of the application. */
  hooks(own: Hooks | undefined): Hooks {
    const noting =
      <K extends keyof EventOf>(kind: K) =>
      (event: EventOf[K]) => {
        this.all.push({ kind, event })
        return (own?.[kind] as ((event: EventOf[K]) => unknown) | undefined)?.call(own, event)
      }
    return {
      started: noting('started'),
      completed: noting('completed'),
      failed: noting('failed'),
      released: noting('released'),
      suspended: noting('suspended'),
      cancelled: noting('cancelled'),
      crashed: noting('crashed'),
    }
  }
}

/** Waits for events of the jobs of a class. Each promise also resolves if its event has already happened. */
export class Spy<J extends JobLike = JobLike> {
  readonly #of: ClassOrKey<J>
  readonly #happenings: Happenings
  readonly #until: (find: () => unknown, what: string) => Promise<unknown>

  /** @internal */
  constructor(
    of: ClassOrKey<J>,
    happenings: Happenings,
    until: (find: () => unknown, what: string) => Promise<unknown>,
  ) {
    this.#of = of
    this.#happenings = happenings
    this.#until = until
  }

  /**
   * Resolves when a run has begun. The job may already be further when this resolves.
   *
   * @throws FAKE_IDLE if nothing is left to run
   */
  started(match?: PayloadMatch<J>): Promise<SpiedEvent<J, JobEvent>> {
    return this.#event('started', match)
  }

  /** Resolves when a job has completed. @throws FAKE_IDLE */
  completed(match?: PayloadMatch<J>): Promise<SpiedEvent<J, CompletedEvent>> {
    return this.#event('completed', match)
  }

  /** Resolves when a job has failed for good. @throws FAKE_IDLE */
  failed(match?: PayloadMatch<J>): Promise<SpiedEvent<J, FailedEvent>> {
    return this.#event('failed', match, ({ last }) => last)
  }

  /** Resolves when an attempt has failed and another attempt will follow. @throws FAKE_IDLE */
  retried(match?: PayloadMatch<J>): Promise<SpiedEvent<J, FailedEvent>> {
    return this.#event('failed', match, ({ last }) => !last)
  }

  /** Resolves when a job was put back without a failure. @throws FAKE_IDLE */
  released(match?: PayloadMatch<J>): Promise<SpiedEvent<J, ReleasedEvent>> {
    return this.#event('released', match)
  }

  /** Resolves when a job begins to sleep, or to wait for `signals`. @throws FAKE_IDLE */
  suspended(match?: PayloadMatch<J>): Promise<SpiedEvent<J, SuspendedEvent>> {
    return this.#event('suspended', match)
  }

  /**
   * Resolves when a job was cancelled while it ran, or because it was too late to begin.
   *
   * @throws FAKE_IDLE
   */
  cancelled(match?: PayloadMatch<J>): Promise<SpiedEvent<J, CancelledEvent>> {
    return this.#event('cancelled', match)
  }

  /** Resolves when a job was taken back from a dead worker. @throws FAKE_IDLE */
  crashed(match?: PayloadMatch<J>): Promise<SpiedEvent<J, CrashedEvent>> {
    return this.#event('crashed', match)
  }

  /** How many runs have begun so far. */
  get runs(): number {
    const expected = new Expectation(this.#of)
    return this.#happenings.all.filter(({ kind, event }) => kind === 'started' && event.key === expected.key)
      .length
  }

  #event<K extends keyof EventOf>(
    kind: K,
    match: unknown,
    isIt: (event: EventOf[K]) => boolean = () => true,
  ): Promise<SpiedEvent<J, EventOf[K]>> {
    const expected = new Expectation(this.#of, match)
    let at = 0
    let found: EventOf[K] | undefined
    const find = () => {
      const { all } = this.#happenings
      for (; found === undefined && at < all.length; at++) {
        const happening = all[at]!
        const event = happening.event as EventOf[K]
        if (happening.kind === kind && expected.isMetBy(event as never) && isIt(event)) found = event
      }
      return found
    }
    const verb = kind === 'started' ? 'has started' : kind === 'failed' ? 'has failed so' : `was ${kind}`
    return this.#until(
      find,
      `No job of ${expected.name} ${kind === 'completed' ? 'has completed' : verb}`,
    ) as Promise<SpiedEvent<J, EventOf[K]>>
  }
}
