/** The dispatch that a test expects: a class, a payload that matches, and further conditions. */

import {
  classOf,
  isJobClass,
  type JobConstructor,
  type JobLike,
  type PayloadOf,
} from '../options/job-class.ts'
import { type Duration, milliseconds } from '../words/duration.ts'
import type { DispatchedJob } from './dispatches.ts'
import { type Difference, differences, type PartOf } from './matching.ts'

/** A job class, or the key of one. */
export type ClassOrKey<J extends JobLike = JobLike> = (new (...args: never[]) => J) | string

/** A match for a payload: a part of the payload, or a function that says whether a payload matches. */
export type PayloadMatch<J extends JobLike> = PartOf<PayloadOf<J>[0]>

/** Further conditions for a dispatch. */
export interface DispatchConditions {
  queue?: string | undefined
  /** The time until the job is due: milliseconds, or `'5m'`. */
  delay?: Duration | undefined
  priority?: number | undefined
  group?: string | undefined
  /** Tags that the job has. It may have more tags. */
  tags?: readonly string[] | undefined
  /** The id that the application chose. */
  id?: string | undefined
  tries?: number | undefined
  timeout?: Duration | undefined
  /** The name of the job's node in a flow. */
  node?: string | undefined
}

/** A step of `assertOrder` or `assertChain`: a class or a key, alone or with a match for the payload. */
export type StepMatch = ClassOrKey | readonly [ClassOrKey, unknown]

export class Expectation {
  readonly key: string
  /** The name of the class, or the key in quotes. */
  readonly name: string
  readonly match: unknown
  readonly conditions: DispatchConditions

  constructor(of: ClassOrKey, match?: unknown, conditions: DispatchConditions = {}) {
    const isClass = isJobClass(of)
    this.key = isClass ? classOf(of as unknown as JobConstructor).key : String(of)
    this.name = isClass ? of.name || this.key : `'${this.key}'`
    this.match = match
    this.conditions = conditions
  }

  static of(step: StepMatch): Expectation {
    return typeof step === 'string' || typeof step === 'function'
      ? new Expectation(step)
      : new Expectation(...step)
  }

  /** Whether a job or a node has the expected class and a matching payload, and was not rejected. */
  isMetBy({
    key,
    payload,
    rejection,
  }: Pick<DispatchedJob, 'payload' | 'rejection'> & { key?: string }): boolean {
    return key === this.key && rejection === undefined && this.#inPayload(payload).length === 0
  }

  /** Whether a job also meets the further conditions. */
  isMetInFull(job: DispatchedJob): boolean {
    return this.isMetBy(job) && this.#inOptions(job).length === 0
  }

  /** The differences between a job and the expectation. */
  misses(job: DispatchedJob): { payload: Difference[]; options: Difference[] } {
    return { payload: this.#inPayload(job.payload), options: this.#inOptions(job) }
  }

  #inPayload(payload: unknown): Difference[] {
    return this.match === undefined ? [] : differences(this.match, payload)
  }

  #inOptions(job: DispatchedJob): Difference[] {
    const { delay, timeout, tags = [], ...others } = this.conditions
    const times = { delay: milliseconds(delay), timeout: milliseconds(timeout) }
    const said = Object.entries({ ...others, ...times }).filter(([, value]) => value !== undefined)
    const missing = tags.filter((tag) => !job.tags.includes(tag))
    return [
      ...differences(Object.fromEntries(said), job),
      ...missing.map((tag) => ({ path: ['tags'], expected: `a list with '${tag}'`, actual: job.tags })),
    ]
  }
}
