/**
 * The layout of the database file: its tables, indexes and triggers.
 *
 * A job is one row of the table `jobs` from its dispatch until it is removed. The column `state` and partial
 * indexes show the state of the job:
 *
 *   pending    The job is in the index `line`, in the order in which jobs run. The job is waiting if `dueAt`
 *              has passed, and delayed if not. The index `stranded` lists unreadable jobs (`stranded.ts`).
 *   active     `token` is the token of the lease that lists the job (a row of `leases`). `ahead` shows
 *              whether the job has started. If a started job is taken back, it keeps the token while it
 *              waits, because a late outcome of its run still counts.
 *   ended      The job is in the index `ended`, in the order of the ends.
 *
 * New state: its index, and its counter in `partitions`.
 *
 * Columns have the names of the fields of a job's record. The other columns are:
 *
 *   seq                        a number that rises with every job, and orders jobs with the same place
 *   direct                     1 if the job must not be prefetched, because it was taken back from a worker
 *                              or releases its lock when it starts; in the code, `noPrefetch`
 *   lane, laneLimits           the lane of a job with a group or a limiter, and its limits (`lane.ts`)
 *   lock, untilStart, holds    the lock of a unique job (`lock.ts`)
 *   keep                       how long the job is kept after its end, as JSON, if its class says so
 *   hooked, effects            what must happen elsewhere when the job ends (`effect.ts`)
 *
 * The other tables contain:
 *
 *   partitions                 the counters of each partition, so that no count scans jobs (`partition.ts`)
 *   minutes, history           how many jobs ended in past minutes, hours and days (`history.ts`)
 *   payloads                   the large payloads (`payload.ts`)
 *   effects                    what must happen elsewhere (`effect.ts`); moved jobs (`moves.ts`)
 *   flows, definitions, members, ends    the flows whose home partition is in this file (`flows.ts`)
 *   failedJobs, failedSums     the order in which failed jobs are removed (`failed-jobs.ts`)
 *   expiries                   until when the jobs are kept whose class sets an age (`keep.ts`)
 *   relayed                    the ids of ended jobs that came through an outbox (`relayed.ts`)
 *   watches                    the processes that must be told when a job ends (`watch.ts`)
 *   events, listeners          the events of jobs, and the processes that listen to them (`events.ts`)
 *   doubts                     jobs that were taken back after a silence of the store (`silence.ts`)
 *   schedules, homes           the schedules, and the partition of each schedule (`schedules.ts`)
 *   rates, starts              the starts that rates count (`rate.ts`)
 *   holders, waits, circuits, failures    the permits of limiters, and the circuits (`limiters.ts`)
 *   calls                      the last answer to each caller (`calls.ts`)
 *   waiters                    the callers that wait for jobs (`waiters.ts`)
 *   audit                      the changes that people made by hand (`audit.ts`)
 *   journals, entries, signals  the records of steps, and the signals for them (`journal.ts`)
 *   runHistory                 the counts of all runs at past instants (`run-history.ts`)
 *   classHistory               the runs of each class in past hours and days (`class-history.ts`)
 *   workers, keys              the live workers, and every key that a worker ever had (`workers.ts`)
 */
import { RELAYED_MEMORY } from '../contract/enqueued.ts'
import { type Layout, layoutName } from '../contract/rules/layout.ts'
import { COMPLETED, PENDING, STRANDED } from '../sql/states.ts'

/** Payloads that are not in the row of their job. The column `apart` of the job has the id of the payload. */
const payloads = 'CREATE TABLE payloads (id INTEGER PRIMARY KEY, payload TEXT NOT NULL);'

/** The effects of ended jobs: what must happen elsewhere because a job ended. */
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

/**
 * The flows whose home partition is in this file. In a row, the columns that change often come before the
 * state, which may be long.
 */
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
    cancelled INTEGER NOT NULL DEFAULT 0,
    results INTEGER NOT NULL DEFAULT 0,
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
    cancelled TEXT,
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

/** The times until which ended jobs and their logs are kept, for jobs whose class sets this age. */
const expiries = `
  CREATE TABLE expiries (
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    partition INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (seq, kind)
  ) WITHOUT ROWID;
  CREATE INDEX expiryTimes ON expiries (partition, kind, until);`

/** The ids of removed jobs that came through an outbox. The trigger `jobGone` adds them. */
const relayed = `
  CREATE TABLE relayed (
    partition INTEGER NOT NULL,
    name TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (partition, name)
  ) WITHOUT ROWID;
  CREATE INDEX relayedEnds ON relayed (partition, until);`

/** Which processes must be told when a job ends. */
const watches = `
  CREATE TABLE watches (
    partition INTEGER NOT NULL,
    id TEXT NOT NULL,
    watcher TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (partition, id, watcher)
  ) WITHOUT ROWID;`

/** The events of jobs, and the processes that listen to them. */
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

