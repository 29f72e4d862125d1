/**
 * What the copies of this package in a process have in common. There may be several: one that was imported,
 * one inside a bundle, one of CommonJS. A `#private` member or a `WeakMap` works within one copy only, so
 * copies meet by symbols that `Symbol.for` makes. There are four kinds:
 *
 *   the door   `inside`, here: leads from an instance of `Jobs`, or from `operate()`, to one object with
 *              ordinary members. `drafted` (`api/draft.ts`) and `flowDrafted` (`api/flows/flow-draft.ts`)
 *              lead to what a draft says. Copies whose versions do not go together have other doors.
 *   of a job   `jobInside` (`options/job-inside.ts`) leads to what Lark notes in a job, and `reach`
 *              (`run/middleware`) to what middleware may use of it. A worker of one copy runs the jobs of
 *              another, whatever its version.
 *   brands     by them a value of any copy is recognised: `Job`, its methods that do nothing, the classes of
 *              `defineJob()`, errors, `lenient()`, recurrences, open results, the needs of middleware.
 *   slots      what a process has once, in `globalThis`: the default instance, the context, the current
 *              member of a flow, the running command, defined jobs, the witnesses of the event loop, that the
 *              program is `lark`, and that the process is one for isolated jobs.
 */
import { version } from './version.ts'

/**
 * The part of a version that two copies must have in common: the major version, below 1.0 with the minor
 * version.
 */
export function generationOf(version: string): string {
  return /^(0\.)?\d+/.exec(version)![0]
}

/** The beginning of the symbols that only copies share whose versions go together. The sources run as 0.0. */
export const symbolPrefix = `s18i.lark.jobs@${generationOf(version)}`

/** The door to the inside of what users hold. @internal */
export const inside = Symbol.for(`${symbolPrefix}.inside`)

/** What users hold, with an inside that they do not see. @internal */
export interface Facade<T> {
  readonly [inside]: T
}

/** The inside of what a user, or another copy, holds. */
export function insideOf<T>(facade: Facade<T>): T {
  return facade[inside]
}

/** Set in a process for isolated jobs. */
export const ISOLATED = Symbol.for('s18i.lark.jobs.isolated')
