/**
 * Delivers effects (`model/effect.ts`): calls the hooks of classes whose jobs ended without a running handler, and has
 * flows count their members. Effects come with the answers to the worker's own calls. If a survey finds some, or a ring
 * says so, the deliverer asks for them itself.
 *
 * What was delivered is acknowledged with the next call to the same partition: with one of a claimer if it comes soon,
 * otherwise with a call of the deliverer. What could not be delivered is handed out again: a hook whose class is not
 * known here to another worker, and a member when the home of its flow may answer again.
 */
import { inContext } from '../../model/context.ts'
import { type Effect, type EffectName, memberOf, nameOf } from '../../model/effect.ts'
import { JobsError, type JobsErrorCode } from '../../model/errors.ts'
import type { JobRecord } from '../../model/record.ts'
import { Run, timedOut } from '../../model/run.ts'
import type { Registry } from '../../options/registry.ts'
import { within } from '../../run/bounded-wait.ts'
import { type LastWord, tell } from '../../run/last-hook.ts'
import { type EffectsWanted, MEMBER_LEASE, type Store } from '../../store/contract/store.ts'
import type { Report } from '../report.ts'
import type { StoreClock } from './store-clock.ts'

/** Milliseconds for which hooks may go on when the worker stops. Another worker then does what is not done. */
const LAST_WORDS = 1_000
/** Milliseconds for which an acknowledgement waits for a call of a claimer: much less than a member is leased. */
const ACKNOWLEDGE = 50
/** Milliseconds after the end of a job: a hook whose class no worker has known for so long is dropped. */
const UNDELIVERABLE = 7 * 24 * 3_600_000

export interface DelivererOptions {
  store: Store
  registry: Registry
  report: Report
  clock: StoreClock
  /** Milliseconds for which this worker has a hook, and for which the hook may run at most. */
  lease: number
  met: (error: unknown) => void
}

/** What the deliverer has to do in a partition. */
class Delivery {
  /** Delivered, and not acknowledged. */
  done: EffectName[] = []
  /** Until then (`performance.now()`) the hooks are left to workers that know their classes. */
  restUntil = 0
  /** Deliveries and calls under way. */
  readonly work = new Set<Promise<void>>()
  isAsking = false
  /** The next acknowledgement. */
  timer: NodeJS.Timeout | undefined
  /** When members may be handed out again whose home did not answer. */
  retry: NodeJS.Timeout | undefined
}

export class Deliverer {
  readonly #options: DelivererOptions
  readonly #deliveries = new Map<string, Delivery>()
  #stopped = false

  constructor(options: DelivererOptions) {
    this.#options = options
  }

  /** What the next call to a partition says of effects. If the call fails for good, they are handed out again. */
  wanted(partition: string): EffectsWanted {
    const { lease } = this.#options
    const delivery = this.#deliveries.get(partition)
    if (delivery === undefined) return { lease }
    const done = delivery.done.splice(0)
    const isResting = this.#stopped || performance.now() < delivery.restUntil
    return { ...(!isResting && { lease }), ...(done.length > 0 && { done }) }
  }

