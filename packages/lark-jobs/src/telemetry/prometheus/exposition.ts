/**
 * The text format of Prometheus, version 0.0.4.
 */
import { BOUNDS, type Histogram, TOLD_BOUNDS } from '../../model/run/run-counts.ts'

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export type Labels = Readonly<Record<string, string>>

/** One metric with all its series. */
export class Family {
  readonly name: string
  readonly #lines: string[]

  constructor(name: string, type: 'gauge' | 'counter' | 'histogram', help: string) {
    this.name = name
    this.#lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`]
  }

  add(labels: Labels, value: number): this {
    this.#lines.push(`${this.name}${written(labels)} ${value}`)
    return this
  }

  /** Adds a histogram. Prometheus expects seconds, and cumulative buckets. */
  addHistogram(labels: Labels, { buckets, sum, count }: Histogram): this {
    let below = 0
    for (const [i, inside] of buckets.entries()) {
      below += inside
      const bound = BOUNDS[i]
      if (bound !== undefined && !TOLD_BOUNDS.includes(bound)) continue
      const le = bound === undefined ? '+Inf' : String(bound / 1_000)
      this.#lines.push(`${this.name}_bucket${written({ ...labels, le })} ${below}`)
    }
    this.#lines.push(`${this.name}_sum${written(labels)} ${sum / 1_000}`)
    this.#lines.push(`${this.name}_count${written(labels)} ${count}`)
    return this
  }

  get text(): string {
    return `${this.#lines.join('\n')}\n`
  }
}

/** The text of labels. A label without a value is left out. */
function written(labels: Labels): string {
  const all = Object.entries(labels).filter(([, value]) => value !== '')
  return all.length === 0 ? '' : `{${all.map(([name, value]) => `${name}="${escaped(value)}"`).join()}}`
}

/** Escapes a value, because names of queues and keys may contain any character. */
function escaped(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
}
