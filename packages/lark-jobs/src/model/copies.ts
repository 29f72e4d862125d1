/**
 * How several copies of this package in one process work together. For example, an application imports one
 * copy, a bundle contains another copy, and CommonJS modules require a third copy. A `#private` member or a
 * `WeakMap` works only within one copy, so copies share data by symbols made with `Symbol.for`. There are
 * four kinds of such symbols:
 *
 *   the door   `inside`, here: leads from an instance of `Jobs`, or from `operate()`, to one object with
 *              ordinary members. `drafted` (`api/draft.ts`) and `flowDrafted` (`api/flows/flow-draft.ts`)
 *              lead to the data of a draft. Copies with incompatible versions have different doors.
 *   of a job   `jobInside` (`options/job-inside.ts`) leads to the data that Lark keeps in a job, and `reach`
 *              (`run/middleware`) to the members of a job that middleware may use. A worker of one copy runs
 *              the jobs of another copy, no matter which version that copy has.
 *   brands     mark values so that any copy recognises them: `Job`, its methods that do nothing, classes of
 *              `defineJob()`, errors, `lenient()`, recurrences, open results, the needs of middleware.
 *   slots      properties of `globalThis`, for things of which a process has only one: the default instance,
 *              the context, the current member of a flow, the running command, the defined jobs, the
 *              witnesses of the event loop, and the marks that the program is `lark` or a process for
 *              isolated jobs.
 */
import { version } from './version.ts'

/**
 * The part of a version that must be the same in two compatible copies: the major version, and below 1.0 also
 * the minor version.
 */
export function generationOf(version: string): string {
  return /^(0\.)?\d+/.exec(version)![0]
}

/**
 * The prefix of the symbols that are shared only by copies with compatible versions. When the sources run
 * without a build, the version is 0.0.
 */
export const symbolPrefix = `s18i.lark.jobs@${generationOf(version)}`

/** The symbol that leads from an object of the public API to the internal object behind it. @internal */
export const inside = Symbol.for(`${symbolPrefix}.inside`)

/** An object of the public API, with an internal object behind it that users do not see. @internal */
export interface Facade<T> {
  readonly [inside]: T
}

/**
 * The internal object behind an object of the public API, also if another copy of this package made that
 * object.
 */
export function insideOf<T>(facade: Facade<T>): T {
  return facade[inside]
}

/** The global property that is set in a process for isolated jobs. */
export const ISOLATED = Symbol.for('s18i.lark.jobs.isolated')
