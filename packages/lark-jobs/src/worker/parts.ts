/**
 * Makes the parts of a worker, and connects them. Each part gets only the functions of other parts that it
 * needs, because many parts need each other. `worker.ts` starts and stops the parts together.
 */
import { FlowBook } from '../flow/flow-book.ts'
import { queueOf } from '../model/partition.ts'
import type { AnnouncedWorker } from '../model/record.ts'
import { PRESET, paces } from '../options/preset.ts'
import { ScheduleBook } from '../schedule/book.ts'
import type { Bound } from '../store/contract/store.ts'
import { DeathWatch } from './death.ts'
import { Claimer } from './fetch/claimer.ts'
import { DrainCheck } from './fetch/drain-check.ts'
import { FairOrder } from './fetch/fair-order.ts'
import { Intake } from './fetch/intake.ts'
import { Prefetch } from './fetch/prefetch.ts'
import { Rings } from './fetch/rings.ts'
import { ServedPartitions } from './fetch/served-partitions.ts'
import { sharesOf } from './fetch/weighted-shares.ts'
import { LeaseKeeper } from './lease/lease-keeper.ts'
import { LeaseThread } from './lease/lease-thread.ts'
import { Ledger } from './lease/ledger.ts'
import { StepKeeper } from './lease/step-keeper.ts'
import { Unread } from './lease/unread.ts'
import { Declarations } from './maintenance/declarations.ts'
import { Deliverer } from './maintenance/deliverer.ts'
import { Maintenance } from './maintenance/maintenance.ts'
import { Relaying } from './maintenance/relaying.ts'
import { StoreClock } from './maintenance/store-clock.ts'
import { Suspects } from './maintenance/suspects.ts'
import { tellCrashed } from './maintenance/tell-crashed.ts'
import { Ticks } from './maintenance/ticks.ts'
import { Obedience, type Obeying } from './obedience.ts'
import { LEASE_MS, type WorkerOptions } from './options.ts'
import { OutageReporter } from './outage-reporter.ts'
import type { Part } from './part.ts'
import { ClaimPermits, limitersOf } from './permits/claim-permits.ts'
import { PermitPools } from './permits/permit-pools.ts'
import { pauseQueue } from './queue-pause.ts'
import { Slots } from './slots.ts'
import { ClaimWatch } from './vitals.ts'

/** The functions of the worker that the parts need. */
export interface WorkerAround {
  id: string
  /** Aborted when the worker disconnects from the store. */
  signal: AbortSignal
  obeying: Obeying
  /** Returns the record with which the worker announces itself to the store. */
  record: () => AnnouncedWorker
  /** Called when jobs may have been claimed, or may have ended. */
  turned: () => void
}