  /** A call has brought effects. */
  take(partition: string, effects: readonly Effect[]): void {
    const delivery = this.#of(partition)
    const done = (...all: Effect[]) => {
      delivery.done.push(...all.map(nameOf))
      this.#acknowledgeSoon(partition, delivery)
    }
    const homes = new Map<string, Effect[]>()
    for (const effect of effects) {
      if (effect.kind === 'hook') {
        this.#track(delivery, this.#tell(effect.job), (isTold) => {
          if (isTold) done(effect)
          else delivery.restUntil = performance.now() + 3 * this.#options.lease
        })
        continue
      }
      const { home } = memberOf(effect.job.id)!
      const members = homes.get(home)
      if (members === undefined) homes.set(home, [effect])
      else members.push(effect)
    }
    for (const [home, members] of homes) {
      const marks = members.map(({ job }) => memberOf(job.id)!)
      const counting = this.#options.store.flows.apply(home, marks).catch((error) => {
        delivery.retry ??= setTimeout(() => {
          delivery.retry = undefined
          this.look(partition)
        }, MEMBER_LEASE)
        throw error
      })
      // If the flow is not there any more, nobody waits for its members.
      this.#track(delivery, counting, () => done(...members))
    }
  }

  /** Effects are due in a partition. */
  look(partition: string): void {
    const delivery = this.#of(partition)
    if (!this.#stopped) this.#ask(partition, delivery)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    const finish = async ([partition, delivery]: [string, Delivery]) => {
      await Promise.all(delivery.work)
      if (delivery.done.length > 0) this.#ask(partition, delivery)
      await Promise.all(delivery.work)
    }
    await within(LAST_WORDS, Promise.all([...this.#deliveries].map(finish)))
    for (const { timer, retry } of this.#deliveries.values())
      for (const each of [timer, retry]) clearTimeout(each)
  }

  #of(partition: string): Delivery {
    const delivery = this.#deliveries.get(partition) ?? new Delivery()
    this.#deliveries.set(partition, delivery)
    return delivery
  }

  #acknowledgeSoon(partition: string, delivery: Delivery): void {
    if (this.#stopped) return
    delivery.timer ??= setTimeout(() => {
      delivery.timer = undefined
      if (delivery.done.length > 0) this.#ask(partition, delivery)
    }, ACKNOWLEDGE)
  }

  /** Acknowledges what was delivered, and asks for more. */
  #ask(partition: string, delivery: Delivery): void {
    if (delivery.isAsking) return
    delivery.isAsking = true
    const effects = this.wanted(partition)
    // Jobs are taken back by `maintenance.ts` alone, which knows of outages.
    const asking = this.#options.store.recover(partition, { until: 0, effects }).catch((error) => {
      // They go with the next call, which is made when a survey finds that the store is there again.
      delivery.done.unshift(...(effects.done ?? []))
      throw error
    })
    const asked = asking.finally(() => {
      delivery.isAsking = false
    })
    this.#track(delivery, asked, (answer) => {
      this.take(partition, answer.effects ?? [])
      if (delivery.done.length > 0) this.#acknowledgeSoon(partition, delivery)
    })
  }

  #track<T>(delivery: Delivery, work: Promise<T>, then: (result: T) => void): void {
    const tracked = work
      .then(then)
      .catch((error) => this.#options.met(error))
      .finally(() => delivery.work.delete(tracked))
    delivery.work.add(tracked)
  }

  /** @returns whether nothing more is to be done */
  async #tell(job: JobRecord): Promise<boolean> {
    const { registry, report, lease, clock } = this.#options
    const jobClass = job.unreadable?.kind === 'marked' ? undefined : registry.find(job.key)
    const { id, failures, options, payload } = job
    if (jobClass === undefined) {
      if (clock.now() - job.finishedAt! < UNDELIVERABLE) return false
      report.warn(
        `No worker has known the key ${job.key} for a week: no hook is called for job ${id} (${job.state})`,
      )
      return true
    }
    const run = new Run(id, failures, {
      write: (level, text) =>
        report.wrote({ ...job, token: '' }, jobClass.name, { at: Date.now(), level, text }),
    })
    const timeout = Math.min(lease, options?.timeout ?? jobClass.timeout)
    const timer = setTimeout(() => run.abort(timedOut(jobClass.name, timeout)), timeout)
    await inContext(options?.context, tell, jobClass, run, wordOf(job), payload)
    clearTimeout(timer)
    return true
  }
}

function wordOf({ id, state, reason = 'user', errors }: JobRecord): LastWord {
  if (state === 'cancelled') return { kind: 'cancelled', reason }
  const { code = 'WORKER_DIED', message = 'its worker died' } = errors.at(-1) ?? {}
  return { kind: 'failed', error: new JobsError(code as JobsErrorCode, message, { id }) }
}
