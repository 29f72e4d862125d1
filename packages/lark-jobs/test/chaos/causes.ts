/**
 * Why a job was run again: the job's runs in order, and for each that did not count, what its worker met.
 */
import type { Ask, Evidence, Fault, Hit, Kept, Run } from './evidence.ts'

/** Milliseconds between a claim and the start of its handler. */
const CLAIM = 500
/** Milliseconds after it woke up, or was let back, in which a worker starts what it had claimed before. */
const WAKING = 2_000
/** Milliseconds: a handler may begin before whoever woke the worker has written that down. */
const EARLY = 100

/** All that is known of one job. */
export interface Story {
  n: string
  ask: Ask | undefined
  /** In the order in which they started. */
  runs: Run[]
  kept: Kept[]
}

/** A run that did not count, and the one that came after it. */
export interface Loss {
  story: Story
  run: Run
  next: Run
  cause: Cause | undefined
}

export type Blame = Hit['what'] | 'stood' | 'blocked'

export interface Cause {
  /**
   * `stood`: the event loop of the worker stood still, and no fault made it. `blocked`: a handler did. That costs no
   * lease of what runs; but what came for the worker meanwhile lies unread, and nobody renews it.
   */
  what: Blame
  hit: Hit
  /** None for `stood`. */
  fault?: Fault
}

export class Causes {
  readonly #lease: number
  readonly #hits: Cause[]

  constructor({ lease, faults, standstills, runs }: Evidence) {
    const blocking = runs.filter(({ kind }) => kind === 'blocking')
    this.#lease = lease
    this.#hits = faults.flatMap((fault) => fault.hits.map((hit) => ({ what: hit.what, hit, fault })))
    for (const hit of standstills) {
      // A worker that is stopped has stood still as well: that is the fault's doing.
      const isKnown = this.#hits.some((cause) => cause.hit.by === hit.by && overlap(cause.hit, hit))
      const isBlocked = blocking.some((run) => run.by === hit.by && meets(hit, run))
      if (!isKnown) this.#hits.push({ what: isBlocked ? 'blocked' : 'stood', hit })
    }
  }

  /**
   * Whether it may cost a lease. A lease may be a third old when the worker is held, and where it was cut off, it
   * takes up to as long again until it has a connection.
   */
  isLethal({ what, hit }: Cause): boolean {
    return what === 'killed' || what === 'rewound' || hit.to - hit.from >= this.#lease / 3
  }

  /** The runs that did not count, of a job that has several. */
  losses(story: Story): Loss[] {
    const steps = story.runs.slice(0, -1).map((run, i) => {
      const next = story.runs[i + 1]!
      const mayBeRetry = run.end?.what === 'failed' && next.at >= run.end.at
      return { story, run, next, mayBeRetry, cause: this.#causeOf(run, next) }
    })
    // An attempt that failed is followed by another by right, as often as the store counted. Where one also met a
    // fault, only the count tells which of the two it was.
    const failed = steps.filter(({ mayBeRetry }) => mayBeRetry)
    const undisturbed = failed.filter(({ cause }) => cause === undefined)
    const disturbed = failed.filter(({ cause }) => cause !== undefined)
    const retries = Math.max(...story.kept.map(retriesOf), story.kept.length === 0 ? failed.length : 0)
    const retried = [...undisturbed, ...disturbed].slice(0, retries)
    return steps.filter((step) => !retried.includes(step))
  }

  /**
   * How many crashes of a job the faults account for. An outage accounts for none; a store that went back in time takes
   * for active what had ended, and nobody renews that.
   */
  possibleCrashes({ ask, runs, kept }: Story): number {
    const from = ask?.at ?? 0
    const to = Math.max(...kept.map(({ finishedAt }) => finishedAt ?? Number.POSITIVE_INFINITY))
    const deadly = this.#hits.filter((cause) => cause.what !== 'outage' && this.isLethal(cause))
    const seen = runs.filter((run) =>
      deadly.some(({ what, hit }) => what !== 'blocked' && isOf(hit, run) && meets(hit, run)),
    )
    // Claimed, and its worker gone before the handler began: no journal knows of that. Nor of a claim that ended on a
    // server which was then replaced by one that did not hear of it.
    const unseen = deadly.filter(
      ({ what, hit }) =>
        hit.to >= from && hit.from <= to && (what === 'rewound' || !seen.some((run) => isOf(hit, run))),
    )
    return seen.length + unseen.length
  }

  /** A handler that began only when its worker woke up, with a lease that others had taken back meanwhile. */
  isLateStart(run: Run): boolean {
    return this.#lateStart(run) !== undefined
  }

  /** Whether the store may have gone back to an earlier time in these. */
  mayBeRewound(from: number, to: number): boolean {
    return this.#hits.some(({ what, hit }) => what === 'rewound' && overlap(hit, { from, to }))
  }

  #causeOf(run: Run, next: Run): Cause | undefined {
    const time = { from: run.at - CLAIM, to: next.at }
    const met = this.#hits.filter(
      (cause) => isOf(cause.hit, run) && overlap(cause.hit, time) && this.isLethal(cause),
    )
    const order: Blame[] = ['killed', 'held', 'rewound', 'outage', 'stood']
    for (const what of order) {
      const cause = met.find((each) => each.what === what)
      if (cause !== undefined) return cause
    }
    return this.#lateStart(next) ?? this.#lateStart(run)
  }

  #lateStart(run: Run): Cause | undefined {
    return this.#hits.find(
      (cause) =>
        cause.what !== 'killed' &&
        cause.hit.by === run.by &&
        this.isLethal(cause) &&
        cause.hit.to - EARLY <= run.at &&
        run.at <= cause.hit.to + WAKING,
    )
  }
}

/** Further runs that the store says are due to failures and releases. A job that failed had one failure more. */
function retriesOf({ failures, releases, states }: Kept): number {
  return failures + releases - (states.includes('failed') && failures > 0 ? 1 : 0)
}

export function overlap(one: { from: number; to: number }, other: { from: number; to: number }): boolean {
  return one.from <= other.to && other.from <= one.to
}

function isOf({ by }: Hit, run: Run): boolean {
  return by === undefined || by === run.by
}

/** A hit in the time of a run, from its claim until its end is settled. */
function meets(hit: Hit, { at, end }: Run): boolean {
  return overlap(hit, { from: at - CLAIM, to: (end?.at ?? Number.POSITIVE_INFINITY) + CLAIM })
}
