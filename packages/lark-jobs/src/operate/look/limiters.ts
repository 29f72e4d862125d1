/**
 * The limiters and the circuits that live workers use: the limits of each limiter, the workers that hold its
 * permits, and the open circuits.
 */

import type { Limits } from '../../model/limits.ts'
import type { WorkerRecord } from '../../model/record.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import type { LimiterRecord, Store } from '../../store/contract/store.ts'

/** How many limiters are read in one call. */
const TOGETHER = 50

/** A limiter, with the permits that it has granted. */
export interface LimiterStatus {
  /**
   * The name of the limiter in the configuration, or `class:KEY` if the limiter belongs to a single class.
   */
  limiter: string
  /**
   * The limits, if the configuration or a live worker knows them: permits at a time, and permits within `per`
   * milliseconds.
   */
  limits?: Limits
  /** How many permits are in use. */
  held: number
  /**
   * The workers that hold permits: the id of each worker, the number of its permits, and when its lease ends,
   * in milliseconds since 1970.
   */
  holders: { worker: string; permits: number; until: number }[]
  /**
   * The requests for which workers wait. Each request needs a number of permits at once, and has waited since
   * an instant.
   */
  waits: { permits: number; since: number }[]
}

/** An open circuit of `circuitBreaker()`. */
export interface CircuitStatus {
  /** The name of the circuit, or `class:KEY` if the circuit belongs to a single class. */
  circuit: string
  /** `half-open`: the next job runs as a trial. */
  state: 'open' | 'half-open'
  /** Milliseconds since 1970. */
  openedAt: number
  /** When a job may run as a trial. */
  until: number
}

/** @param configured the limits of the configured limiters, by name */
export async function limiters(
  store: Store,
  configured: ReadonlyMap<string, Limits>,
): Promise<LimiterStatus[]> {
  const workers = await store.workers()
  const used = workers.flatMap((worker) => worker.limiters ?? [])
  const found = await lookAt(store, new Set([...configured.keys(), ...used]))
  return found.map(([limiter, { holders, waits }]): LimiterStatus => {
    const limits = grantsOf(limiter, configured, workers)
    return {
      limiter,
      ...(limits && { limits }),
      held: holders.reduce((sum, { permits }) => sum + permits, 0),
      holders: holders.map(({ holder, ...rest }) => ({ worker: holder, ...rest })).sort(by('worker')),
      waits: waits.map(({ permits, since }) => ({ permits, since })).sort(by('since')),
    }
  })
}

/**
 * The limits of a limiter. If the limiter belongs to a class, only workers that have used the limiter know
 * its limits.
 */
export function grantsOf(
  limiter: string,
  configured: ReadonlyMap<string, Limits>,
  workers: readonly WorkerRecord[],
): Limits | undefined {
  return (
    configured.get(limiter) ?? workers.find(({ ownLimits }) => ownLimits?.[limiter])?.ownLimits?.[limiter]
  )
}

/** The name of a circuit as people see it. @param name the stored name */
export function circuitName(name: string): string {
  return name.replace(/^circuit:~?/, '')
}

export async function circuits(store: Store): Promise<CircuitStatus[]> {
  const [workers, now] = await Promise.all([store.workers(), store.now()])
  const found = await lookAt(store, new Set(workers.flatMap((worker) => worker.circuits ?? [])))
  return found.flatMap(([name, { circuit }]) => {
    if (circuit === undefined) return []
    const { openedAt, trialAt: until } = circuit
    const state = until > now ? 'open' : 'half-open'
    return [{ circuit: circuitName(name), state, openedAt, until }]
  })
}

/** Reads limiters, sorted by name. */
async function lookAt(store: Store, names: ReadonlySet<string>): Promise<[string, LimiterRecord][]> {
  const all = [...names].sort()
  const found: [string, LimiterRecord][] = []
  for (const some of inLots(all, TOGETHER)) {
    const records = await Promise.all(some.map((name) => store.limiters.look(name)))
    found.push(...records.map((record, n) => [some[n]!, record] as [string, LimiterRecord]))
  }
  return found
}

function by<K extends string>(key: K) {
  return (one: Record<K, string | number>, other: Record<K, string | number>) =>
    one[key] < other[key] ? -1 : one[key] > other[key] ? 1 : 0
}
