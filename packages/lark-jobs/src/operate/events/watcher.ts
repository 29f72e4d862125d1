/**
 * Waits until jobs have ended, and receives the rings for events: messages of the store that a partition has
 * news. All waits on one store share a watcher. The watcher has one id in the store, one subscription, and
 * one timer, no matter how many waits there are.
 *
 * The watcher does not miss the end of a job. In one call (`Store.watch`), the watcher registers with the
 * store and reads the job, and it reads the job again every `WATCH_AGAIN`. With a ring, the watcher learns of
 * the end sooner. While the store does not answer, the waits go on.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { EndedJob } from '../../model/effect.ts'
import { JobsError } from '../../model/errors.ts'
import { newNonce } from '../../model/id.ts'
import { queueOf } from '../../model/partition.ts'
import { type Fate, MAX_ITEMS, type Store, WATCH_AGAIN } from '../../store/contract/store.ts'
import type { AbortSignalLike } from '../../waiting/abort-signal.ts'
import { onAbort } from '../../waiting/on-abort.ts'
import type { OpenQueues } from '../look/stored-jobs.ts'

/** Milliseconds after which the store forgets a watch that is not renewed. */
const TTL = 10_000
/**
 * With many waits, reading all awaited jobs costs the server some milliseconds. After a read, rings are
 * therefore ignored for this many times the duration of the read. In this way, rings take at most a fifth of
 * the server's time.
 */
const REST = 4
/**
 * The maximum duration of one call that waits for rings, in milliseconds. After the call, the next one
 * begins.
 */
const LISTEN = 60_000
/**
 * Milliseconds after which an awaited job that does not begin is reported, if all slots of this process's
 * workers are in use.
 */
const STANDSTILL = 2_000

const passing = ['STORE_UNREACHABLE', 'STORE_UNCERTAIN', 'STORE_REFUSED'] as const

/** Whether an error of the store is temporary. */
export function passes(error: unknown): boolean {
  return passing.some((code) => JobsError.is(error, code))
}

/** An open store with its watcher. All waits for ends of jobs and for events use this watcher. */
export interface WatchedStore extends OpenQueues {
  watcher: Watcher
}

interface Wait {
  /** Called with the JSON text of the progress when the progress has changed. */
  reported: ((progress: string) => void) | undefined
  progress?: string | undefined
  since: number
  /**
   * The awaited job. `born` distinguishes successive jobs with the same id. Undefined until the job has been
   * read.
   */
  job: { born?: string | undefined } | undefined
  /** Called once, with the ended job, or with undefined if the partition has no such job. */
  settle: (job: EndedJob | undefined) => void
  refuse: (error: unknown) => void
}

/** The waits for jobs of one partition. */
class WatchedPartition {
  readonly waits = new Map<string, Set<Wait>>()
  /** Until when rings are ignored, by `performance.now()`. */
  nextAt = 0
  isLooking = false
  /** Whether another read was requested since the current read began. */
  isAsked = false
}

export class Watcher {
  readonly #store: Store
  readonly #isFull: (queue: string) => boolean
  readonly id = `watcher-${newNonce()}`
  readonly #partitions = new Map<string, WatchedPartition>()
  /** Functions that are called with each partition that rings. */
  readonly #hearers = new Set<(partition: string) => void>()
  #timer: NodeJS.Timeout | undefined
  #listening: AbortController | undefined
  #hasWarned = false
  /** How many jobs `#reportStandstill` has checked so far. */
  #turn = 0

  /** @param isFull returns whether this process has workers for a queue, and none of them has a free slot */
  constructor(store: Store, isFull: (queue: string) => boolean) {
    this.#store = store
    this.#isFull = isFull
  }

