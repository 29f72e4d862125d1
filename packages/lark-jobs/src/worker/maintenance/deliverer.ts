/**
 * Delivers effects (`model/effect.ts`): calls the hooks of classes whose jobs ended without a running
 * handler, and has flows count their members. Effects come with the answers to the worker's own calls. If a
 * survey or a ring says that there are some, the deliverer asks for them itself.
 *
 * Delivered effects are acknowledged with the next call to the same partition: a call of a claimer if it
 * comes soon, otherwise a call of the deliverer. Effects that could not be delivered are handed out again: a
 * hook whose class is not known here goes to another worker, and the end of a member is handed out again when
 * the home partition of its flow may answer again. An effect that is handed out again while it is being
 * delivered is not delivered twice.
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
 * Milliseconds for which hooks may go on when the worker stops. Another worker then calls those that have not
 * ended.
 */
const LAST_WORDS = 1_000
/**
 * Milliseconds for which an acknowledgement waits for a call of a claimer that can carry it: much less than
 * the lease of an effect.
 */
const ACKNOWLEDGE = 50
/** The share of its lease in which a hook may run. The rest is for the call that acknowledges it. */
const RUN = 0.9
/**
 * Milliseconds for which hooks are left to other workers, which look at each partition every 5 s
 * (`maintenance.ts`).
 */
const LEAVE = 6_000
/** Milliseconds after the end of a job: if no worker has known the class for so long, the hook is dropped. */
const UNDELIVERABLE = 7 * 24 * 3_600_000

export interface DelivererOptions {
  store: Store
  registry: Registry
  report: WorkerReport
  clock: StoreClock
  /** Makes the jobs whose hooks are called. Default: `new`. */
  make?: Make | undefined
  /** Milliseconds: the lease of a hook that this worker gets. */
  leaseMs: number
  /** Counts the ends of members. */
  flows: Pick<FlowBook, 'apply'>
  /** Called with the milliseconds until a flow, or a schedule, of a partition is due. */
  dueIn: (partition: string, ms: number) => void
  met: (error: unknown) => void
}

/** The deliverer's work in one partition. */
class Delivery {
  /** Effects that are being delivered. */
  readonly #begun = new Set<string>()
  /** Effects that were delivered and are not acknowledged yet. */
  readonly #done = new Map<string, EffectName>()
  /** Between these times (`performance.now()`), hooks are left to workers that know their classes. */
  rests = { from: 0, until: 0 }
  /** Deliveries and calls under way. */
  readonly work = new Set<Promise<void>>()
  /** The deliverer's own call. */
  asking: Promise<void> | undefined
  /** Effects fell due after the call had been sent, so its answer may not have them. */
  asksAgain = false
  /** The timer of the next acknowledgement. */
  timer: NodeJS.Timeout | undefined
  /**
   * The timer after which the ends of members whose home partition did not answer may be handed out again.
   */
  retry: NodeJS.Timeout | undefined

  get hasDone(): boolean {
    return this.#done.size > 0
  }

  /** @returns whether the effect is new here */
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

  /** Takes the effects that one call may acknowledge. */
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
  /** How many calls that note the ends of members are under way. */
  #counting = 0
  /** Partitions that were not asked for hooks, because too many hooks were running. */
  readonly #full = new Set<string>()
  #isOver = false

  constructor(options: DelivererOptions) {
    super()
    this.#options = options
  }

  /** Whether ends are about to be counted by flows. */
  get isCounting(): boolean {
    return this.#counting > 0
  }

  /** Whether something is being delivered, or a call is under way. */
  get isBusy(): boolean {
    for (const { work } of this.#deliveries.values()) if (work.size > 0) return true
    return false
  }

  /** What the next call to a partition asks about effects. If the call fails, this must be put back. */
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

  /**
   * Puts back what `wanted` returned, after a call of which it is not known whether the store has read it.
   */
  putBack(partition: string, { done = [] }: EffectsWanted): void {
    if (done.length === 0) return
    const delivery = this.#of(partition)
    delivery.putBack(done)
    this.#acknowledgeSoon(partition, delivery)
  }

  /**
   * A call has brought effects.
   *
   * @param since when the call was sent, by `performance.now()`: the leases may have begun then
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
      // If the flow does not exist any more, nobody waits for its members.
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

  /** Effects are due in a partition. */
  look(partition: string): void {
    if (!this.isStopped) this.#ask(partition, this.#of(partition))
  }

  protected override async onStop(): Promise<void> {
    const finish = async ({ work }: Delivery) => {
      while (work.size > 0) await Promise.all(work)
    }
    const deliveries = [...this.#deliveries]
    // Effects that are delivered meanwhile are acknowledged meanwhile, so a slow hook does not delay the
    // others.
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

  /** Whether a call asks for hooks. It may bring up to `MAX_HOOKS`. */
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

  /** Acknowledges what was delivered, and asks for more. */
  #ask(partition: string, delivery: Delivery): Promise<void> {
    if (delivery.asking !== undefined) {
      delivery.asksAgain = true
      return delivery.asking
    }
    delivery.asksAgain = false
    const since = performance.now()
    const effects = this.wanted(partition)
    // Only `maintenance.ts` takes jobs back, because it knows about outages.
    const asking = this.#options.store.recover(partition, { until: 0, effects }).catch((error) => {
      // The acknowledgements go with the next call, which is made when a survey finds that the store answers
      // again.
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

  /** @param delivering resolves to whether the effect is done */
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

  /** Calls a hook. @returns whether the effect is done */
  async #tell(delivery: Delivery, job: JobRecord, since: number): Promise<boolean> {
    const { registry, report, leaseMs, make } = this.#options
    const jobClass = job.unreadable?.kind === 'marked' ? undefined : registry.find(job.key)
    // A worker with an earlier version of the class cannot read the payload, so the hook counts as unknown
    // here.
    const newer = jobClass && newerVersion(job.payload, jobClass.rules)
    if (jobClass === undefined || newer !== undefined) return this.#leave(delivery, job, since, newer)
    const { id, failures, options, payload } = job
    const left = Math.floor(since + RUN * leaseMs - performance.now())
    // The answer came so late that the hook will be handed out again.
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

  /** Asks for more hooks once half of the running hooks have ended. */
  #askAgain(): void {
    const partitions = [...this.#full]
    this.#full.clear()
    for (const partition of partitions) this.look(partition)
  }

  /**
   * The class of a hook is not known. The worker keeps the hook for its lease, and takes other hooks
   * meanwhile. When the hook is handed out again, the worker takes no hooks for a while, so that another
   * worker gets it.
   *
   * @param newer the version of the payload, if that is the reason
   * @returns whether the effect is done
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
