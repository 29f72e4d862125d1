/**
 * Every key that Lark has in Redis. Nothing else makes key names, but for the one fragment that the scripts share
 * (`lua/shared/start.lua`), which gives each the prefix and hash tag of the key it was handed. So all keys of a
 * partition lie in one slot of a cluster.
 *
 * Of a partition, `<prefix>:{emails}:…`:
 *
 *   jobs         HASH    id -> record (`packing.ts`)
 *   payloads     HASH    id -> payload of a large job (`lua/shared/payload.lua`)
 *   line, due, void  LIST, ZSET, SET  what waits (`lua/shared/line.lua`); with `:<priority>` when that is not 0
 *   priorities   ZSET    priorities other than 0 that have a line
 *   laned, lane:<name>, late:<name>, group:<name>  ZSET, ZSET, ZSET, HASH  jobs of groups (`lua/shared/lane.lua`)
 *   turns, turns^<limiter>, asleep, limiters  ZSET  which of them is next (`lua/shared/turn.lua`)
 *   paused       ZSET    groups -> until when
 *   claims, leases, holders  HASH, ZSET, HASH  what is handed out (`lua/shared/claim.lua`)
 *   direct       HASH    id -> 1: jobs that are not handed out ahead, since their start must be seen: they were taken back
 *                        from a worker, or let go of their lock when they start
 *   hooked, endings  HASH, ZSET  what is to be done for jobs that ended (`lua/shared/ending.lua`)
 *   lockers, locks, throttles, throttlers  HASH, HASH, ZSET, HASH  unique jobs (`lua/shared/lock.lua`)
 *   notices      HASH    id -> reason: running jobs that should be cancelled
 *   counters     HASH    id -> runs, failures, crashes, releases; absent while all are 0
 *   errors, logs HASH    id -> JSON lines
 *   results, reasons     HASH  id -> JSON text; why it was cancelled, or `runs|why` the last of so many put it back
 *   completed, failed, cancelled   ZSET  id -> when it ended
 *   settings     HASH    paused; lanes, turn, own; large
 *   rate, starts HASH, LIST  when jobs began, where that is limited (`lua/shared/limit.lua`); of a group with `@<name>`
 *   minutes:<minute>     HASH    what ended in it (`lua/shared/minute.lua`)
 *   idle         SET     callers that got less than they wanted and listen to their bell
 *   offers       HASH    of these, how many jobs each takes with the ring (`lua/shared/hand.lua`)
 *   call:<caller>        STRING  the caller's last call, and the answer
 *
 * Of a limiter, `<prefix>:limit:{stripe}:…`:
 *
 *   holders, ends  HASH, ZSET  worker -> permits it holds, and its last call (`lua/permit.lua`); until when. Both go with
 *                        the last holder
 *   waiting, waits ZSET, ZSET  sizes of lots that somebody waits for: since when, until when that counts
 *   rate, starts HASH, LIST  when permits were given out, where that is limited (`lua/shared/limit.lua`)
 *   circuit, failures  HASH, ZSET  of a circuit breaker of that name (`lua/circuit.lua`)
 *
 * Of the whole store, `<prefix>:{meta}:…`. A partition of that name has no key in common with it:
 *
 *   layout       STRING  the version of all this
 *   partitions   SET
 *   workers, worker-ends   HASH, ZSET  worker -> record, until when it is known
 *   keys         SET     job keys that were ever announced
 *
 * And the channel `<prefix>:bell:<caller>`, on which the name of a partition is a ring.
 */
import { JobsError } from '../../errors.ts'

/** The version of the layout above. */
export const LAYOUT = '5'

type Kind = 'hash' | 'list' | 'set' | 'zset' | 'string'

/** What lies under a key of partition, limiter or store, by its name up to where it is no more a word. */
const kinds: Readonly<Record<Kind, string>> = {
  hash:
    'jobs payloads group claims holders direct hooked lockers locks throttlers notices counters errors logs results ' +
    'reasons settings rate minutes offers circuit workers',
  list: 'line starts',
  set: 'void idle partitions keys',
  zset:
    'due priorities laned lane late turns asleep limiters paused leases endings throttles completed failed cancelled ' +
    'ends waiting waits failures worker-ends',
  string: 'call layout',
}

const byName = new Map(
  Object.entries(kinds).flatMap(([kind, all]) => all.split(' ').map((name) => [name, kind as Kind] as const)),
)

/** Names that are whole, and beginnings of others (`line`, `line:5`). */
export const names: readonly string[] = [...byName.keys()]

/** What lies under the key of that name: `jobs`, `line:5`, `turns^stripe`. */
export function kindOf(name: string): Kind | undefined {
  return byName.get(/^[a-z-]+/.exec(name)?.[0] ?? '')
}

export class Keys {
  readonly #prefix: string

  /** @throws STORE_INVALID when the prefix has a brace, which would spoil the hash tags */
  constructor(prefix: string) {
    if (!/^[^{}]+$/.test(prefix)) {
      throw new JobsError('STORE_INVALID', `A prefix of Redis keys is a text without braces, not "${prefix}"`)
    }
    this.#prefix = prefix
  }

  of(partition: string, name: 'jobs' | 'settings' | 'idle' | 'offers' | 'logs' | `call:${string}`): string {
    return `${this.#prefix}:{${partition}}:${name}`
  }

  limiter(name: string, part: 'holders' | 'circuit'): string {
    return `${this.#prefix}:limit:{${name}}:${part}`
  }

  meta(name: 'layout' | 'partitions' | 'workers' | 'keys'): string {
    return `${this.#prefix}:{meta}:${name}`
  }

  /** Matches every key of the store, as Redis matches. */
  get everything(): string {
    return `${this.#prefix.replace(/[*?[\]\\]/g, '\\$&')}:*`
  }

  bell(caller: string): string {
    return `${this.#prefix}:bell:${caller}`
  }
}