export function wire(options: WorkerOptions, { id, signal, obeying, record, turned }: WorkerAround) {
  const {
    store,
    location,
    lease: leaseMs = LEASE_MS,
    preset = PRESET,
    onStuck,
    registry,
    report,
    telemetry,
  } = options
  const { bounds = new Map<string, Bound>(), maxJobs = Number.POSITIVE_INFINITY } = options
  const { queues, partitions = new Map(), strict = false, schedules, changes } = options
  const pace = paces[preset]
  const warn = (text: string) => report.warn(text)
  const met = (error: unknown) => trouble.met(error)
  const common = { store, caller: id, leaseMs, trouble: met }

  const trouble = new OutageReporter(store.name, report, () => served.isAway)
  const watched = location && {
    location,
    caller: id,
    leaseMs,
    window: pace.window,
    kills: onStuck !== undefined,
  }
  const thread = new LeaseThread(
    watched,
    warn,
    () => {
      for (const claimer of served.claimers) claimer.askAnew()
    },
    (ms) => slots.blockedLoops.turned(ms),
  )
  const ledger = new Ledger((page) => thread.add(page))
  const clock = new StoreClock()
  const claimWatch = new ClaimWatch()

  const permits = new PermitPools({
    ...{ store, holder: id, leaseMs, limiters: options.limiters, trouble: met, signal },
    holds: (limiter, isHeld) => thread.hold(limiter, isHeld),
    met: () => void maintenance.announce(),
    isAfterOutage: () => maintenance.isAfterOutage,
  })
  const claimPermits = new ClaimPermits({ permits, limiters: limitersOf(options), warn, signal })
  const slots = new Slots(options, ledger, clock, permits, {
    id,
    changed: (took) => intake.freed(took),
    reported: (running) => leases.reported(running),
    records: (running) => steps.record(running),
    paused: (own, outcome) =>
      pauseQueue(store, served.claimers, own, outcome, (claimer) => intake.giveBack(claimer), warn),
    turnedAt: () => thread.pulse.beat,
  })
  const { running } = slots
  const order = new FairOrder(strict, slots, sharesOf(options, slots))
  const suspects = new Suspects({
    ...{ ...common, slots, signal },
    changed: () => intake.freed(),
    returned: () => intake.returned(),
    shown: () => void maintenance.announce(),
  })
  const intake = new Intake({
    ...{ order, slots, suspects, pace, maxJobs, leaseMs, signal, turned },
    isHere: !store.isRemote,
    stoodStill: () => maintenance.standstill.length,
    answered: () => {
      claimWatch.settled()
      thread.beat()
      trouble.passed()
    },
    holds: () => thread.wake(),
  })

  /** @returns whether this worker will claim the job that may begin at that time */
  const foreseen = (partition: string, ms: number) => {
    const isOurs = served.of(partition)?.foresee(ms) === true && intake.room > 0
    if (isOurs && ms === 0) claimWatch.wanted()
    return isOurs
  }
  const ticksIn = (partition: string, ms: number) => ticks.foresee(partition, ms)
  const boundOf = (partition: string) => bounds.get(queueOf(partition))
  const book = new ScheduleBook(store, boundOf)
  const flows = new FlowBook({ store, boundOf, keys: () => ticks.keys() })
  const ofSchedules = { store, book, registry, report, met }
  const ticks = new Ticks({
    ...ofSchedules,
    flows,
    bounds,
    foreseen,
    changes,
    isOff: schedules === undefined,
  })
  const declarations =
    schedules && new Declarations({ ...ofSchedules, ...schedules, hasOthers: () => ticks.hasHeard })
  const deliverer = new Deliverer({
    ...{ store, registry, report, clock, make: options.make, leaseMs, met, flows, dueIn: ticksIn },
  })

  const { outbox, isolation } = options
  const relaying =
    outbox && new Relaying({ ...{ outbox, store, caller: id, flows, boundOf, partitions, report }, met })

  const served = new ServedPartitions(queues, partitions, (partition, rank, index) => {
    const queue = queueOf(partition)
    const unread = new Unread(thread.pulse.unread)
    const claimer = new Claimer({
      ...{ ...common, partition, rank, unread, permits: claimPermits, deliverer, ticksIn, ticks },
      prefetch: new Prefetch(ledger, index, pace),
      changed: (each) => intake.changed(each),
      weight: options.weights?.get(queue),
      terms: { limits: options.limits?.get(queue), aging: options.agings?.get(queue) },
    })
    thread.serve(partition, unread)
    intake.changed(claimer)
    return claimer
  })
  const rings = new Rings({
    ...{ store, caller: id, trouble: met },
    // The store rings one worker. A worker without a free slot passes the ring on to another worker.
    rang: async (partition) => {
      served.of(partition)?.ring()
      if (intake.room <= 0) await store.wake(partition, id)
      intake.schedule()
    },
    // Jobs that have not begun are given back, because the notice may say that one of these jobs is
    // cancelled.
    noticed: (partition, signalled) => {
      if (signalled !== undefined) return steps.hear(partition, signalled)
      const claimer = served.of(partition)
      if (claimer !== undefined) intake.giveBack(claimer)
      leases.look(partition)
      deliverer.look(partition)
    },
  })
  const advances = () => deliverer.isCounting || ticks.isBusy
  const drainCheck = new DrainCheck(store, served, registry, advances)

  const settling = () => served.claimers
  const leases = new LeaseKeeper({ ...common, running, permits, settling, pulse: thread.pulse })
  const steps = new StepKeeper({ store, running, trouble: met })
  const obedience = new Obedience(obeying, options)
  const maintenance = new Maintenance({
    ...{ store, caller: id, leaseMs, partitions: served.partitions, record, clock, report, trouble },
    ...{ foreseen, ticksIn },
    met: (all) => served.meet(all),
    rests: (partition) => intake.isRunning && served.of(partition)?.rests === true,
    owes: (partition) => deliverer.look(partition),
    ordered: (order) => obedience.hear(order),
    recovered: (partition, recovery) => {
      slots.runs.crashed(queueOf(partition), recovery.crashed?.length ?? 0)
      void tellCrashed(store, registry, slots.hooks, partition, recovery, telemetry).catch(met)
    },
    ticked: () => {
      thread.beat()
      slots.blockedLoops.turns()
    },
    renew: () => leases.catchUp(),
  })
  const death = new DeathWatch({
    ...{ running, report, thread, onEnding: options.onEnding },
    unstored: () => [...served.claimers].map(({ partition, unstored }) => [partition, unstored]),
  })

  // The parts start and become quiet in this order, and stop in the reverse order.
  const all: Part[] = [
    trouble,
    permits,
    slots,
    ...(isolation === undefined ? [] : [isolation]),
    leases,
    steps,
    thread,
    death,
    // The first round of the maintenance announces the worker. The store may ring, and jobs may begin, only
    // after this round.
    maintenance,
    ...(declarations === undefined ? [] : [declarations]),
    ticks,
    deliverer,
    ...(relaying === undefined ? [] : [relaying]),
    rings,
    served,
    // Only the parts that take jobs become quiet, because a quiet worker still does its work for the whole
    // store.
    claimPermits,
    suspects,
    intake,
  ]
  return {
    ...{ all, intake, order, slots, served, permits, trouble, claimWatch, thread },
    ...{ maintenance, declarations, ticks, deliverer, drainCheck },
  }
}
