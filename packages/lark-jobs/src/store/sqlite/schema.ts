/**
 * The layout of the file.
 *
 * A job is one row of `jobs` from its dispatch until it is removed. `state` and three partial indexes show
 * its state:
 *
 *   pending    in the index `line`, in the order of running; waiting or delayed according to `dueAt` and the
 *              clock A job that no worker could read is in the index `stranded` too (`stranded.ts`)
 *   active     `token` names its row of `leases`, which lists the job; `ahead` shows whether it has started.
 *              A job that had started and was taken back keeps its token while it waits: a late outcome still
 *              counts
 *   ended      in the index `ended`, by the time it ended
 *
 * New state: its index, and its counter in `partitions`.
 *
 * Columns have the names of the record's fields. Others:
 *
 *   seq                        rises with every job, and decides between jobs of one place
 *   direct                     1 if the job must not be prefetched: it was taken back from a worker, or it
 *                              releases its lock when it starts. In the code this is `noPrefetch`; stored
 *                              names do not change
 *   lane, laneLimits           of a job with a group or a limiter (`lane.ts`)
 *   lock, untilStart, holds    of a unique job (`lock.ts`)
 *   keep                       how long the job is kept, if its class says so: JSON
 *   hooked, effects            of what must happen elsewhere when the job ends (`effect.ts`)
 *
 * Other tables:
 *
 *   partitions                 counters, kept by the same transactions, so that counting never scans
 *                              (`partition.ts`)
 *   minutes, history           the counts of past minutes (`minutes.ts`), and of hours and days
 *                              (`history.ts`)
 *   payloads                   the large payloads (`payload.ts`)
 *   effects                    what must happen elsewhere (`effect.ts`); jobs that were moved (`moves.ts`)
 *   flows, definitions, members, ends    the flows that are at home here (`flows.ts`)
 *   failedJobs, failedSums     which failed jobs go first, and how large they are (`failed-jobs.ts`)
 *   expiries                   until when ended jobs and their logs are kept for an age of their own
 *                              (`keep.ts`)
 *   relayed                    the ids of ended jobs that came through an outbox (`relayed.ts`)
 *   watches                    who wants to be told of the ends of which jobs (`watch.ts`)
 *   events, listeners          what happens to jobs, while somebody listens (`events.ts`)
 *   doubts                     jobs that were taken back after a silence of the store (`silence.ts`)
 *   schedules, homes           the schedules, and where each is (`schedules.ts`)
 *   rates, starts              the state of limits (`rate.ts`)
 *   holders, waits, circuits, failures    the state of limiters and circuits (`limiters.ts`)
 *   calls                      the last answers (`calls.ts`)
 *   waiters                    the callers to ring (`waiters.ts`)
 *   audit                      what people changed by hand (`audit.ts`)
 *   journals, entries, signals  what the steps of jobs have recorded, and the signals for them (`journal.ts`)
 *   runHistory                 how the runs of all workers went, minutes to days ago (`run-history.ts`)
 *   workers, keys              the live workers, and every key that a worker ever had (`workers.ts`)
 */
import { RELAYED_MEMORY } from '../contract/enqueued.ts'
import { type Layout, layoutName } from '../contract/rules/layout.ts'
import { COMPLETED, PENDING, STRANDED } from '../sql/states.ts'

/** Payloads that are not in the row of their job. The job's `apart` is their id. */
const payloads = 'CREATE TABLE payloads (id INTEGER PRIMARY KEY, payload TEXT NOT NULL);'

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

/**
 * The flows that are at home here. The columns that change often come before the state, which may be long.
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

/** Until when ended jobs and their logs are kept for an age of their own. */
const expiries = `
  CREATE TABLE expiries (
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    partition INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (seq, kind)
  ) WITHOUT ROWID;
  CREATE INDEX expiryTimes ON expiries (partition, kind, until);`

/**
 * The ids of ended jobs that came through an outbox. Each is noted when its row goes (`jobGone`).
 */
const relayed = `
  CREATE TABLE relayed (
    partition INTEGER NOT NULL,
    name TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (partition, name)
  ) WITHOUT ROWID;
  CREATE INDEX relayedEnds ON relayed (partition, until);`

/** Which process wants to be told of the ends of which jobs. */
const watches = `
  CREATE TABLE watches (
    partition INTEGER NOT NULL,
    id TEXT NOT NULL,
    watcher TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (partition, id, watcher)
  ) WITHOUT ROWID;`

/** What happens to jobs, and who wants to be told of it. */
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

/** What people changed by hand. */
const audit = `
  CREATE TABLE audit (id TEXT PRIMARY KEY, at INTEGER NOT NULL, writtenAt INTEGER NOT NULL, text TEXT NOT NULL);
  CREATE INDEX auditTimes ON audit (at, id);`

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

/** The counts of all runs at some instants. */
const runHistory = 'CREATE TABLE runHistory (at INTEGER PRIMARY KEY, text TEXT NOT NULL);'

const stranded = `CREATE INDEX stranded ON jobs (partition, dueAt) WHERE ${STRANDED};`

/** The failed jobs that are kept as their queue says, and their sums. */
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

/** What the steps of jobs have recorded, and the signals that came for them. */
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
 * Removes what belongs to a job together with its row, whatever removes the row. For most jobs there is
 * nothing to remove. The trigger may only name columns among the first 32 of `jobs`: for any other column,
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

/** Raise this if the meaning of a column changes while all statements above stay the same. */
const FORM = 7

/**
 * A layout whose steps are SQL. Other processes wait while a step runs, so a step must be quick however large
 * the file is.
 */
export interface FileLayout extends Layout<string> {
  /** Makes a new file. */
  readonly tables: string
}

export const layout: FileLayout = { name: layoutName(1, `${FORM} ${tables}`), steps: [], tables }
