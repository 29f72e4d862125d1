/**
 * Finds why a job ran again: the runs of the job in order and, for each run that did not count, the event
 * that happened to its worker.
 */
import type { Ask, Evidence, Fault, Hit, Kept, Run } from './evidence.ts'

/** The longest time between a claim and the start of its handler, in milliseconds. */
const CLAIM = 500
/**
 * For how many milliseconds after a stop or a reconnection a worker may start jobs that it had claimed
 * before.
 */
const WAKING = 2_000
/**
 * A handler may begin up to this many milliseconds before the conductor notes that it let the worker go on.
 */
const EARLY = 100

/** Everything that is known about one job. */
export interface Story {
  n: string
  ask: Ask | undefined
  /** The runs, in the order of their starts. */
  runs: Run[]
  kept: Kept[]
  /** Whether somebody has retried the flow of the job, which resets the counters of the job. */
  isStartedAgain?: boolean
}

/** A run that did not count, and the next run of the same job. */
export interface Loss {
  story: Story
  run: Run
  next: Run
  cause: Cause | undefined
}

export type Blame = Hit['what'] | 'stood' | 'blocked'

export interface Cause {
  /**
   * `stood`: the event loop of the worker stood still without a fault. `blocked`: a handler blocked the event
   * loop. In that case, running jobs keep their leases, but nobody renews the leases of jobs that were handed
   * to the worker meanwhile.
   */
  what: Blame
  hit: Hit
  /** Undefined for `stood`. */
  fault?: Fault
}

export class Causes {
  readonly #leaseMs: number
  readonly #hits: Cause[]

  constructor({ leaseMs, faults, standstills, runs }: Evidence) {
    const blocking = runs.filter(({ kind }) => kind === 'blocking')
    this.#leaseMs = leaseMs
    this.#hits = faults.flatMap((fault) => fault.hits.map((hit) => ({ what: hit.what, hit, fault })))
    for (const hit of standstills) {
      // If a fault stopped the worker, the fault is the cause, and the standstill is only its effect.
      const isKnown = this.#hits.some((cause) => cause.hit.by === hit.by && overlap(cause.hit, hit))
      const isBlocked = blocking.some((run) => run.by === hit.by && meets(hit, run))
      if (!isKnown) this.#hits.push({ what: isBlocked ? 'blocked' : 'stood', hit })
    }
  }

  /**
   * Whether a worker may lose a lease because of this cause. When a worker is stopped, a third of the lease
   * may already be over. If the worker was cut off from the store, another third may be over before the
   * worker has a connection again.
   */
  isLethal({ what, hit }: Cause): boolean {
    return what === 'killed' || what === 'rewound' || hit.to - hit.from >= this.#leaseMs / 3
  }

  /**
   * Returns the runs of a job that did not count. The result is empty for a job with undos, because the job
   * runs again to undo its steps, and `judgeUndos` checks these runs.
   */
  losses(story: Story): Loss[] {
    if (story.runs.some(({ kind }) => canUndo(kind))) return []
    return [...byId(story.runs)].flatMap(([id, runs]) => this.#lossesOf(story, id, runs))
  }

  /** @param runs the runs of the job with this id */
  #lossesOf(story: Story, id: string, runs: readonly Run[]): Loss[] {
    const steps = runs.slice(0, -1).flatMap((run, i) => {
      const next = runs[i + 1]!
      if (run.end?.what === 'parted') return []
      const mayBeRetry = run.end?.what === 'failed' && next.at >= run.end.at
      return [{ story, run, next, mayBeRetry, cause: this.#causeOf(run, next) }]
    })
    // Each failure that the store has counted explains one more attempt. If a run failed and was also
    // affected by a fault, only the number of counted failures shows whether the failure or the fault was the
    // reason for the next run.
    const failed = steps.filter(({ mayBeRetry }) => mayBeRetry)
    const undisturbed = failed.filter(({ cause }) => cause === undefined)
    const disturbed = failed.filter(({ cause }) => cause !== undefined)
    const records = story.kept.filter((record) => record.id === id)
    const isUnknown = records.length === 0 || story.isStartedAgain
    const retries = Math.max(...records.map(retriesOf), isUnknown ? failed.length : 0)
    const retried = [...undisturbed, ...disturbed].slice(0, retries)
    return steps.filter((step) => !retried.includes(step))
  }

  /**
   * Returns how many crashes of a job can be explained by faults. An outage explains no crash. If a failover
   * set the store back, jobs that had ended are active again, and nobody renews their leases.
   */
  possibleCrashes({ ask, runs, kept }: Story): number {
    const from = ask?.at ?? 0
    const to = Math.max(...kept.map(({ finishedAt }) => finishedAt ?? Number.POSITIVE_INFINITY))
    const deadly = this.#hits.filter((cause) => cause.what !== 'outage' && this.isLethal(cause))
    const seen = runs.filter((run) =>
      deadly.some(({ what, hit }) => what !== 'blocked' && isOf(hit, run) && meets(hit, run)),
    )
    // The journals do not contain a claim if its worker died before the handler began, or if the job had
    // ended on a server that a replica replaced.
    const unseen = deadly.filter(
      ({ what, hit }) =>
        hit.to >= from && hit.from <= to && (what === 'rewound' || !seen.some((run) => isOf(hit, run))),
    )
    return seen.length + unseen.length
  }

  /**
   * Whether the handler began only when a stopped worker went on, although the lease of the job was taken
   * back meanwhile.
   */
  isLateStart(run: Run): boolean {
    return this.#lateStart(run) !== undefined
  }

  /** Whether a failover may have set the store back between these times. */
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

/**
 * Returns how many more runs can be explained by the counted failures and releases. The last failure of a
 * failed job has no retry.
 */
function retriesOf({ failures, releases, states }: Kept): number {
  return failures + releases - (states.includes('failed') && failures > 0 ? 1 : 0)
}

/** Returns runs by the ids of their jobs, in the order of the runs. */
export function byId(runs: readonly Run[]): Map<string, Run[]> {
  const all = new Map<string, Run[]>()
  for (const run of runs) all.set(run.id, [...(all.get(run.id) ?? []), run])
  return all
}

/** Whether the steps of jobs of a kind have undos. */
export function canUndo(kind: string): boolean {
  return kind === 'booking' || kind === 'saga'
}

export function overlap(one: { from: number; to: number }, other: { from: number; to: number }): boolean {
  return one.from <= other.to && other.from <= one.to
}

function isOf({ by }: Hit, run: Run): boolean {
  return by === undefined || by === run.by
}

/**
 * Whether the effect of a fault overlaps with a run, from the claim of the job until its outcome was settled.
 */
function meets(hit: Hit, { at, end }: Run): boolean {
  return overlap(hit, { from: at - CLAIM, to: (end?.at ?? Number.POSITIVE_INFINITY) + CLAIM })
}
