/**
 * Every key that Lark has in Redis. Key names are made in this file and in one fragment that the scripts
 * share (`start.lua`), and nowhere else. The fragment gives every key the prefix and hash tag of KEYS[1], so
 * all keys of a partition are in one slot of a cluster.
 *
 * Keys of a partition, `<prefix>:{emails}:…`:
 *
 *   jobs         HASH    id -> record (`packing.ts`)
 *   payloads     HASH    id -> payload of a large job (`payload.lua`)
 *   line, due, void  LIST, ZSET, SET  pending jobs (`line.lua`); with `:<priority>` if that is not 0
 *   priorities   ZSET    priorities other than 0 that have a line
 *   laned, lane:<name>, late:<name>, group:<name>  ZSET, ZSET, ZSET, HASH  jobs of groups (`lane.lua`)
 *   turns, turns^<limiter>, asleep, limiters  ZSET  which lane is next (`turn.lua`)
 *   paused, pausers  ZSET, HASH  groups -> until when; which person paused them
 *   claims, leases, holders  HASH, ZSET, HASH  active jobs (`lease.lua`, `holder.lua`)
 *   direct       HASH    id -> 1: jobs that must not be prefetched, because the store must see their start:
 *                        they were taken back from a worker, or release their lock when they start. In the
 *                        code this is `noPrefetch`; stored names do not change. Or the token with which a job
 *                        that was taken back may still be settled (`last-token.lua`)
 *   doubts       ZSET    jobs that were taken back after the store had not answered (`doubt.lua`)
 *   effects:<kind>, remembered, ended, hooked  ZSET, ZSET, HASH, HASH  what must happen elsewhere because
 *                        jobs ended (`effect.lua`)
 *   effects:move  ZSET   jobs on their way to another partition (`gone.lua`)
 *   effects:bundle, remembered:bundle, bundles:<flow>.<home>:  ZSET, ZSET, ZSET  members that completed
 *                        together (`bundle.lua`)
 *   keeps, kept, kept:<state>, kept-logs  HASH, ZSET, ZSET, ZSET  jobs that are kept for an age of their own
 *                        (`keeping.lua`)
 *   relayed      ZSET    id -> until when it is known: jobs that came through an outbox (`relayed.lua`)
 *   watches      HASH    who wants to be told of the ends of which jobs (`watching.lua`)
 *   events, listeners  LIST, SET  what happens to jobs, while somebody listens (`listening.lua`)
 *   flow:<id>, flow-ends:<id>, flow-results:<id>, news:<id>  HASH, HASH, HASH, LIST  flows
 *                        (`flows.lua`)
 *   crowd:<id>, crowd-failed:<id>, crowd-cancelled:<id>, flow-ids, flows  STRING, STRING, STRING, ZSET, ZSET
 *                        the same
 *   lockers, locks, throttles, throttlers  HASH, HASH, ZSET, HASH  unique jobs (`lock.lua`)
 *   notices      HASH    id -> reason: running jobs that should be cancelled
 *   counters     HASH    id -> runs, failures, crashes, releases; absent while all are 0
 *   failed-sizes, failed-kinds, failed-spares, failed-wholes  HASH, ZSET, ZSET, ZSET  which failed jobs go
 *                        first (`failed-jobs.lua`)
 *   retrying     SET     the jobs that have failed and wait for their next try (`retrying.lua`)
 *   stranded, stranded-due  ZSET, ZSET  pending jobs that no worker could read: since when, until when they
 *                        are delayed (`retrying.lua`)
 *   suspended    SET     the pending jobs that wait for a time or a signal (`suspended.lua`)
 *   journals, undos, rests, steps:<id>, signals:<id>, early  HASH, HASH, HASH, LIST, LIST, ZSET
 *                        what the steps of jobs have recorded (`journal.lua`)
 *   errors, logs HASH    id -> JSON lines
 *   progress     HASH    id -> JSON: what a job reported last
 *   results, reasons     HASH  id -> JSON text; the reason of a cancel, or `runs|reason` of the last release
 *                        (`store/contract/rules/reason.ts`)
 *   completed, failed, cancelled   ZSET  id -> when it ended. New state: its key
 *   settings     HASH    paused; lanes, turn, own; large; effects; watched; keeps; listened, trimmed; ticks,
 *                        flows; heard, silent, failed-bytes, dropped, dropped-at; journals
 *   rate, starts HASH, LIST  when jobs began, if there is a rate (`rate.lua`); for a group with `@<name>`
 *   schedules, schedule-states, schedule-runs, ticks  HASH, HASH, HASH, ZSET  schedules
 *                        (`stored.lua`)
 *   minutes:<minute>     HASH    how many jobs ended in it (`minute.lua`)
 *   history, unrolled  HASH, ZSET  how many ended in each hour and day, and hours that are to be added
 *                        (`roll-up.lua`)
 *   idle         SET     callers that got less than they wanted and can be rung
 *   offers       HASH    how many jobs each of these callers takes with a ring (`offers.lua`)
 *   call:<caller>        STRING  the caller's last call, and the answer; `call:schedules.<id>`,
 *                        `call:flows.<id>`: schedules or a flow were written, and a process waits for the
 *                        replicas or the disk; `call:steps`: so were entries of steps
 *
 * Keys of a limiter, `<prefix>:limit:{stripe}:…`:
 *
 *   holders, ends  HASH, ZSET  worker -> permits it holds, and its last call (`permit.lua`); until when. Both
 *                        are removed with the last holder
 *   waiting, waits ZSET, ZSET  sizes of lots that holders wait for: since when, until when this counts
 *   rate, starts HASH, LIST  when permits were granted, if there is a rate (`rate.lua`)
 *   circuit, failures  HASH, ZSET  of a circuit breaker with that name (`circuit.lua`)
 *
 * Keys of the whole store, `<prefix>:{meta}:…`. A partition with the name `meta` has no key in common with
 * these:
 *
 *   layout       STRING  the name of all this (`contract/rules/layout.ts`)
 *   migration    STRING  while a process brings an earlier layout forward (`verbs/layout.ts`); it expires
 *   partitions   SET
 *   workers, worker-ends   HASH, ZSET  worker -> record, until when it counts as alive. Those that have ended
 *                        are kept for a while if they say how their runs went (`contract/runs.ts`)
 *   past-runs    STRING  JSON: the sum of the runs of all other workers
 *   run-history, runs-kept  HASH, STRING  instant -> the sum of all runs then (`contract/run-history.ts`);
 *                        the last minute in which somebody was told to keep it
 *   taken:<worker>       LIST    JSON: what was taken back from it (`contract/lost-workers.ts`); it expires
 *   order:<worker>       STRING  the last order to it (`contract/orders.ts`); it expires
 *   retentions   ZSET    JSON: what workers keep of ended jobs (`store/contract/rules/retention.ts`), until
 *                        when one of them counts as alive
 *   keys         SET     job keys that were ever announced
 *   homes, class-homes  HASH, HASH  schedule -> its home (`contract/schedules.ts`): of all; of those that job
 *                        classes declare
 *   audit, audit-times  HASH, ZSET  what people changed by hand (`audit-write.lua`)
 *
 * And the channel `<prefix>:bell:<caller>`, on which the name of a partition is a ring.
 */
