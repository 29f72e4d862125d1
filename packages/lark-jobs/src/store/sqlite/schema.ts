/**
 * The layout of the file, and how it is opened.
 *
 * A job is one row of `jobs` from its dispatch until it is removed. `state` and three partial indexes show its state:
 *
 *   pending    in the index `line`, in the order of running; waiting or delayed according to `dueAt` and the clock
 *              A job that no worker could read is in the index `stranded` too (`stranded.ts`)
 *   active     `token` names its row of `leases`, which lists the job; `ahead` shows whether it has started. A job that
 *              had started and was taken back keeps its token while it waits: a late outcome still counts
 *   ended      in the index `ended`, by the time it ended
 *
 * Columns have the names of the record's fields. Others:
 *
 *   seq                        rises with every job, and decides between jobs of one place
 *   direct                     1 if the job must not be prefetched: it was taken back from a worker, or it releases its
 *                              lock when it starts. In the code this is `noPrefetch`; stored names do not change
 *   lane, laneLimits           of a job with a group or a limiter (`lane.ts`)
 *   lock, untilStart, holds    of a unique job (`lock.ts`)
 *   keep                       how long the job is kept, if its class says so: JSON
 *   hooked, effects            of what must happen elsewhere when the job ends (`effect.ts`)
 *
 * Other tables:
 *
 *   partitions                 counters, kept by the same transactions, so that counting never scans (`partition.ts`)
 *   minutes, history           the counts of past minutes (`minutes.ts`), and of hours and days (`history.ts`)
 *   payloads                   the large payloads (`payload.ts`)
 *   effects                    what must happen elsewhere (`effect.ts`); jobs that were moved (`moves.ts`)
 *   flows, definitions, members, ends    the flows that are at home here (`flows.ts`)
 *   failedJobs, failedSums     which failed jobs go first, and how large they are (`failed-jobs.ts`)
 *   expiries                   until when ended jobs and their logs are kept for an age of their own (`keep.ts`)
 *   watches                    who wants to hear of the ends of which jobs (`watch.ts`)
 *   events, listeners          what happens to jobs, while somebody listens (`events.ts`)
 *   doubts                     jobs that were taken back after a silence of the store (`silence.ts`)
 *   schedules, homes           the schedules, and where each is (`schedules.ts`)
 *   rates, starts              the state of limits (`rate.ts`)
 *   holders, waits, circuits, failures    the state of limiters and circuits (`limiters.ts`)
 *   calls                      the last answers (`calls.ts`)
 *   waiters                    the callers to ring (`waiters.ts`)
 *   audit                      what people changed by hand (`audit.ts`)
 *   runHistory                 how the runs of all workers went, minutes to days ago (`run-history.ts`)
 *   workers, keys              the live workers, and every key that a worker ever had (`workers.ts`)
 */
import { JobsError } from '../../model/errors.ts'
import type { StoreOptions } from '../contract/store.ts'
import { COMPLETED, PENDING, STRANDED } from '../sql/states.ts'
import type { SqliteDatabase } from './database.ts'

/** The version of the layout. Raise it with every change below that an older Lark could not read. */
const LAYOUT = 18
/** "Lark" in ASCII. It distinguishes our file from the files of other programs. */
const APPLICATION = 0x4c61726b

/**
 * Payloads that are not in the row of their job. The job's `apart` is their id. They are removed with the job's row.
 */
const payloads = `
  CREATE TABLE payloads (id INTEGER PRIMARY KEY, payload TEXT NOT NULL);
  CREATE TRIGGER payloadGone AFTER DELETE ON jobs WHEN OLD.apart IS NOT NULL
    BEGIN DELETE FROM payloads WHERE id = OLD.apart; END;`

/** What must happen elsewhere because jobs ended. */
const effects = `
  CREATE TABLE effects (
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    partition INTEGER NOT NULL,
    at INTEGER,
    over INTEGER,
    PRIMARY KEY (seq, kind)
  ) WITHOUT ROWID;
  CREATE INDEX effectTimes ON effects (partition, kind, at) WHERE at IS NOT NULL;
  CREATE INDEX effectEnds ON effects (partition, over) WHERE over IS NOT NULL;`

