/**
 * How the file is laid out, and the opening of it.
 *
 * A job is one row of `jobs` from dispatch to pruning; `state` and three partial indexes say where it stands:
 *
 *   pending    in `line`, in the order of running; waiting or delayed according to `dueAt` and the clock
 *   active     `token` says under which row of `leases`, which lists it; `ahead` says whether it has started
 *   ended      in `ended`, by the time it ended
 *
 * `seq` rises with every job and decides between jobs of one place. Columns are named as the record's fields;
 * `direct` is 1 when the job is not handed out ahead: it was taken back from a worker, or lets go of its lock when it
 * starts. `lane` and `laneLimits` are of a job of a group or a limiter (`lane.ts`), `lock`, `untilStart` and `holds` are a unique
 * job's (`lock.ts`), `hooked` and `endingAt` of one that may have ended where no handler ran (`ending.ts`). `partitions` holds counters that the same
 * transactions keep, so that counting never means scanning: see `partition.ts`; those of past minutes are in
 * `minutes`. `payloads` has the large ones (`payload.ts`). `rates` and `starts` are of limits (`limit.ts`), `holders`, `waits`, `circuits` and `failures` of limiters
 * (`limiters.ts`). `calls` remembers answers, `waiters` who wants to be rung, `workers` and `keys` who is there.
 */
import { JobsError } from '../../errors.ts'
import type { StoreOptions } from '../store.ts'
import type { Database } from './database.ts'

/** `jobs.state`. A partial index needs the number in the statement's text. */
export const PENDING = 0
export const ACTIVE = 1
export const COMPLETED = 2
export const FAILED = 3
export const CANCELLED = 4

/** `jobs.ahead` of an active job. */
export const STARTED = 0
export const NOT_STARTED = 1
/** A suspect that started while others ran in its process (`recovery.ts`). */
export const BESIDE = 2

/** Raised with every change below that an older Lark could not read. */
const LAYOUT = 7
/** "Lark" in ASCII: tells our file from another program's. */
const APPLICATION = 0x4c61726b

/** Payloads that are not in the row of their job, whose `apart` is their id. They go with that row. */
const payloads = `
  CREATE TABLE payloads (id INTEGER PRIMARY KEY, payload TEXT NOT NULL);
  CREATE TRIGGER payloadGone AFTER DELETE ON jobs WHEN OLD.apart IS NOT NULL
    BEGIN DELETE FROM payloads WHERE id = OLD.apart; END;`

/**
 * What brings a file of an earlier layout to the next one. Other processes wait meanwhile, so it must be quick however
 * large the file is.
 */
const migrations: Readonly<Record<number, string>> = {
  // Large payloads that are in their rows stay there: to move them would rewrite the file.
  6: `ALTER TABLE jobs ADD COLUMN apart INTEGER; ${payloads}`,
}

