/**
 * What chains, batches and workflows have in common before they are dispatched. The draft of a flow never
 * changes, like the draft of a job (`draft.ts`): each of its methods returns another draft. The data of a
 * draft is checked when the draft is dispatched.
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

/** A part of a flow: a job, or another flow. */
export type FlowPart = Draft | FlowDraft

/** The result of a part: for a job, the stored result of `handle`; for a flow, the result of the flow. */
export type ResultOfPart<W> =
  W extends Draft<infer J> ? KeptResult<J> : W extends FlowDraft<infer Result> ? Result : never

/**
 * The result of a part that has not run yet, for the payload of a later part. Such a result has the type of
 * the future result, but no value yet. Code that converts it to a text or a number, or iterates, calls or
 * awaits it, gets an error.
 */
export type OpenResultOf<Result> = unknown extends Result
  ? unknown
  : [Exclude<Result, boolean | undefined>] extends [never]
    ? undefined
    : Json<Exclude<Result, boolean | undefined>>

/**
 * How long a flow is kept after it has ended, with its nodes and their results. `false`: the flow is not
 * kept.
 */
export interface FlowKeepOptions {
  /** How long a completed flow is kept. */
  completed?: Duration | false | undefined
  /** How long a failed flow is kept. */
  failed?: Duration | false | undefined
  /** How long a cancelled flow is kept. */
  cancelled?: Duration | false | undefined
}

/** A key that exists only in the types. Its property carries the type of the flow's result. */
declare const resultOfFlow: unique symbol

/** A function that makes the next step of a chain from the results of the previous steps. */
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

/** The part of an instance of `Jobs` that the draft of a flow uses. @internal */
export interface FlowDispatcher {
  dispatchFlow(flow: FlowDraft, options?: unknown): Promise<unknown>
}

/**
 * A flow that is not dispatched yet: `chain()`, `batch()` and `workflow()` make such drafts. A flow may be a
 * part of another flow. This class has no `dispatch`: `flow-dispatchable.ts` adds it, so that this file need
 * not import handles.
 */
export abstract class FlowDraft<Result = unknown> {
  /** @internal */
  readonly [flowDrafted]: FlowSays
  /** @internal */
  protected readonly jobs: FlowDispatcher
  /** A property that exists only in the types. */
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
   * The same flow under an id that you choose. A flow with this id is started only once. As long as the flow
   * is kept, another dispatch with the same id changes nothing, and its handle has `isNew: false`. The queue
   * of the first job must be the same in each dispatch.
   *
   * @param id 1 to 40 letters, digits, `-` and `_`
   * @example await chain([ChargeJob.with({ order }), PackJob.with({ order
   *   })]).withId(`order-${order}`).dispatch()
   */
  withId(id: string): this {
    return this.with({ id })
  }

  /**
   * The same flow with a deadline. If the flow has not ended this long after its dispatch, it fails: no more
   * jobs start, and the `signal` of running jobs is aborted.
   *
   * @param time milliseconds, or `'30s'`, `'2h'`
   */
  within(time: Duration): this {
    return this.with({ within: time })
  }

  /**
   * The same flow with another limit for how long its jobs wait while no running worker has their classes.
   * After this time such jobs are cancelled, with the reason `lost`, so that the flow ends.
   *
   * @param time milliseconds, or `'30m'`, `'2h'`. Default: a day
   */
  unknownAfter(time: Duration): this {
    return this.with({ unknownAfter: time })
  }

  /**
   * The same flow with additional tags, by which people find the flow: at most 10, each of at most 64
   * characters.
   */
  tagged(...tags: string[]): this {
    return this.with({ tags: [...(this[flowDrafted].tags ?? []), ...tags] })
  }

  /**
   * The same flow, kept for another time after it has ended, with its nodes and their results.
   *
   * @param ages how long the flow is kept, for each way in which it may end. Default: the times for which the
   *   queue of the first job keeps jobs, but at least 10 minutes
   * @example await chain(steps).keep({ completed: '7d', failed: '90d' }).dispatch()
   */
  keep(ages: FlowKeepOptions): this {
    return this.with({ keep: { ...this[flowDrafted].keep, ...ages } })
  }

  /**
   * The same flow with one more callback: a job or flow that starts when this flow has completed. The
   * callback reads this flow with `this.flow`.
   */
  onCompleted(part: FlowPart): this {
    return this.#on('completed', part)
  }

  /** The same flow with one more callback: a job or flow that starts when this flow has failed. */
  onFailed(part: FlowPart): this {
    return this.#on('failed', part)
  }

  /**
   * The same flow with one more callback: a job or flow that starts when this flow has ended, no matter how.
   */
  onEnded(part: FlowPart): this {
    return this.#on('ended', part)
  }

  /** @internal */
  protected with(changes: Partial<FlowSays>): this {
    return this.again({ ...this[flowDrafted], ...changes })
  }

  /** Makes another draft of the same class. @internal */
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

/** The data in the draft of a flow, also if another copy of this package made the draft. @internal */
export function insideOfFlow(flow: FlowDraft): FlowSays {
  return flow[flowDrafted]
}

branded(FlowDraft, isFlowDraft)