/** The flows that are at home here. The columns that change often come before the state, which may be long. */
const flows = `
  CREATE TABLE flows (
    number INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    id TEXT NOT NULL,
    rev INTEGER NOT NULL,
    dueAt INTEGER,
    lent INTEGER,
    reached INTEGER NOT NULL DEFAULT 0,
    reserved INTEGER NOT NULL DEFAULT 0,
    size INTEGER,
    alarm INTEGER,
    completed INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    UNIQUE (partition, id)
  );
  CREATE INDEX flowTimes ON flows (partition, dueAt) WHERE dueAt IS NOT NULL;
  CREATE INDEX flowOrder ON flows (partition, number);
  CREATE TABLE definitions (flow INTEGER PRIMARY KEY, definition TEXT NOT NULL);
  CREATE TABLE members (
    flow INTEGER NOT NULL,
    page INTEGER NOT NULL,
    bits TEXT NOT NULL,
    failed TEXT,
    PRIMARY KEY (flow, page)
  ) WITHOUT ROWID;
  CREATE TABLE ends (
    seq INTEGER PRIMARY KEY,
    flow INTEGER NOT NULL,
    place INTEGER NOT NULL,
    isNews INTEGER,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    error TEXT,
    result TEXT
  );
  CREATE INDEX endPlaces ON ends (flow, place);
  CREATE INDEX news ON ends (flow, seq) WHERE isNews = 1;`

/** How many bytes the results of a flow have. */
const flowResults = 'ALTER TABLE flows ADD COLUMN results INTEGER NOT NULL DEFAULT 0;'

/** Which members of a flow were cancelled, and how many. */
const cancelledMembers = `
  ALTER TABLE flows ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE members ADD COLUMN cancelled TEXT;`

/** The last order to each worker (`contract/orders.ts`). */
const orders = 'ALTER TABLE workers ADD COLUMN ordered TEXT;'

/** Until when ended jobs and their logs are kept for an age of their own. The rows go with the row of the job. */
const expiries = `
  CREATE TABLE expiries (
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    partition INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (seq, kind)
  ) WITHOUT ROWID;
  CREATE INDEX expiryTimes ON expiries (partition, kind, until);
  CREATE TRIGGER keptGone AFTER DELETE ON jobs WHEN OLD.keep IS NOT NULL
    BEGIN DELETE FROM expiries WHERE seq = OLD.seq; END;`

/** Who wants to hear of the ends of which jobs. */
const watches = `
  CREATE TABLE watches (
    partition INTEGER NOT NULL,
    id TEXT NOT NULL,
    watcher TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (partition, id, watcher)
  ) WITHOUT ROWID;`

/** What happens to jobs, and who wants to hear of it. */
const events = `
  CREATE TABLE events (
    partition INTEGER NOT NULL,
    number INTEGER NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (partition, number)
  ) WITHOUT ROWID;
  CREATE TABLE listeners (
    partition INTEGER NOT NULL,
    listener TEXT NOT NULL,
    PRIMARY KEY (partition, listener)
  ) WITHOUT ROWID;`

/** What people changed by hand, and who paused a group. */
const audit = `
  CREATE TABLE audit (id TEXT PRIMARY KEY, at INTEGER NOT NULL, writtenAt INTEGER NOT NULL, text TEXT NOT NULL);
  CREATE INDEX auditTimes ON audit (at, id);
  ALTER TABLE pauses ADD COLUMN paused TEXT;`

/** Schedules, and the home of each in the whole store. */
const schedules = `
  CREATE TABLE schedules (
    seq INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    id TEXT NOT NULL,
    rev INTEGER NOT NULL,
    dueAt INTEGER,
    definition TEXT NOT NULL,
    state TEXT NOT NULL,
    runs TEXT,
    UNIQUE (partition, id)
  );
  CREATE INDEX ticks ON schedules (partition, dueAt, id) WHERE dueAt IS NOT NULL;
  CREATE TABLE homes (id TEXT PRIMARY KEY, home TEXT NOT NULL, ofClass INTEGER NOT NULL) WITHOUT ROWID;`