const tables = `
  CREATE TABLE partitions (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    held INTEGER NOT NULL DEFAULT 0,
    paused INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER NOT NULL DEFAULT 0,
    delayed INTEGER NOT NULL DEFAULT 0,
    active INTEGER NOT NULL DEFAULT 0,
    completed INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    asOf INTEGER NOT NULL,
    nextDue INTEGER,
    lanes INTEGER NOT NULL DEFAULT 0,
    turn INTEGER NOT NULL DEFAULT 0,
    ownTurn INTEGER NOT NULL DEFAULT 0,
    minute INTEGER NOT NULL DEFAULT 0,
    minuteCompleted INTEGER NOT NULL DEFAULT 0,
    minuteFailed INTEGER NOT NULL DEFAULT 0,
    minuteRetried INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    id TEXT NOT NULL,
    state INTEGER NOT NULL DEFAULT ${PENDING},
    priority INTEGER NOT NULL,
    queuedAt INTEGER NOT NULL,
    dueAt INTEGER NOT NULL,
    runs INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    releases INTEGER NOT NULL DEFAULT 0,
    direct INTEGER NOT NULL DEFAULT 0,
    ahead INTEGER NOT NULL DEFAULT 0,
    finishedAt INTEGER,
    token TEXT,
    lane TEXT NOT NULL DEFAULT '',
    laneLimits TEXT,
    lock TEXT,
    hooked INTEGER,
    endingAt INTEGER,
    untilStart INTEGER,
    holds INTEGER,
    asked TEXT,
    reason TEXT,
    key TEXT NOT NULL,
    options TEXT,
    payload TEXT NOT NULL,
    result TEXT,
    errors TEXT,
    log TEXT,
    apart INTEGER
  );
  ${payloads}
  CREATE UNIQUE INDEX ids ON jobs (partition, id);
  CREATE INDEX line ON jobs (partition, lane, priority, dueAt) WHERE state = ${PENDING};
  CREATE INDEX laned ON jobs (partition, dueAt) WHERE state = ${PENDING} AND lane <> '';
  CREATE INDEX ended ON jobs (partition, state, finishedAt) WHERE state >= ${COMPLETED};
  CREATE INDEX endings ON jobs (partition, endingAt) WHERE endingAt IS NOT NULL;
  CREATE UNIQUE INDEX locks ON jobs (partition, lock) WHERE holds IS NOT NULL;
  CREATE TABLE throttles (
    partition INTEGER NOT NULL,
    lock TEXT NOT NULL,
    until INTEGER NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (partition, lock)
  ) WITHOUT ROWID;
  CREATE INDEX throttleEnds ON throttles (partition, until);
  CREATE TABLE rates (
    partition INTEGER NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    count REAL NOT NULL,
    over INTEGER NOT NULL,
    PRIMARY KEY (partition, key)
  ) WITHOUT ROWID;
  CREATE INDEX rateEnds ON rates (over);
  CREATE TABLE starts (
    partition INTEGER NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    over INTEGER NOT NULL
  );
  CREATE INDEX startsByTime ON starts (partition, key, at);
  CREATE INDEX startEnds ON starts (over);
  CREATE TABLE holders (
    limiter TEXT NOT NULL,
    holder TEXT NOT NULL,
    leaseEnd INTEGER NOT NULL,
    number INTEGER NOT NULL,
    held INTEGER NOT NULL,
    granted INTEGER NOT NULL,
    wait INTEGER,
    PRIMARY KEY (limiter, holder)
  ) WITHOUT ROWID;
  CREATE INDEX holderEnds ON holders (leaseEnd);
  CREATE TABLE waits (
    limiter TEXT NOT NULL,
    size TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (limiter, size)
  ) WITHOUT ROWID;
  CREATE INDEX waitEnds ON waits (until);
  CREATE TABLE circuits (name TEXT PRIMARY KEY, opening INTEGER NOT NULL, trial INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE failures (
    circuit TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (circuit, id)
  ) WITHOUT ROWID;
  CREATE TABLE lanes (
    partition INTEGER NOT NULL,
    name TEXT NOT NULL,
    limits TEXT,
    busy INTEGER NOT NULL DEFAULT 0,
    limiter TEXT NOT NULL,
    turn INTEGER,
    wakeAt INTEGER,
    first TEXT,
    PRIMARY KEY (partition, name)
  ) WITHOUT ROWID;
  CREATE INDEX turns ON lanes (partition, limiter, turn) WHERE turn IS NOT NULL;
  CREATE TABLE pauses (
    partition INTEGER NOT NULL,
    name TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (partition, name)
  ) WITHOUT ROWID;
  CREATE INDEX asleep ON lanes (partition, wakeAt) WHERE wakeAt IS NOT NULL;
  CREATE TABLE leases (
    partition INTEGER NOT NULL,
    token TEXT NOT NULL,
    leaseEnd INTEGER NOT NULL,
    claimedAt INTEGER NOT NULL,
    held INTEGER NOT NULL,
    seqs TEXT NOT NULL,
    PRIMARY KEY (partition, token)
  ) WITHOUT ROWID;
  CREATE INDEX leaseEnds ON leases (partition, leaseEnd, token);
  CREATE TABLE minutes (
    partition INTEGER NOT NULL,
    at INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    retried INTEGER NOT NULL,
    PRIMARY KEY (partition, at)
  ) WITHOUT ROWID;
  CREATE TABLE calls (
    partition INTEGER NOT NULL,
    caller TEXT NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    answer TEXT,
    PRIMARY KEY (partition, caller)
  ) WITHOUT ROWID;
  CREATE TABLE waiters (
    caller TEXT NOT NULL,
    partition INTEGER NOT NULL,
    since INTEGER NOT NULL,
    rungAt INTEGER,
    notice INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (caller, partition, notice)
  ) WITHOUT ROWID;
  CREATE INDEX idle ON waiters (partition, since) WHERE rungAt IS NULL;
  CREATE TABLE workers (id TEXT PRIMARY KEY, record TEXT NOT NULL, until INTEGER NOT NULL);
  CREATE TABLE keys (key TEXT PRIMARY KEY) WITHOUT ROWID;
`

