/**
 * Every key that Lark has in Redis. Only this file and `start.lua`, which all scripts contain, make the names
 * of keys. `start.lua` gives every key the prefix and hash tag of KEYS[1], so all keys of a partition are in
 * one slot of a cluster.
 *
 * Keys of a partition, `<prefix>:{emails}:…`:
 *
 *   jobs         HASH    id -> record (`packing.ts`)
 *   payloads     HASH    id -> payload of a large job (`payload.lua`)
 *   line, due, void  LIST, ZSET, SET  pending jobs (`line.lua`); `:<priority>` follows if it is not 0
 *   priorities   ZSET    the priorities other than 0 that have a line
 *   laned, lane:<name>, late:<name>, group:<name>  ZSET, ZSET, ZSET, HASH  jobs of groups (`lane.lua`)
 *   turns, turns^<limiter>, asleep, limiters  ZSET  the order of the lanes (`turn.lua`)
 *   paused, pausers  ZSET, HASH  group -> when its pause ends; who paused it
 *   claims, leases, holders  HASH, ZSET, HASH  active jobs (`lease.lua`, `holder.lua`)
 *   direct       HASH    id -> 1 for a job that must not be prefetched, because the store must see its start
 *                        (the job was taken back from a worker, or releases its lock when it starts); or the
 *                        token under which a job that was taken back may still be settled
 *                        (`last-token.lua`). The code calls this `noPrefetch`
 *   doubts       ZSET    jobs that were taken back after the store had not answered (`doubt.lua`)
 *   effects:<kind>, remembered, ended, hooked  ZSET, ZSET, HASH, HASH  what must happen elsewhere because
 *                        jobs ended (`effect.lua`)
 *   effects:move  ZSET   jobs on their way to another partition (`gone.lua`)
 *   effects:bundle, remembered:bundle, bundles:<flow>.<home>:  ZSET, ZSET, ZSET  members that completed in
 *                        one call (`bundle.lua`)
 *   keeps, kept, kept:<state>, kept-logs  HASH, ZSET, ZSET, ZSET  jobs that are kept for an age of their own
 *                        (`keeping.lua`)
 *   relayed      ZSET    id -> until when it is remembered: jobs from an outbox (`relayed.lua`)
 *   watches      HASH    the watchers of jobs, which learn when a job ends (`watching.lua`)
 *   events, listeners  LIST, SET  events of jobs, while somebody listens (`listening.lua`)
 *   flow:<id>, flow-ends:<id>, flow-results:<id>, news:<id>  HASH, HASH, HASH, LIST  flows
 *                        (`flows.lua`)
 *   crowd:<id>, crowd-failed:<id>, crowd-cancelled:<id>, flow-ids, flows  STRING, STRING, STRING, ZSET, ZSET
 *                        flows, too (`flows.lua`)
 *   lockers, locks, throttles, throttlers  HASH, HASH, ZSET, HASH  unique jobs (`lock.lua`)
 *   notices      HASH    id -> reason: running jobs that should be cancelled
 *   counters     HASH    id -> runs, failures, crashes, releases; absent while all are 0
 *   failed-sizes, failed-kinds, failed-spares, failed-wholes  HASH, ZSET, ZSET, ZSET  which failed jobs go
 *                        first (`failed-jobs.lua`)
 *   retrying     SET     the jobs that have failed and wait for their next try (`retrying.lua`)
 *   stranded, stranded-due  ZSET, ZSET  pending jobs that no worker could read: since when they wait;
 *                        until when they are delayed (`retrying.lua`)
 *   suspended    SET     the pending jobs that wait for a time or a signal (`suspended.lua`)
 *   undos, rests, steps:<id>, signals:<id>, early  HASH, HASH, LIST, LIST, ZSET
 *                        what the steps of jobs have recorded (`journal.lua`)
 *   errors, logs HASH    id -> JSON lines
 *   progress     HASH    id -> JSON: what a job reported last
 *   results, reasons     HASH  id -> JSON text; the reason of a cancel, or `runs|reason` for the last release
 *                        (`store/contract/rules/reason.ts`)
 *   completed, failed, cancelled   ZSET  id -> when it ended. New state: its key
 *   settings     HASH    paused; lanes, turn, own; large; effects; watched; keeps; listened, trimmed; ticks,
 *                        flows; heard, silent, failed-bytes, dropped, dropped-at; journals
 *   rate, starts HASH, LIST  when jobs began, if there is a rate (`rate.lua`); for a group with `@<name>`
 *   schedules, schedule-states, schedule-runs, ticks  HASH, HASH, HASH, ZSET  schedules
 *                        (`stored.lua`)
 *   minutes:<minute>     HASH    how many jobs ended in this minute (`minute.lua`)
 *   history, unrolled  HASH, ZSET  how many jobs ended in each hour and day; the hours that are not
 *                        added up yet (`roll-up.lua`)
 *   idle         SET     callers that got fewer jobs than they wanted and can be rung
 *   offers       HASH    caller -> how many jobs it takes with a ring (`offers.lua`)
 *   call:<caller>        STRING  the caller's last call, and the answer. `call:schedules.<id>`,
 *                        `call:flows.<id>` and `call:steps` exist while a process waits until the replicas or
 *                        the disk have a write of schedules, of a flow or of steps
 *
 * Keys of a limiter, `<prefix>:limit:{stripe}:…`:
 *
 *   holders, ends  HASH, ZSET  worker -> the permits that it holds, and its last call; when its lease ends
 *                        (`permit.lua`). Both are removed with the last holder
 *   waiting, waits ZSET, ZSET  size of a lot -> since when holders wait for one; until when they wait
 *   rate, starts HASH, LIST  when permits were granted, if there is a rate (`rate.lua`)
 *   circuit, failures  HASH, ZSET  the circuit breaker with the name of the limiter (`circuit.lua`)
 *
 * Keys of the whole store, `<prefix>:{meta}:…`. No partition has one of these keys, even if its name
 * is `meta`:
 *
 *   layout       STRING  the layout of the store (`contract/rules/layout.ts`)
 *   migration    STRING  exists while a process brings an earlier layout forward (`verbs/layout.ts`)
 *   partitions   SET     the names of all partitions
 *   workers, worker-ends   HASH, ZSET  worker -> record; until when it counts as alive. A worker that has
 *                        ended is kept for a while if its record has counts of runs (`contract/runs.ts`)
 *   past-runs    STRING  JSON: the counts of runs of all workers that are no longer kept
 *   run-history, runs-kept  HASH, STRING  instant -> the counts of all runs until then
 *                        (`contract/run-history.ts`); the last minute whose counts were requested
 *   class-history        HASH    the runs of each class in past hours and days, and the counts when the
 *                        present hour began (`contract/class-history.ts`)
 *   taken:<worker>       LIST    JSON: the jobs taken back from it (`contract/lost-workers.ts`); it expires
 *   order:<worker>       STRING  the last order to the worker (`contract/orders.ts`); it expires
 *   retentions   ZSET    JSON of a retention (`store/contract/rules/retention.ts`) -> until when a worker
 *                        with this retention counts as alive
 *   keys         SET     job keys that were ever announced
 *   homes, class-homes  HASH, HASH  schedule -> its home (`contract/schedules.ts`): all schedules; those
 *                        that job classes declare
 *   audit, audit-times  HASH, ZSET  what people changed by hand (`audit-write.lua`)
 *
 * Each caller also has a channel, `<prefix>:bell:<caller>`, on which it receives rings: the names of
 * partitions.
 */