/** How many jobs ended in each hour and each day. */
const history = `
  CREATE TABLE history (
    partition INTEGER NOT NULL,
    length INTEGER NOT NULL,
    at INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    retried INTEGER NOT NULL,
    PRIMARY KEY (partition, length, at)
  ) WITHOUT ROWID;`

/** What the counts of all runs were at some instants. */
const runHistory = 'CREATE TABLE runHistory (at INTEGER PRIMARY KEY, text TEXT NOT NULL);'

/** Where a rate has counted what it granted, so that unused permits go back to it (`rate.ts`). */
const refunds = `
  ALTER TABLE holders ADD COLUMN mark INTEGER;
  ALTER TABLE holders ADD COLUMN since INTEGER;
  ALTER TABLE rates ADD COLUMN taken INTEGER NOT NULL DEFAULT 0;`

/**
 * When a partition with leases was last surveyed, when its last silence was over, and the jobs taken back after one.
 */
const silence = `
  ALTER TABLE partitions ADD COLUMN heardAt INTEGER;
  ALTER TABLE partitions ADD COLUMN silentAt INTEGER;
  CREATE TABLE doubts (
    partition INTEGER NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (partition, id)
  ) WITHOUT ROWID;`

/** How many pending jobs have failed. */
const retrying = 'ALTER TABLE partitions ADD COLUMN retrying INTEGER NOT NULL DEFAULT 0;'

const stranded = `CREATE INDEX stranded ON jobs (partition, dueAt) WHERE ${STRANDED};`

/** The failed jobs that are kept as their queue says, and what they are together. */
const failedJobs = `
  CREATE TABLE failedJobs (
    seq INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    spare INTEGER NOT NULL DEFAULT 0,
    whole INTEGER NOT NULL DEFAULT 1
  );
  CREATE INDEX failedKinds ON failedJobs (partition, kind, at, seq) WHERE spare = 0;
  CREATE INDEX failedSpares ON failedJobs (partition, at, seq) WHERE spare = 1;
  CREATE INDEX failedWholes ON failedJobs (partition, at, seq) WHERE whole = 1;
  CREATE TABLE failedSums (
    partition INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL,
    whole INTEGER NOT NULL,
    dropped INTEGER NOT NULL DEFAULT 0,
    droppedAt INTEGER NOT NULL DEFAULT 0
  );`

/**
 * The statements that bring a file from each earlier layout to the next. Other processes wait meanwhile, so they must
 * be quick however large the file is.
 */
