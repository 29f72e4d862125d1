/**
 * Delivers effects (`model/effect.ts`): calls the hooks of classes whose jobs ended without a running
 * handler, and makes flows count their members. Effects come with the answers to the worker's other calls. If
 * `Store.survey` finds that effects are due, or the store wakes this worker because of them, the deliverer
 * makes a call of its own for these effects.
 *
 * The next call to the same partition acknowledges the delivered effects. If a claimer makes a call soon, its
 * call does this. If not, the deliverer makes a call. If this worker could not deliver an effect, the store
 * hands it out again. A hook whose class this worker does not know goes to another worker. The end of a
 * member comes again later, when the home partition of its flow may answer again. If the store hands out an
 * effect again while it is being delivered, the effect is not delivered twice.
 */

import { defined } from '@s18i/lark/internal'
import type { FlowBook } from '../../flow/flow-book.ts'
import { inContext } from '../../model/context.ts'
import { type Effect, type EffectName, memberOf, nameOf } from '../../model/effect.ts'
import { JobsError, type JobsErrorCode } from '../../model/errors.ts'
import type { JobRecord } from '../../model/record.ts'
import { Run, timedOut } from '../../model/run/run.ts'
import { newerVersion } from '../../options/payload-rules.ts'
import type { Registry } from '../../options/registry.ts'
import { type LastWord, tell } from '../../run/last-hook.ts'
import type { Make } from '../../run/made-job.ts'
import {
  type EffectsWanted,
  endOf,
  MAX_HOOKS,
  MAX_ITEMS,
  MEMBER_LEASE_MS,
  type Store,
} from '../../store/contract/store.ts'
import { within } from '../../waiting/bounded-wait.ts'
import { Part } from '../part.ts'
import type { WorkerReport } from '../report.ts'
import type { StoreClock } from './store-clock.ts'

/**
 * Milliseconds for which hooks may go on when the worker stops. If a hook has not ended in this time, another
 * worker calls it again.
 */
const LAST_WORDS = 1_000
/**
 * Milliseconds for which an acknowledgement waits for a call of a claimer. This time is much shorter than the
 * lease of an effect.
 */
const ACKNOWLEDGE = 50
/**
 * The part of its lease for which a hook may run. The rest of the lease is kept for the call that
 * acknowledges the hook.
 */
const RUN = 0.9
/**
 * This worker leaves hooks to other workers for at most this many milliseconds. Each worker checks every
 * partition at least every 5 s (`maintenance.ts`).
 */
const LEAVE = 6_000
/**
 * If no worker knows the class of a hook, the hook is dropped this many milliseconds after the end of its
 * job.
 */
const UNDELIVERABLE = 7 * 24 * 3_600_000

export interface DelivererOptions {
  store: Store
  registry: Registry
  report: WorkerReport
  clock: StoreClock
  /** Makes the job objects whose hooks are called. Default: `new`. */
  make?: Make | undefined
  /** The lease, in milliseconds, of the hooks that this worker takes. */
  leaseMs: number
  /** The flows, which count the ends of their members. */
  flows: Pick<FlowBook, 'apply'>
  /** Called with the milliseconds until a flow or a schedule of a partition is due. */
  dueIn: (partition: string, ms: number) => void
  met: (error: unknown) => void
}

/** The state of the deliveries in one partition. */
class Delivery {
  /** Effects that are being delivered. */
  readonly #begun = new Set<string>()
  /** Effects that were delivered and are not acknowledged yet. */
  readonly #done = new Map<string, EffectName>()
  /**
   * Between these two times (`performance.now()`), this worker takes no hooks, so that the hooks go to
   * workers which know their classes.
   */
  rests = { from: 0, until: 0 }
  /** Deliveries and calls under way. */
  readonly work = new Set<Promise<void>>()
  /** The deliverer's own call. */
  asking: Promise<void> | undefined
  /** Whether effects became due after the call had been sent. Its answer may not contain these effects. */
  asksAgain = false
  /** The timer of the next acknowledgement. */
  timer: NodeJS.Timeout | undefined
  /** The timer of the next attempt to get the ends of members whose home partition did not answer. */
  retry: NodeJS.Timeout | undefined

  get hasDone(): boolean {
    return this.#done.size > 0
  }

