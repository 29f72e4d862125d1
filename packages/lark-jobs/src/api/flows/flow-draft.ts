/**
 * What chains, batches and workflows have in common before they are dispatched. Like the draft of a job
 * (`draft.ts`), that of a flow never changes: each of its methods returns another. Its data is checked when
 * it is dispatched.
 */
import { branded } from '@s18i/lark/internal'
import { symbolPrefix } from '../../model/copies.ts'
import type { FlowOutcome } from '../../model/flow.ts'
import type { KeptResult } from '../../operate/events/results.ts'
import type { Json } from '../../options/lenient.ts'
import type { Duration } from '../../words/duration.ts'
import type { Draft } from '../draft.ts'

/** The key under which the draft of a flow keeps its data, for other copies of this package. @internal */
const flowDrafted = Symbol.for(`${symbolPrefix}.flowDrafted`)

/** The parts of a flow: jobs, and flows. */
export type FlowPart = Draft | FlowDraft

/** The result of a part: the result of `handle`, as it is stored; or the result of the flow. */
export type ResultOfPart<W> =
  W extends Draft<infer J> ? KeptResult<J> : W extends FlowDraft<infer Result> ? Result : never

/**
 * The result of a part that has not run, for the payload of a later one. It has the type of the future
 * result, but has no value yet: it throws when it is converted to a text or a number, iterated, called, or
 * awaited.
 */
export type OpenResultOf<Result> = unknown extends Result
  ? unknown
  : [Exclude<Result, boolean | undefined>] extends [never]
    ? undefined
    : Json<Exclude<Result, boolean | undefined>>

/** How long a flow is kept when it has ended, with its nodes and their results; `false`: not at all. */
export interface FlowKeepOptions {
  /** A flow that completed. */
  completed?: Duration | false | undefined
  /** A flow that failed. */
  failed?: Duration | false | undefined
  /** A flow that was cancelled. */
  cancelled?: Duration | false | undefined
}

/** For the compiler only: the result of a flow. */
declare const resultOfFlow: unique symbol

/** The next step of a chain, which may need the results of the steps before. */
export type StepFunction = (results: never) => FlowPart

/** The parts in the draft of a flow. @internal */
export type FlowContent =
  | { kind: 'chain'; steps: readonly (FlowPart | StepFunction)[] }
  | { kind: 'batch'; members: Iterable<Draft> | AsyncIterable<Draft>; allowed?: number | 'any' }
  | { kind: 'workflow'; build: (w: never) => unknown }

/** The data in the draft of a flow. @internal */
export interface FlowSays {
  content: FlowContent
  callbacks: readonly (readonly [on: FlowOutcome, part: FlowPart])[]
  name?: string
  id?: string
  within?: Duration
  unknownAfter?: Duration
  tags?: readonly string[]
  keep?: FlowKeepOptions
}

/** The inside of an instance of `Jobs`, as the draft of a flow knows it. @internal */
export interface FlowDispatcher {
  dispatchFlow(flow: FlowDraft, options?: unknown): Promise<unknown>
}

/**
 * A flow that is not dispatched yet: `chain()`, `batch()` and `workflow()` make such drafts. A flow may be a
 * part of another. (`flow-dispatchable.ts` adds `dispatch`, which knows handles; these know drafts.)
 */
export abstract class FlowDraft<Result = unknown> {
  /** @internal */
  readonly [flowDrafted]: FlowSays
  /** @internal */
  protected readonly jobs: FlowDispatcher
  /** For the compiler only. */
  declare readonly [resultOfFlow]?: Result

  /** @internal */
  constructor(jobs: FlowDispatcher, says: FlowSays) {
    this.jobs = jobs
    this[flowDrafted] = says
    Object.freeze(this)
  }

  /** The same flow with a name, for people: at most 100 characters. */
  name(name: string): this {
    return this.with({ name })
  }

  /**
   * The same flow under an id that you choose. It is started once: as long as it is kept, another dispatch
   * with this id changes nothing, and its handle says `isNew: false`. The queue of its first job must be the
   * same each time.
   *
   * @param id 1 to 40 letters, digits, `-` and `_`
   * @example await chain([ChargeJob.with({ order }), PackJob.with({ order })]).withId(`order-${order}`).dispatch()
   */
  withId(id: string): this {
    return this.with({ id })
  }

  /**
   * The same flow with a deadline. If it has not ended this long after its dispatch, it fails: nothing more
   * starts, and the `signal` of running jobs is aborted.
   *
   * @param time milliseconds, or `'30s'`, `'2h'`
   */
  within(time: Duration): this {
    return this.with({ within: time })
  }

  /**
   * The same flow with another limit for the time that its jobs wait while no living worker knows their keys.
   * Then they are cancelled, with the reason `lost`, so that the flow ends.
   *
   * @param time milliseconds, or `'30m'`, `'2h'`. Default: a day
   */
  unknownAfter(time: Duration): this {
    return this.with({ unknownAfter: time })
  }

  /** The same flow with more tags, by which people find it: at most 10, each of at most 64 characters. */
  tagged(...tags: string[]): this {
    return this.with({ tags: [...(this[flowDrafted].tags ?? []), ...tags] })
  }

  /**
   * The same flow, kept for so long when it has ended, with its nodes and their results.
   *
   * @param ages by how it has ended. Default: as the queue of its first job keeps such jobs, and at least 10
   *   minutes
   * @example .keep({ completed: '7d', failed: '90d' })
   */
  keep(ages: FlowKeepOptions): this {
    return this.with({ keep: { ...this[flowDrafted].keep, ...ages } })
  }

  /**
   * The same flow with one more job, or flow, that starts when it has completed. It reads the flow by
   * `this.flow`.
   */
  onCompleted(part: FlowPart): this {
    return this.#on('completed', part)
  }

  /** The same flow with one more job, or flow, that starts when it has failed. */
  onFailed(part: FlowPart): this {
    return this.#on('failed', part)
  }

  /** The same flow with one more job, or flow, that starts when it has ended, in whatever way. */
  onEnded(part: FlowPart): this {
    return this.#on('ended', part)
  }

  /** @internal */
  protected with(changes: Partial<FlowSays>): this {
    return this.again({ ...this[flowDrafted], ...changes })
  }

  /** Another draft of this kind. @internal */
  protected again(says: FlowSays): this {
    const Own = this.constructor as new (jobs: FlowDispatcher, says: FlowSays) => this
    return new Own(this.jobs, says)
  }

  #on(on: FlowOutcome, part: FlowPart): this {
    return this.with({ callbacks: [...this[flowDrafted].callbacks, [on, part]] })
  }
}

export function isFlowDraft(value: unknown): value is FlowDraft {
  return typeof value === 'object' && value !== null && flowDrafted in value
}

/** The data in the draft of a flow of any copy. @internal */
export function insideOfFlow(flow: FlowDraft): FlowSays {
  return flow[flowDrafted]
}

branded(FlowDraft, isFlowDraft)
