/**
 * The tests that every store must pass, by subject. The tests use only the `Store` interface and a virtual
 * clock. A store under test provides only an empty place.
 *
 * The files below test the invariants of the store contract. `sequences.ts` also tests all invariants, with
 * random calls and a model:
 *
 *   1  at least once, and in exactly one state    reading.ts, handles.ts; kills of processes:
 *                                                 ../sqlite/, ../redis/
 *   2  only the token's holder settles            leases.ts
 *   3  a lease that ended goes back; crashes      recover.ts, recovered.ts, silences.ts, suspects.ts,
 *                                                 ahead.ts
 *   4  a lost reply, a failed settle              resend.ts
 *   5  time is the store's clock                  reading.ts, delay.ts
 *   6  the order of decision                      order.ts, pause.ts, groups.ts
 *   7  bounded by default                         retention.ts, limits.ts, claim-and-settle.ts, minutes.ts;
 *                                                 that no cost grows with what is stored:
 *                                                 ../sqlite/cost.test.ts
 *   8  a key that no worker here knows            claim-and-settle.ts, workers.ts; the worker's part:
 *                                                 ../working/
 *   9  a claim scans past nothing                 order.ts, recovered.ts, groups.ts, group-limits.ts
 *
 * Each job that is moved to another partition arrives once: moves.ts. A change at a pace changes each job
 * once although workers die: pacing.ts. Which queues stand still or fail, and since when: incidents.ts.
 *
 * Effects, which are delivered at least once, and only once while no acknowledged write is lost: effects.ts.
 * Ticks, each of which becomes one job: schedules.ts. Flows count each end once: flows.ts, flow-nodes.ts,
 * flow-ends-at-home.ts, flow-members.ts. Flows end, whichever process dies: advancing.ts.
 */
import { describe } from 'vitest'
import { advancing, advancingAtRandom, advancingThroughRollbacks } from './advancing.ts'
import { ahead } from './ahead.ts'
import { alter } from './alter.ts'
import { auditing } from './audit.ts'
import { bounded } from './bounded.ts'
import { circuits } from './circuits.ts'
import { claimAndSettle } from './claim-and-settle.ts'
import { clear } from './clear.ts'
import { close } from './close.ts'
import { delay } from './delay.ts'
import { effects } from './effects.ts'
import { enqueue } from './enqueue.ts'
import { flowEndsAtHome } from './flow-ends-at-home.ts'
import { flowMembers } from './flow-members.ts'
import { flowNodes } from './flow-nodes.ts'
import { flows, flowsByTwo } from './flows.ts'
import { groupLimits } from './group-limits.ts'
import { groups } from './groups.ts'
import { handles } from './handles.ts'
import { Harness, type Make, type MakePlace } from './harness.ts'
import { history } from './history.ts'
import { incidents } from './incidents.ts'
import { inspecting } from './inspecting.ts'
import { journals } from './journals.ts'
import { keeping } from './keeping.ts'
import { lanes } from './lanes.ts'
import { largeJobs } from './large.ts'
import { leases } from './leases.ts'
import { limited } from './limited.ts'
import { limiters, limitersThroughRollbacks } from './limiters.ts'
import { limiting } from './limiting.ts'
import { limits } from './limits.ts'
import { listening } from './listening.ts'
import { minutes } from './minutes.ts'
import { moves } from './moves.ts'
import { order } from './order.ts'
import { orders } from './orders.ts'
import { ownIds } from './own-ids.ts'
import { pacing } from './pacing.ts'
import { partitions } from './partitions.ts'
import { pause } from './pause.ts'
import { prefiltered } from './prefiltered.ts'
import { priorities } from './priorities.ts'
import { reading } from './reading.ts'
import { recover } from './recover.ts'
import { recovered } from './recovered.ts'
import { relayedJobs } from './relayed.ts'
import { resend } from './resend.ts'
import { restoring } from './restore.ts'
import { retention } from './retention.ts'
import { rollbacks } from './rollbacks.ts'
import { scheduledByTwo, schedules } from './schedules.ts'
import { sequences } from './sequences.ts'
import { silences } from './silences.ts'
import { stands } from './stand.ts'
import { storedLimits } from './stored-limits.ts'
import { survey } from './survey.ts'
import { suspectJobs } from './suspects.ts'
import { ticking } from './ticking.ts'
import { undoing } from './undoing.ts'
import { unique } from './unique.ts'
import { waitingAndRings } from './waiting-and-rings.ts'
import { watching } from './watching.ts'
import { workerRuns } from './worker-runs.ts'
import { workers } from './workers.ts'