  /** @returns whether the effect is new to this worker */
  begin(effect: Effect): boolean {
    const key = keyOf(nameOf(effect))
    if (this.#begun.has(key) || this.#done.has(key)) return false
    this.#begun.add(key)
    return true
  }

  end(effect: Effect, isDone: boolean): void {
    const name = nameOf(effect)
    this.#begun.delete(keyOf(name))
    if (isDone) this.putBack([name])
  }

  /** Takes as many delivered effects as one call may acknowledge. */
  take(): EffectName[] {
    const some = [...this.#done].slice(0, MAX_ITEMS)
    for (const [key] of some) this.#done.delete(key)
    return some.map(([, name]) => name)
  }

  putBack(names: readonly EffectName[]): void {
    for (const name of names) this.#done.set(keyOf(name), name)
  }
}

export class Deliverer extends Part {
  readonly #options: DelivererOptions
  readonly #deliveries = new Map<string, Delivery>()
  /** How many hooks run. */
  #hooks = 0
  /** How many calls are under way that tell flows the ends of their members. */
  #counting = 0
  /** Partitions that were not asked for hooks, because too many hooks were running. */
  readonly #full = new Set<string>()
  #isOver = false

  constructor(options: DelivererOptions) {
    super()
    this.#options = options
  }

  /** Whether this worker is telling flows the ends of their members. */
  get isCounting(): boolean {
    return this.#counting > 0
  }

  /** Whether something is being delivered, or a call is under way. */
  get isBusy(): boolean {
    for (const { work } of this.#deliveries.values()) if (work.size > 0) return true
    return false
  }

  /**
   * Returns what the next call to a partition asks for effects and acknowledges. If the call fails, the
   * caller must return this value with `putBack`.
   */
  wanted(partition: string): EffectsWanted {
    const delivery = this.#deliveries.get(partition)
    const leaseMs = this.isStopped
      ? 0
      : this.#takesHooks(partition, delivery)
        ? this.#options.leaseMs
        : undefined
    const done = delivery?.take() ?? []
    return { ...defined({ leaseMs }), ...(done.length > 0 && { done }) }
  }

  /** Puts back the result of `wanted`, if it is not known whether the store has received the call. */
  putBack(partition: string, { done = [] }: EffectsWanted): void {
    if (done.length === 0) return
    const delivery = this.#of(partition)
    delivery.putBack(done)
    this.#acknowledgeSoon(partition, delivery)
  }

  /**
   * Delivers the effects that a call has brought.
   *
   * @param since when the call was sent, by `performance.now()`; the leases may have begun at this time
   */
  take(partition: string, effects: readonly Effect[], since = performance.now()): void {
    const delivery = this.#of(partition)
    const homes = new Map<string, Effect[]>()
    for (const effect of effects) {
      if (!delivery.begin(effect)) continue
      if (effect.kind === 'hook') {
        this.#deliver(partition, [effect], this.#tell(delivery, effect.job, since))
        continue
      }
      const { home } = memberOf(effect.job.id)!
      const members = homes.get(home)
      if (members === undefined) homes.set(home, [effect])
      else members.push(effect)
    }
    for (const [home, members] of homes) {
      const ends = members.map(({ job }) => endOf(job))
      this.#counting += 1
      const counting = this.#options.flows.apply(home, ends).catch((error) => {
        delivery.retry ??= setTimeout(() => {
          delivery.retry = undefined
          this.look(partition)
        }, MEMBER_LEASE_MS)
        throw error
      })
      // If the flow no longer exists, the end of the member counts as delivered, because nothing waits for
      // it.
      const counted = counting.then((next) => {
        if (next !== undefined) this.#options.dueIn(home, next)
        return true
      })
      this.#deliver(
        partition,
        members,
        counted.finally(() => {
          this.#counting -= 1
        }),
      )
    }
  }

  /** Called when effects are due in a partition. */
  look(partition: string): void {
    if (!this.isStopped) this.#ask(partition, this.#of(partition))
  }

  protected override async onStop(): Promise<void> {
    const finish = async ({ work }: Delivery) => {
      while (work.size > 0) await Promise.all(work)
    }
    const deliveries = [...this.#deliveries]
    // The other effects are acknowledged as soon as they are delivered, so a slow hook does not delay their
    // acknowledgement.
    await within(LAST_WORDS, Promise.all(deliveries.map(([, delivery]) => finish(delivery))))
    this.#isOver = true
    const acknowledge = async ([partition, delivery]: [string, Delivery]) => {
      for (const each of [delivery.timer, delivery.retry]) clearTimeout(each)
      await delivery.asking
      if (delivery.hasDone) await this.#ask(partition, delivery)
    }
    await within(LAST_WORDS, Promise.all(deliveries.map(acknowledge)))
  }

  #of(partition: string): Delivery {
    const delivery = this.#deliveries.get(partition) ?? new Delivery()
    this.#deliveries.set(partition, delivery)
    return delivery
  }

