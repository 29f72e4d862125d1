/** The tests of dispatching and working that every store must pass, by subject. */
import { describe } from 'vitest'
import { aborting } from './aborting.ts'
import { alarming } from './alarming.ts'
import { approving } from './approving.ts'
import { awaiting } from './awaiting.ts'
import { backingOff } from './backing-off.ts'
import type { Connect } from './bench.ts'
import { blocking } from './blocking.ts'
import { breaking } from './breaking.ts'
import { cancelling } from './cancelling.ts'
import { changing } from './changing.ts'
import { children } from './children.ts'
import { commanding } from './commanding.ts'
import { contexts } from './contexts.ts'
import { damage } from './damage.ts'
import { defining } from './defining.ts'
import { delaying } from './delaying.ts'
import { delivering } from './delivering.ts'
import { dispatching } from './dispatching.ts'
import { drafting } from './drafting.ts'
import { drainCheck } from './drain-check.ts'
import { ending } from './ending.ts'
import { explaining } from './explaining.ts'
import { failing } from './failing.ts'
import { fairOrder } from './fair-order.ts'
import { filtering } from './filtering.ts'
import { flows } from './flows.ts'
import { givingUp } from './giving-up.ts'
import { grouping } from './grouping.ts'
import { handling } from './handling.ts'
import { hooks } from './hooks.ts'
import { ids } from './ids.ts'
import { keeping } from './keeping.ts'
import { largeJobs } from './large-jobs.ts'
import { leases } from './leases.ts'
import { limiting } from './limiting.ts'
import { listening } from './listening.ts'
import { listing } from './listing.ts'
import { making } from './making.ts'
import { measuring } from './measuring.ts'
import { middleware } from './middleware.ts'
import { moving } from './moving.ts'
import { naming } from './naming.ts'
import { operating } from './operating.ts'
import { operatingFlows } from './operating-flows.ts'
import { order } from './order.ts'
import { ordering } from './ordering.ts'
import { overlapping } from './overlapping.ts'
import { pacing } from './pacing.ts'
import { partitions } from './partitions.ts'
import { pausing } from './pausing.ts'
import { payloads } from './payloads.ts'
import { permitting } from './permitting.ts'
import { presets } from './presets.ts'
import { programming } from './programming.ts'
import { purging } from './purging.ts'
import { rateLimiting } from './rate-limiting.ts'
import { relaying } from './relaying.ts'
import { releasing } from './releasing.ts'
import { removing } from './removing.ts'
import { reporting } from './reporting.ts'
import { rescheduling } from './rescheduling.ts'
import { retryUntil } from './retry-until.ts'
import { retrying } from './retrying.ts'
import { running } from './running.ts'
import { scheduling } from './scheduling.ts'
import { searching } from './searching.ts'
import { seeingSteps } from './seeing-steps.ts'
import { settingSchedules } from './setting-schedules.ts'
import { standingStill } from './standing-still.ts'
import { starting } from './starting.ts'
import { stepping } from './stepping.ts'
import { steppingIn } from './stepping-in.ts'
import { stopping } from './stopping.ts'
import { stranding } from './stranding.ts'
import { suspects } from './suspects.ts'
import { suspending } from './suspending.ts'
import { tailing } from './tailing.ts'
import { telling } from './telling.ts'
import { throwing } from './throwing.ts'
import { tracing } from './tracing.ts'
import { undoes } from './undoing.ts'
import { unforeseen } from './unforeseen.ts'
import { uniqueness } from './uniqueness.ts'
import { weighing } from './weighing.ts'

export function describeWorking(connect: Connect, isRedis = false): void {
  describe('dispatching', () => dispatching(connect))
  describe('ids', () => ids(connect))
  describe('handling', () => handling(connect))
  describe('awaiting', () => awaiting(connect))
  describe('reporting', () => reporting(connect))
  describe('starting', () => starting(connect))
  describe('running', () => running(connect))
  describe('aborting', () => aborting(connect))
  describe('cancelling', () => cancelling(connect))
  describe('changing', () => changing(connect))
  describe('moving', () => moving(connect))
  describe('removing', () => removing(connect))
  describe('purging', () => purging(connect))
  describe('keeping', () => keeping(connect))
  describe('filtering', () => filtering(connect))
  describe('rescheduling', () => rescheduling(connect))
  describe('listing', () => listing(connect))
  describe('searching', () => searching(connect))
  describe('listening', () => listening(connect))
  describe('failing', () => failing(connect))
  describe('measuring', () => measuring(connect))
  describe('alarming', () => alarming(connect))
  describe('ordering', () => ordering(connect))
  describe('operating', () => operating(connect))
  describe('explaining', () => explaining(connect))
  describe('standing still', () => standingStill(connect))
  describe('tailing', () => tailing(connect))
  describe('operating flows', () => operatingFlows(connect))
  describe('throwing', () => throwing(connect))
  describe('order', () => order(connect))
  describe('delaying', () => delaying(connect))
  describe('fair order', () => fairOrder(connect))
  describe('partitions', () => partitions(connect))
  describe('leases', () => leases(connect))
  describe('damage', () => damage(connect, isRedis))
  describe('large jobs', () => largeJobs(connect))
  describe('blocking', () => blocking(connect))
  describe('suspects', () => suspects(connect))
  describe('limiting', () => limiting(connect))
  describe('unique', () => uniqueness(connect))
  describe('naming', () => naming(connect))
  describe('grouping', () => grouping(connect))
  describe('pausing', () => pausing(connect))
  describe('changes at a pace', () => pacing(connect))
  describe('permitting', () => permitting(connect))
  describe('weighing', () => weighing(connect))
  describe('retrying', () => retrying(connect))
  describe('retryUntil', () => retryUntil(connect))
  describe('backing off', () => backingOff(connect))
  describe('giving up', () => givingUp(connect))
  describe('relaying', () => relaying(connect))
  describe('releasing', () => releasing(connect))
  describe('telling', () => telling(connect))
  describe('commanding', () => commanding(connect))
  describe('stranding', () => stranding(connect))
  describe('overlapping', () => overlapping(connect))
  describe('rate limiting', () => rateLimiting(connect))
  describe('breaking', () => breaking(connect))
  describe('hooks', () => hooks(connect))
  describe('scheduling', () => scheduling(connect))
  describe('setting schedules', () => settingSchedules(connect))
  describe('flows', () => flows(connect))
  describe('drain check', () => drainCheck(connect))
  describe('ending', () => ending(connect))
  describe('delivering', () => delivering(connect))
  describe('children', () => children(connect))
  describe('stepping', () => stepping(connect))
  describe('suspending', () => suspending(connect))
  describe('programs of steps', () => programming(connect))
  describe('approving', () => approving(connect))
  describe('seeing steps', () => seeingSteps(connect))
  describe('stepping in a database', () => steppingIn(connect))
  describe('undoing', () => undoes(connect))
  describe('stopping', () => stopping(connect))
  describe('unforeseen', () => unforeseen(connect))
  // These tests read options before any call of the store. The conformance suite shows that each store keeps
  // the options.
  if (isRedis) return
  describe('drafting', () => drafting(connect))
  describe('presets', () => presets(connect))
  describe('middleware', () => middleware(connect))
  describe('making', () => making(connect))
  describe('defining', () => defining(connect))
  describe('payloads of classes', () => payloads(connect))
  describe('contexts', () => contexts(connect))
  describe('tracing', () => tracing(connect))
}