export interface Traits {
  /** Whether two handles see the same jobs. The value is false for a store in memory. */
  shared: boolean
  /** Whether the places of the store can be set back to an earlier state (`Place.save`). */
  rollsBack: boolean
  /**
   * The seeds of the random sequences for this store. Stores with the same code have different seeds, so that
   * each sequence tests something new: the stores on tables have 360 seeds together, and the stores with Lua
   * have 360.
   */
  seeds: readonly [from: number, to: number]
  /**
   * Whether other stores already run the whole suite with the code and with the place of this store. One
   * Redis server and a cluster of Valkey servers run the whole suite. So a Valkey server and a cluster of
   * Redis servers only combine scripts and connections that were both tested. A database in memory has the
   * statements of a database in a file. For such a variant, only those subjects are tested that could still
   * differ: opening and closing, calls to several partitions, waiting and notifications, large replies, two
   * handles, changes at a pace and incidents, which ask many partitions, and the random sequences, which make
   * every call.
   */
  isVariant?: boolean
}

/**
 * Registers the suite for one store.
 *
 * @example
 * describeStore('sqlite file', async () => {
 *   const folder = await mkdtemp(join(tmpdir(), 'lark-'))
 *   return {
 *     handle: (options) => new SqliteStore(join(folder, 'jobs.db'), options),
 *     remove: () => rm(folder, { recursive: true }),
 *   }
 * }, { shared: true, rollsBack: false, seeds: [1, 180] })
 */
export function describeStore(name: string, makePlace: MakePlace, traits: Traits): void {
  const make: Make = (options) => Harness.make(makePlace, options)
  describe(name, () => {
    describe('enqueue', () => enqueue(make))
    describe('claim and settle', () => claimAndSettle(make))
    describe('effects', () => effects(make))
    describe('waiting and rings', () => waitingAndRings(make))
    describe('watching', () => watching(make))
    describe('listening', () => listening(make))
    describe('survey', () => survey(make))
    describe('workers', () => workers(make))
    describe('orders', () => orders(make))
    describe('limits', () => limits(make))
    describe('large jobs', () => largeJobs(make))
    describe('partitions', () => partitions(make))
    describe('schedules', () => schedules(make))
    describe('flows', () => flows(make))
    describe('nodes of flows', () => flowNodes(make))
    describe('ends at home', () => flowEndsAtHome(make))
    describe('members of flows', () => flowMembers(make))
    describe('close', () => close(make))
    describe('sequences', () => sequences(make, traits.seeds))
    if (traits.shared) describe('two handles', () => handles(make))
    if (traits.shared) describe('schedules of two handles', () => scheduledByTwo(make))
    if (traits.shared) describe('flows of two handles', () => flowsByTwo(make))
    if (traits.shared) describe('changes at a pace', () => pacing(make))
    if (traits.shared) describe('incidents', () => incidents(make))
    if (traits.isVariant) return
    describe('ticking', () => ticking(make))
    describe('order', () => order(make))
    describe('priorities', () => priorities(make))
    describe('leases', () => leases(make))
    describe('ahead', () => ahead(make))
    describe('recover', () => recover(make))
    describe('recovered', () => recovered(make))
    describe('silences', () => silences(make))
    describe('suspects', () => suspectJobs(make))
    describe('own ids', () => ownIds(make))
    describe('unique', () => unique(make))
    describe('resend', () => resend(make))
    describe('delay', () => delay(make))
    describe('retention', () => retention(make))
    describe('keeping', () => keeping(make))
    describe('relayed jobs', () => relayedJobs(make))
    describe('worker runs', () => workerRuns(make))
    describe('reading', () => reading(make))
    describe('prefilter', () => prefiltered(make))
    describe('inspecting', () => inspecting(make))
    describe('minutes', () => minutes(make))
    describe('history', () => history(make))
    describe('alter', () => alter(make))
    describe('audit', () => auditing(make))
    describe('pause', () => pause(make))
    describe('stored limits', () => storedLimits(make))
    describe('clear', () => clear(make))
    describe('restore', () => restoring(make))
    describe('moves', () => moves(make))
    describe('journals', () => journals(make))
    describe('undoing', () => undoing(make))
    describe('limiting', () => limiting(make))
    describe('limiters', () => limiters(make))
    describe('circuits', () => circuits(make))
    describe('bounded', () => bounded(make))
    describe('limited', () => limited(make))
    describe('groups', () => groups(make))
    describe('limits of groups', () => groupLimits(make))
    describe('lanes', () => lanes(make))
    describe('stand', () => stands(make))
    describe('advancing', () => advancing(make, name.length))
    describe('advancing at random', () => advancingAtRandom(make))
    if (traits.rollsBack) {
      describe('rollbacks', () => rollbacks(make))
      describe('limiters through rollbacks', () => limitersThroughRollbacks(make))
      describe('advancing through rollbacks', () => advancingThroughRollbacks(make))
    }
  })
}