/**
 * Makes the file ready for use by several processes, whichever of them comes first.
 *
 * WAL lets readers go on while one writes; `synchronous = NORMAL` syncs at checkpoints only, so that a power
 * cut costs the commits since the last one, and a killed process nothing. `FULL` syncs every commit.
 *
 * @throws LAYOUT_UNKNOWN
 */
export async function prepare(
  database: Database,
  durability: StoreOptions['durability'] = 'normal',
): Promise<void> {
  // Looking comes first, so that a file that is not ours keeps even its journal mode.
  const found = await database.read(() => layout(database))
  if (!isOurs(found) && found !== 'empty') throw unknown(database.name, found)
  const synchronous = durability === 'strict' ? 'FULL' : 'NORMAL'
  for (const setting of [
    'journal_mode = WAL',
    `synchronous = ${synchronous}`,
    'cache_size = -16000',
    'temp_store = MEMORY',
  ])
    await database.retry(() => database.exec(`PRAGMA ${setting}`))
  // The first transaction makes the log, also of a copy that had none.
  if (found === 'ours') await database.read(() => undefined)
  else await database.write(() => layOut(database))
  database.ready(() => check(database))
}

/** A newer Lark may have laid the file out anew while this process had it open. Measured: 1.7 µs a transaction. */
function check(database: Database): void {
  const version = versionOf(database)
  if (version !== LAYOUT) throw unknown(database.name, `layout ${version}`)
}

/** Under the write lock; another process may have been quicker. */
function layOut(database: Database): void {
  const found = layout(database)
  if (found === 'empty') {
    database.exec(`${tables}; PRAGMA application_id = ${APPLICATION}; PRAGMA user_version = ${LAYOUT}`)
    return
  }
  if (!isOurs(found)) throw unknown(database.name, found)
  for (let version = versionOf(database)!; version < LAYOUT; version += 1)
    database.exec(`${migrations[version]}; PRAGMA user_version = ${version + 1}`)
}

function isOurs(found: string): boolean {
  return found === 'ours' || found === 'earlier'
}

/** `ours`, `earlier`, `empty`, or a description of what is there instead. */
function layout(database: Database): string {
  const application = database.get<{ application_id: number }>('PRAGMA application_id')?.application_id
  const version = versionOf(database)
  if (application === APPLICATION) {
    if (version === LAYOUT) return 'ours'
    return migrations[version ?? 0] === undefined ? `layout ${version}` : 'earlier'
  }
  const any = database.get('SELECT 1 FROM sqlite_schema LIMIT 1')
  return any === undefined ? 'empty' : 'the tables of another program'
}

function versionOf(database: Database): number | undefined {
  return database.get<{ user_version: number }>('PRAGMA user_version')?.user_version
}

function unknown(name: string, found: string): JobsError {
  return new JobsError(
    'LAYOUT_UNKNOWN',
    `${name} holds ${found}; this version of Lark reads layout ${LAYOUT}`,
    {
      hint: 'Use the version of Lark that made the file, or give this one a file of its own.',
    },
  )
}