const migrations: Readonly<Record<number, string>> = {
  // Large payloads stay in their rows, because moving them would rewrite the file.
  6: `ALTER TABLE jobs ADD COLUMN apart INTEGER; ${payloads}`,
  // The index by `endingAt` finds the few jobs that have effects. The column is used for their number.
  7: `
    ALTER TABLE partitions ADD COLUMN nextEffect INTEGER;
    ${effects}
    INSERT INTO effects (seq, kind, partition, at)
      SELECT seq, 'hook', partition, endingAt FROM jobs WHERE endingAt IS NOT NULL;
    UPDATE partitions SET nextEffect = (
      SELECT min(at) FROM effects WHERE partition = partitions.id AND kind = 'hook' AND at IS NOT NULL
    );
    UPDATE jobs SET endingAt = 1 WHERE endingAt IS NOT NULL;
    DROP INDEX endings;
    ALTER TABLE jobs RENAME COLUMN endingAt TO effects;`,
  8: `
    ALTER TABLE partitions ADD COLUMN watched INTEGER;
    ALTER TABLE partitions ADD COLUMN keptCompleted INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE partitions ADD COLUMN keptFailed INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE partitions ADD COLUMN keptCancelled INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN keep TEXT;
    ALTER TABLE jobs ADD COLUMN progress TEXT;
    ${watches}
    ${expiries}`,
  9: `
    ALTER TABLE partitions ADD COLUMN listened INTEGER;
    ${events}`,
  10: `
    ALTER TABLE partitions ADD COLUMN nextTick INTEGER;
    ${schedules}`,
  // No earlier version made flows.
  11: `
    DROP TABLE IF EXISTS flows;
    DROP TABLE IF EXISTS members;
    ${flows}`,
  // The results that are there already do not count: to sum them up would read the file.
  12: flowResults,
  13: `${orders} ${audit}`,
  14: history,
  15: runHistory,
  16: refunds,
  // This reads each job once (1.1 s for a million of 300 bytes; 2026-12-01, 2 cores, shared and busy, Node 20.20).
  17: `
    ${cancelledMembers}
    ${silence}
    ${retrying}
    UPDATE partitions SET retrying = found.count
      FROM (
        SELECT partition, count(*) AS count FROM jobs WHERE state = ${PENDING} AND failures > 0 GROUP BY partition
      ) AS found
      WHERE found.partition = partitions.id;
    ${failedJobs}
    ${stranded}`,
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
    minuteRetried INTEGER NOT NULL DEFAULT 0,
    nextEffect INTEGER,
    watched INTEGER,
    keptCompleted INTEGER NOT NULL DEFAULT 0,
    keptFailed INTEGER NOT NULL DEFAULT 0,
    keptCancelled INTEGER NOT NULL DEFAULT 0,
    listened INTEGER,
    nextTick INTEGER
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
    effects INTEGER,
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
    apart INTEGER,
    keep TEXT,
    progress TEXT
  );
  ${payloads}
  ${effects}
  ${flows}
  ${flowResults}
  ${cancelledMembers}
  ${watches}
  ${expiries}
  ${events}
  ${history}
  ${runHistory}
  ${schedules}
  CREATE UNIQUE INDEX ids ON jobs (partition, id);
  CREATE INDEX line ON jobs (partition, lane, priority, dueAt) WHERE state = ${PENDING};
  CREATE INDEX laned ON jobs (partition, dueAt) WHERE state = ${PENDING} AND lane <> '';
  CREATE INDEX ended ON jobs (partition, state, finishedAt) WHERE state >= ${COMPLETED};
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
  ${orders}
  CREATE TABLE keys (key TEXT PRIMARY KEY) WITHOUT ROWID;
  ${audit}
  ${refunds}
  ${silence}
  ${retrying}
  ${failedJobs}
  ${stranded}
`

/**
 * Prepares the file for use by several processes, whichever of them comes first.
 *
 * WAL lets readers work while a process writes. `synchronous = NORMAL` syncs only at checkpoints: a power cut loses the
 * commits since the last checkpoint, and a killed process loses nothing. `FULL` syncs every commit.
 *
 * @throws LAYOUT_UNKNOWN
 */
export async function prepare(
  database: SqliteDatabase,
  durability: StoreOptions['durability'] = 'normal',
): Promise<void> {
  // The check is first, so that a file of another program keeps even its journal mode.
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
  // The first transaction creates the log, also for a file that was copied without it.
  if (found === 'ours') await database.read(() => undefined)
  else await database.write(() => layOut(database))
  database.ready(() => check(database))
}

/** Checks whether a newer Lark has changed the layout while this process has the file open (1.7 µs a transaction). */
function check(database: SqliteDatabase): void {
  const version = versionOf(database)
  if (version !== LAYOUT) throw unknown(database.name, `layout ${version}`)
}

/** Creates or migrates the layout, under the write lock. Another process may have done it meanwhile. */
function layOut(database: SqliteDatabase): void {
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

/** `ours`, `earlier`, `empty`, or a description of another content. */
function layout(database: SqliteDatabase): string {
  const application = database.get<{ application_id: number }>('PRAGMA application_id')?.application_id
  const version = versionOf(database)
  if (application === APPLICATION) {
    if (version === LAYOUT) return 'ours'
    return migrations[version ?? 0] === undefined ? `layout ${version}` : 'earlier'
  }
  const any = database.get('SELECT 1 FROM sqlite_schema LIMIT 1')
  return any === undefined ? 'empty' : 'the tables of another program'
}

function versionOf(database: SqliteDatabase): number | undefined {
  return database.get<{ user_version: number }>('PRAGMA user_version')?.user_version
}

function unknown(name: string, found: string): JobsError {
  const message = `${name} holds ${found}; this version of Lark reads layout ${LAYOUT}`
  return new JobsError('LAYOUT_UNKNOWN', message, {
    hint: 'Use the version of Lark that made the file, or give this one a file of its own.',
  })
}