/** The changes that people made by hand. */
const audit = `
  CREATE TABLE audit (id TEXT PRIMARY KEY, at INTEGER NOT NULL, writtenAt INTEGER NOT NULL, text TEXT NOT NULL);
  CREATE INDEX auditTimes ON audit (at, id);`

/** The schedules, and the home partition of each schedule in the store. */
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

/** The number of jobs that ended in each hour and on each day. */
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

/** The counts of all runs at past instants, and the runs of each class in past hours and days. */
const runHistory = `
  CREATE TABLE runHistory (at INTEGER PRIMARY KEY, text TEXT NOT NULL);
  CREATE TABLE classHistory (name TEXT PRIMARY KEY, text TEXT NOT NULL);`

const stranded = `CREATE INDEX stranded ON jobs (partition, dueAt) WHERE ${STRANDED};`

/**
 * The failed jobs whose class sets no age, with their bytes, and the sum of these bytes in each partition.
 */
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

/** The records of steps, and the signals that came for jobs. */
const journals = `
  CREATE TABLE journals (
    id INTEGER PRIMARY KEY,
    partition INTEGER,
    job TEXT,
    until INTEGER,
    undo TEXT,
    rests TEXT
  );
  CREATE UNIQUE INDEX earlyJournals ON journals (partition, job) WHERE until IS NOT NULL;
  CREATE INDEX earlyEnds ON journals (partition, until) WHERE until IS NOT NULL;
  CREATE TABLE entries (
    journal INTEGER NOT NULL,
    place INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (journal, place)
  ) WITHOUT ROWID;
  CREATE TABLE signals (
    journal INTEGER NOT NULL,
    place INTEGER NOT NULL,
    name TEXT NOT NULL,
    key TEXT,
    text TEXT NOT NULL,
    PRIMARY KEY (journal, place)
  ) WITHOUT ROWID;
  CREATE INDEX signalKeys ON signals (journal, name, key) WHERE key IS NOT NULL;
  CREATE TRIGGER journalGone AFTER DELETE ON journals
    BEGIN
      DELETE FROM entries WHERE journal = OLD.id;
      DELETE FROM signals WHERE journal = OLD.id;
    END;`

/**
 * When a row of `jobs` is removed, this trigger removes the rows of other tables that belong to the job. Most
 * jobs have none. The trigger may only name columns among the first 32 of `jobs`: for any other column,
 * SQLite would read the whole row.
 */
const jobGone = `
  CREATE TRIGGER jobGone AFTER DELETE ON jobs
    WHEN OLD.apart IS NOT NULL OR OLD.keep IS NOT NULL OR OLD.journal IS NOT NULL
    BEGIN
      DELETE FROM payloads WHERE id = OLD.apart;
      DELETE FROM expiries WHERE seq = OLD.seq;
      DELETE FROM journals WHERE id = OLD.journal;
      INSERT OR REPLACE INTO relayed (partition, name, until)
        SELECT OLD.partition, OLD.id, ifnull(OLD.finishedAt, OLD.queuedAt) + ${RELAYED_MEMORY}
        WHERE OLD.keep LIKE '%"relayed"%';
    END;`

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
    nextTick INTEGER,
    heardAt INTEGER,
    silentAt INTEGER,
    retrying INTEGER NOT NULL DEFAULT 0,
    suspended INTEGER NOT NULL DEFAULT 0,
    early INTEGER NOT NULL DEFAULT 0
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
    apart INTEGER,
    keep TEXT,
    journal INTEGER,
    asked TEXT,
    reason TEXT,
    key TEXT NOT NULL,
    options TEXT,
    payload TEXT NOT NULL,
    result TEXT,
    errors TEXT,
    log TEXT,
    progress TEXT
  );
  ${payloads}
  ${effects}
  ${flows}
  ${watches}
  ${expiries}
  ${relayed}
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
    taken INTEGER NOT NULL DEFAULT 0,
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
    mark INTEGER,
    since INTEGER,
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
    paused TEXT,
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
    isExtended INTEGER NOT NULL,
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
  CREATE TABLE workers (id TEXT PRIMARY KEY, record TEXT NOT NULL, until INTEGER NOT NULL, ordered TEXT);
  CREATE TABLE keys (key TEXT PRIMARY KEY) WITHOUT ROWID;
  ${audit}
  CREATE TABLE doubts (
    partition INTEGER NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (partition, id)
  ) WITHOUT ROWID;
  ${failedJobs}
  ${stranded}
  ${journals}
  ${jobGone}
`

/** Raise this number if the meaning of a column changes without a change of a statement in this file. */
const FORM = 7

/**
 * A layout of a database file. The steps that convert an older file are SQL statements. Other processes wait
 * while a step runs, so a step must be fast in a file of any size.
 */
export interface FileLayout extends Layout<string> {
  /** The statements that create the tables in a new file. */
  readonly tables: string
}

export const layout: FileLayout = { name: layoutName(1, `${FORM} ${tables}`), steps: [], tables }