  /** Whether a call should ask for hooks. The call may bring up to `MAX_HOOKS` hooks. */
  #takesHooks(partition: string, delivery: Delivery | undefined): boolean {
    if (this.#hooks >= MAX_HOOKS) {
      this.#full.add(partition)
      return false
    }
    const now = performance.now()
    return delivery === undefined || now < delivery.rests.from || now >= delivery.rests.until
  }

  #acknowledgeSoon(partition: string, delivery: Delivery): void {
    if (this.#isOver) return
    delivery.timer ??= setTimeout(() => {
      delivery.timer = undefined
      if (delivery.hasDone) this.#ask(partition, delivery)
    }, ACKNOWLEDGE)
  }

  /** Acknowledges the delivered effects, and asks for more effects. */
  #ask(partition: string, delivery: Delivery): Promise<void> {
    if (delivery.asking !== undefined) {
      delivery.asksAgain = true
      return delivery.asking
    }
    delivery.asksAgain = false
    const since = performance.now()
    const effects = this.wanted(partition)
    // With `until: 0` the call takes no jobs back. Only `maintenance.ts` takes jobs back, because only that
    // file knows about outages.
    const asking = this.#options.store.recover(partition, { until: 0, effects }).catch((error) => {
      // The next call carries these acknowledgements. The deliverer makes this call when a survey finds that
      // the store answers again.
      delivery.putBack(effects.done ?? [])
      throw error
    })
    const asked = asking.finally(() => {
      delivery.asking = undefined
    })
    delivery.asking = this.#track(delivery, asked, (answer) => {
      this.take(partition, answer.effects ?? [], since)
      if (delivery.asksAgain) this.#ask(partition, delivery)
      else if (delivery.hasDone) this.#acknowledgeSoon(partition, delivery)
    })
    return delivery.asking
  }

  /** @param delivering a promise that resolves to whether the effects are delivered */
  #deliver(partition: string, effects: readonly Effect[], delivering: Promise<boolean>): void {
    const delivery = this.#of(partition)
    const end = (isDone: boolean) => {
      for (const effect of effects) delivery.end(effect, isDone)
    }
    const delivered = delivering.catch((error) => {
      end(false)
      throw error
    })
    this.#track(delivery, delivered, (isDone) => {
      end(isDone)
      if (isDone) this.#acknowledgeSoon(partition, delivery)
    })
  }

  #track<T>(delivery: Delivery, work: Promise<T>, then: (result: T) => void): Promise<void> {
    const tracked = work
      .then(then)
      .catch((error) => this.#options.met(error))
      .finally(() => delivery.work.delete(tracked))
    delivery.work.add(tracked)
    return tracked
  }

  /** Calls a hook. @returns whether the effect is delivered */
  async #tell(delivery: Delivery, job: JobRecord, since: number): Promise<boolean> {
    const { registry, report, leaseMs, make } = this.#options
    const jobClass = job.unreadable?.kind === 'marked' ? undefined : registry.find(job.key)
    // This worker has an earlier version of the class and cannot read the payload, so the class counts as
    // unknown here.
    const newer = jobClass && newerVersion(job.payload, jobClass.rules)
    if (jobClass === undefined || newer !== undefined) return this.#leave(delivery, job, since, newer)
    const { id, failures, options, payload } = job
    const left = Math.floor(since + RUN * leaseMs - performance.now())
    // The answer came so late that the store will hand out the hook again.
    if (left <= 0) return false
    const run = new Run(id, failures, {
      write: (level, text) =>
        report.wrote({ ...job, token: '' }, jobClass.name, { at: Date.now(), level, text }),
      report: () => {},
    })
    const timeout = Math.min(left, options?.timeout ?? jobClass.timeout)
    const timer = setTimeout(() => run.abort(timedOut(jobClass.name, timeout)), timeout)
    this.#hooks += 1
    try {
      await inContext(options?.context, tell, jobClass, run, wordOf(job), payload, make)
    } finally {
      clearTimeout(timer)
      this.#hooks -= 1
      if (this.#hooks === MAX_HOOKS / 2) this.#askAgain()
    }
    return true
  }

  /** Asks for more hooks when half of the running hooks have ended. */
  #askAgain(): void {
    const partitions = [...this.#full]
    this.#full.clear()
    for (const partition of partitions) this.look(partition)
  }

  /**
   * Leaves a hook whose class is not known here to other workers. The worker keeps the hook until its lease
   * ends, and takes other hooks meanwhile. When the store then hands out the hook again, this worker takes no
   * hooks for a while, so that another worker gets the hook.
   *
   * @param newer the version of the payload, if the class is known but older than the payload
   * @returns whether the effect is finished
   */
  #leave(
    delivery: Delivery,
    { id, key, state, finishedAt }: JobRecord,
    since: number,
    newer: number | undefined,
  ): boolean {
    const { report, leaseMs, clock } = this.#options
    if (clock.now() - finishedAt! >= UNDELIVERABLE) {
      const what = newer === undefined ? `the key ${key}` : `version ${newer} of the payload of ${key}`
      report.warn(`No worker has known ${what} for a week: no hook is called for job ${id} (${state})`)
      return true
    }
    const now = performance.now()
    if (now >= delivery.rests.until)
      delivery.rests = { from: since + leaseMs, until: now + leaseMs + Math.min(leaseMs, LEAVE) }
    return false
  }
}

function keyOf({ kind, id, at }: EffectName): string {
  return `${kind} ${id} ${at}`
}

function wordOf({ id, state, reason = 'user', because, errors }: JobRecord): LastWord {
  if (state === 'cancelled') return { kind: 'cancelled', reason, ...defined({ because }) }
  const { code = 'WORKER_DIED', message = 'its worker died' } = errors.at(-1) ?? {}
  return { kind: 'failed', error: new JobsError(code as JobsErrorCode, message, { id }) }
}