import { JobsError } from '../../../model/errors.ts'
import { layoutName } from '../../contract/rules/layout.ts'

type Kind = 'hash' | 'list' | 'set' | 'zset' | 'string'

/** The first words of the names of all keys, by the type of the data under the key. */
const kinds: Readonly<Record<Kind, string>> = {
  hash:
    'jobs payloads group claims holders direct hooked lockers locks throttlers notices counters errors logs results ' +
    'reasons settings rate minutes offers circuit workers ended flow watches keeps progress schedules schedule-states ' +
    'failed-sizes undos rests schedule-runs homes class-homes flow-ends flow-results pausers audit history run-history ' +
    'class-history',
  list: 'line starts events news taken steps signals',
  set: 'void idle listeners partitions keys retrying suspended',
  zset:
    'due priorities laned lane late turns asleep limiters paused leases doubts effects remembered throttles completed failed cancelled ' +
    'early failed-kinds failed-spares failed-wholes stranded stranded-due ends waiting waits failures worker-ends kept kept-logs ticks flows flow-ids bundles unrolled audit-times retentions relayed',
  string: 'call layout migration crowd crowd-failed crowd-cancelled order past-runs runs-kept',
}

/** Raise this number if the form of the data under a key changes without a change of the text of `kinds`. */
const FORM = 6

export const LAYOUT = layoutName(1, `${FORM} ${JSON.stringify(kinds)}`)

const byName = new Map(
  Object.entries(kinds).flatMap(([kind, all]) => all.split(' ').map((name) => [name, kind as Kind] as const)),
)

/**
 * The first words of the names of all keys. A first word may also be a whole name: there are the keys `line`
 * and `line:5`.
 */
export const names: readonly string[] = [...byName.keys()]

/** The type of the data under the key with this name, such as `jobs`, `line:5` or `turns^stripe`. */
export function kindOf(name: string): Kind | undefined {
  return byName.get(/^[a-z-]+/.exec(name)?.[0] ?? '')
}

type PartitionKey =
  | ('jobs' | 'holders' | 'settings' | 'idle' | 'offers' | 'logs' | 'doubts')
  | `call:${string}`

export class Keys {
  readonly #prefix: string

  /** @throws STORE_INVALID if the prefix has a brace, which would break the hash tags */
  constructor(prefix: string) {
    if (!/^[^{}]+$/.test(prefix)) {
      throw new JobsError(
        'STORE_INVALID',
        `A prefix of Redis keys must be a text without braces, not "${prefix}"`,
      )
    }
    this.#prefix = prefix
  }

  of(partition: string, name: PartitionKey): string {
    return `${this.#prefix}:{${partition}}:${name}`
  }

  limiter(name: string, part: 'holders' | 'circuit'): string {
    return `${this.#prefix}:limit:{${name}}:${part}`
  }

  meta(
    name:
      | ('layout' | 'migration' | 'partitions' | 'workers' | 'keys' | 'homes' | 'class-homes' | 'audit')
      | ('run-history' | 'class-history'),
  ): string {
    return `${this.#prefix}:{meta}:${name}`
  }

  /** A pattern of Redis that matches every key of the store. */
  get everything(): string {
    return `${this.#prefix.replace(/[*?[\]\\]/g, '\\$&')}:*`
  }

  bell(caller: string): string {
    return `${this.#prefix}:bell:${caller}`
  }
}
