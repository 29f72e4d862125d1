/**
 * The limiters and the circuits that live workers use: the limits of each limiter, who holds its permits, and
 * which circuits are open.
 */

import type { Limits } from '../../model/limits.ts'
import type { WorkerRecord } from '../../model/record.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import type { LimiterRecord, Store } from '../../store/contract/store.ts'

/** How many limiters are looked at together. */
const TOGETHER = 50

/** A limiter, with what it has granted. */
export interface LimiterStatus {
  /** The name of the limiter in the configuration; `class:KEY` if it belongs to a class alone. */
  limiter: string
  /**
   * What it grants, if that is known from the configuration or a live worker: permits at a time, and permits
   * within `per` milliseconds.
   */
  limits?: Limits
  /** How many permits are in use. */
  held: number
  /** The id of each worker that holds permits, how many, and when its lease ends: milliseconds since 1970. */
  holders: { worker: string; permits: number; until: number }[]
  /** The numbers of permits at once for which workers wait, and since when. */
  waits: { permits: number; since: number }[]
}

/** An open circuit of `circuitBreaker()`. */
export interface CircuitStatus {
  /** Its name; `class:KEY` if it belongs to a class alone. */
  circuit: string
  /** `half-open`: the next job runs as a trial. */
  state: 'open' | 'half-open'
  /** Milliseconds since 1970. */
  openedAt: number
  /** When a job may run as a trial. */
  until: number
}

/** @param configured by name */
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

/** The limits of a limiter. If it belongs to a class, only the workers that have used it know them. */
export function grantsOf(
  limiter: string,
  configured: ReadonlyMap<string, Limits>,
  workers: readonly WorkerRecord[],
): Limits | undefined {
  return (
    configured.get(limiter) ?? workers.find(({ ownLimits }) => ownLimits?.[limiter])?.ownLimits?.[limiter]
  )
}

/** The name of a circuit, as people know it. @param name as the store knows it */
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

/** In the order of names. */
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
