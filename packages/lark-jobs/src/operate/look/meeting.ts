/**
 * Checks whether jobs meet the conditions of a filter, except the conditions on their queue and their state.
 */
import { isDeepStrictEqual } from 'node:util'
import type { JobRecord } from '../../model/record.ts'
import { groupName } from '../../options/group.ts'
import { fingerprintOf } from '../../run/fingerprint.ts'
import type { JobConditions } from './filter.ts'
import type { Span } from './since.ts'

/** The fields of a job that the conditions need. */
export type Met = Pick<JobRecord, 'id' | 'key' | 'group' | 'options' | 'errors' | 'queuedAt' | 'finishedAt'>

export class Meeting {
  readonly #filter: JobConditions
  readonly #span: Span
  readonly #group: string | undefined
  readonly #where: [path: string[], value: unknown][]

  /** @param span the instants of the conditions `since` and `until` */
  constructor(filter: JobConditions, span: Span) {
    this.#filter = filter
    this.#span = span
    this.#group = filter.group === undefined ? undefined : groupName(filter.group)
    this.#where = Object.entries(filter.where ?? {}).map(([path, value]) => [path.split('.'), value])
  }

  /** Whether a job meets all conditions except those on its payload. */
  passes(job: Met): boolean {
    const { idPrefix, key, tag, kind } = this.#filter
    if (idPrefix !== undefined && !job.id.startsWith(idPrefix)) return false
    if (key !== undefined && job.key !== key) return false
    if (this.#group !== undefined && job.group !== this.#group) return false
    if (tag !== undefined && !job.options?.tags?.includes(tag)) return false
    if (kind !== undefined && !fingerprintOf(job)?.hash.startsWith(kind)) return false
    return !this.isOld(job) && !this.#isNew(job)
  }

  isOld({ finishedAt, queuedAt }: Pick<Met, 'finishedAt' | 'queuedAt'>): boolean {
    const { since } = this.#span
    return since !== undefined && (finishedAt ?? queuedAt) < since
  }

  #isNew({ finishedAt, queuedAt }: Pick<Met, 'finishedAt' | 'queuedAt'>): boolean {
    const { until } = this.#span
    return until !== undefined && (finishedAt ?? queuedAt) >= until
  }

  /** Whether a payload meets the conditions on payloads. */
  has(payload: unknown): boolean {
    return this.#where.every(([path, value]) => hasAt(payload, path, value))
  }
}

/** Whether a payload has a value at a path. */
function hasAt(payload: unknown, path: readonly string[], value: unknown): boolean {
  let part = payload
  for (const name of path) {
    if (typeof part !== 'object' || part === null || !Object.hasOwn(part, name)) return false
    part = (part as Record<string, unknown>)[name]
  }
  return isDeepStrictEqual(part, value)
}