import { JobsError } from '../../../model/errors.ts'
import { layoutName } from '../../contract/rules/layout.ts'

type Kind = 'hash' | 'list' | 'set' | 'zset' | 'string'

/**
 * The names of the keys of a partition, a limiter or the store, grouped by the type of their data. A key is
 * listed by the first word of its name.
 */
const kinds: Readonly<Record<Kind, string>> = {
  hash:
    'jobs payloads group claims holders direct hooked lockers locks throttlers notices counters errors logs results ' +
    'reasons settings rate minutes offers circuit workers ended flow watches keeps progress schedules schedule-states ' +
    'failed-sizes journals undos rests schedule-runs homes class-homes flow-ends flow-results pausers audit history run-history',
  list: 'line starts events news taken steps signals',
  set: 'void idle listeners partitions keys retrying suspended',
  zset:
    'due priorities laned lane late turns asleep limiters paused leases doubts effects remembered throttles completed failed cancelled ' +
    'early failed-kinds failed-spares failed-wholes stranded stranded-due ends waiting waits failures worker-ends kept kept-logs ticks flows flow-ids bundles unrolled audit-times retentions relayed',
  string: 'call layout migration crowd crowd-failed crowd-cancelled order past-runs runs-kept',
}

/** Raise this number if the contents of a key change and no word above does. */
const FORM = 6

export const LAYOUT = layoutName(1, `${FORM} ${JSON.stringify(kinds)}`)

const byName = new Map(
  Object.entries(kinds).flatMap(([kind, all]) => all.split(' ').map((name) => [name, kind as Kind] as const)),
)

/** All first words. Some of them are whole names too (`line`, beside `line:5`). */
export const names: readonly string[] = [...byName.keys()]

/** The type of data under the key with this name: `jobs`, `line:5`, `turns^stripe`. */
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
      | 'run-history',
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
