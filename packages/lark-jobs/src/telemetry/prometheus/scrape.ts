/**
 * The answer to a scrape: the metrics of the whole store. In the answers of one process, counters never fall,
 * even if the store has lost its last writes: only increases since the previous reading are added.
 */
import { RunCounts } from '../../model/run/run-counts.ts'
import { countsByKey } from '../../operate/measures/measurement.ts'
import type { Operated } from '../../operate/operated.ts'
import { findingCounts, type Look, lookAt } from '../look.ts'
import { type KeyCounts, metricsOf, metricsOfAbsence } from './metrics.ts'

const counters = new WeakMap<Operated, RisingCounts>()

/** The text of the metrics. If the store does not answer, the text says only that. */
export async function scrape(jobs: Operated): Promise<string> {
  const [look, findings] = await Promise.all([lookAt(jobs).catch(() => undefined), findingCounts(jobs)])
  if (look === undefined) return metricsOfAbsence()
  const known = counters.get(jobs) ?? new RisingCounts()
  counters.set(jobs, known)
  return metricsOf(look, known.heard(look), findings)
}

/** The counts of runs by queue and key, as counters that never fall. */
export class RisingCounts {
  readonly #last = new Map<string, RunCounts>()
  readonly #totals = new Map<string, KeyCounts>()

  /** @returns the totals, which include this reading */
  heard({ runs }: Pick<Look, 'runs'>): KeyCounts[] {
    for (const { queue, key, counts } of countsByKey(runs)) {
      const pair = `${queue} ${key}`
      const total = this.#totals.get(pair) ?? { queue, key, counts: new RunCounts() }
      total.counts.add(counts.since(this.#last.get(pair) ?? new RunCounts()))
      this.#last.set(pair, counts)
      this.#totals.set(pair, total)
    }
    return [...this.#totals.values()]
  }
}