  /**
   * Waits until a job has ended.
   *
   * @param reported called with the JSON text of the job's progress, now and whenever the progress changes
   * @param born the value that distinguishes the awaited job from other jobs with its id, if the caller knows
   *   it. Default: the job that exists at the first read is awaited
   * @returns the ended job. Undefined if the partition has no such job, no longer keeps the job, or has
   *   another job with its id
   * @throws the reason of the signal; LAYOUT_UNKNOWN, STORE_DAMAGED
   */
  ended(
    partition: string,
    id: string,
    signal: AbortSignalLike,
    reported?: (progress: string) => void,
    born?: string,
  ): Promise<EndedJob | undefined> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const watched = this.#of(partition)
      const leave = () => {
        listening()
        const its = watched.waits.get(id)
        its?.delete(wait)
        if (its?.size === 0) watched.waits.delete(id)
        this.#rest(partition, watched)
      }
      const wait: Wait = {
        reported,
        since: performance.now(),
        job: born === undefined ? undefined : { born },
        settle: (job) => {
          leave()
          resolve(job)
        },
        refuse: (error) => {
          leave()
          reject(error)
        },
      }
      const listening = onAbort(signal, () => wait.refuse(signal.reason))
      const its = watched.waits.get(id)
      if (its === undefined) watched.waits.set(id, new Set([wait]))
      else its.add(wait)
      this.#begin()
      this.#askFor(partition, watched)
    })
  }

  /**
   * Reads the fate of a job, with its progress. For some seconds the job then counts as watched, so that the
   * next call finds newer progress.
   *
   * @param news whether to tell the worker of the job at once that the job is watched, so that the worker
   * sends progress and log lines
   */
  async look(partition: string, id: string, news = false): Promise<Fate> {
    const [fate] = await this.#store.watch(partition, this.id, [id], TTL, news)
    return fate!
  }

  /** Calls a function with each partition that rings. @returns a function that stops these calls */
  hear(rung: (partition: string) => void): () => void {
    this.#hearers.add(rung)
    this.#begin()
    return () => {
      this.#hearers.delete(rung)
      this.#end()
    }
  }

  #of(partition: string): WatchedPartition {
    let watched = this.#partitions.get(partition)
    if (watched === undefined) {
      watched = new WatchedPartition()
      this.#partitions.set(partition, watched)
    }
    return watched
  }

  #begin(): void {
    if (this.#timer !== undefined) return
    this.#timer = setInterval(() => this.lookAgain(), WATCH_AGAIN)
    this.#listening = new AbortController()
    void this.#listen(this.#listening.signal)
  }

  /** Removes a partition that has no waits. If it was the last partition, the timer is stopped. */
  #rest(partition: string, { waits }: WatchedPartition): void {
    if (waits.size > 0) return
    this.#partitions.delete(partition)
    this.#end()
  }

  #end(): void {
    if (this.#partitions.size > 0 || this.#hearers.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#listening?.abort()
  }

  /**
   * Receives rings. If no rings come, for example while the store is unreachable, the timer still triggers
   * reads.
   */
  async #listen(signal: AbortSignal): Promise<void> {
    const noticed = (partition: string) => {
      const watched = this.#partitions.get(partition)
      if (watched !== undefined) this.#askFor(partition, watched)
      for (const rung of this.#hearers) rung(partition)
    }
    while (!signal.aborted) {
      await this.#store
        .wait(this.id, LISTEN, signal, noticed)
        .catch(() => pause(WATCH_AGAIN, undefined, { signal }).catch(() => {}))
    }
  }

  /** Reads all awaited jobs, even if no ring has come. */
  protected lookAgain(): void {
    const now = performance.now()
    for (const [partition, watched] of this.#partitions) {
      watched.nextAt = 0
      this.#askFor(partition, watched)
    }
    this.#reportStandstill(now)
  }

  /**
   * Reads the awaited jobs of a partition soon. Requests of the same moment share one read, and a read that
   * is under way is completed first.
   */
  #askFor(partition: string, watched: WatchedPartition): void {
    if (watched.isAsked) return
    watched.isAsked = true
    if (watched.isLooking) return
    watched.isLooking = true
    this.later(() => void this.#look(partition, watched), Math.max(0, watched.nextAt - performance.now()))
  }

  /** @param ms milliseconds */
  protected later(act: () => void, ms: number): void {
    setTimeout(act, ms)
  }

  async #look(partition: string, watched: WatchedPartition): Promise<void> {
    watched.isAsked = false
    const began = performance.now()
    const ids = [...watched.waits.keys()]
    for (let i = 0; i < ids.length; i += MAX_ITEMS)
      await this.#lookAt(partition, watched, ids.slice(i, i + MAX_ITEMS))
    const now = performance.now()
    watched.nextAt = now + Math.min(REST * (now - began), WATCH_AGAIN / 2)
    watched.isLooking = false
    if (!watched.isAsked || watched.waits.size === 0) return
    watched.isAsked = false
    this.#askFor(partition, watched)
  }

  async #lookAt(partition: string, watched: WatchedPartition, ids: readonly string[]): Promise<void> {
    const waitsOf = (id: string) => [...(watched.waits.get(id) ?? [])]
    let fates: Fate[]
    try {
      fates = await this.#store.watch(partition, this.id, ids, TTL)
    } catch (error) {
      if (passes(error)) return
      for (const wait of ids.flatMap(waitsOf)) wait.refuse(error)
      return
    }
    for (const [i, id] of ids.entries()) {
      const fate = fates[i]!
      if (fate.kind === 'cut') watched.isAsked = true
      else for (const wait of waitsOf(id)) hear(wait, fate)
    }
  }

  /**
   * Warns once of a possible deadlock: an awaited job does not begin, and no worker of this process has a
   * free slot for it. The handler that awaits the job may occupy the slot that the job needs.
   */
  #reportStandstill(now: number): void {
    if (this.#hasWarned) return
    const old = [...this.#partitions].flatMap(([partition, { waits }]) =>
      this.#isFull(queueOf(partition))
        ? [...waits].flatMap(([id, its]) =>
            [...its].some(({ since }) => now - since > STANDSTILL) ? { partition, id } : [],
          )
        : [],
    )
    // Each call checks one job, so that after some calls every job has been checked.
    const next = old[this.#turn++ % old.length]
    if (next === undefined) return
    void this.#store.get(next.partition, next.id).then(
      (job) => {
        if (job?.state !== 'waiting' || this.#hasWarned) return
        this.#hasWarned = true
        warnOfDeadlock(next.id, queueOf(next.partition))
      },
      () => {},
    )
  }
}

function hear(wait: Wait, fate: Exclude<Fate, { kind: 'cut' }>): void {
  const born =
    fate.kind === 'ended' ? fate.job.options?.born : fate.kind === 'present' ? fate.born : undefined
  wait.job ??= { born }
  if (fate.kind === 'unknown' || wait.job.born !== born) wait.settle(undefined)
  else if (fate.kind === 'ended') wait.settle(fate.job)
  else tell(wait, fate.progress)
}

function tell(wait: Wait, progress: string | undefined): void {
  if (progress === undefined || progress === wait.progress) return
  wait.progress = progress
  try {
    wait.reported?.(progress)
  } catch (error) {
    wait.refuse(error)
  }
}

function warnOfDeadlock(id: string, queue: string): void {
  const message = `result() waits for job ${id} of the queue ${queue}, which does not begin, because the worker of this process has no free slot there`
  process.emitWarning(message, {
    code: 'LARK_RESULT_DEADLOCK',
    detail:
      'If a handler of this worker awaits it, they wait for each other. Give such jobs a queue and a worker of their own.',
  })
}
