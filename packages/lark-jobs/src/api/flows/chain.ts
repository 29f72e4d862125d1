/**
 * Chains: jobs, or flows, one after the other.
 */
import { JobsError } from '../../model/errors.ts'
import { jobsInside } from '../default-jobs.ts'
import { DispatchableFlow } from './flow-dispatchable.ts'
import {
  type FlowPart,
  insideOfFlow,
  type OpenResultOf,
  type ResultOfPart,
  type StepFunction,
} from './flow-draft.ts'
import { partWords } from './flow-part.ts'

/** The results of all steps of a chain, in the order of the steps. */
export type ResultsOfSteps<S extends readonly FlowPart[]> = { -readonly [I in keyof S]: ResultOfPart<S[I]> }

/** The future results of the previous steps. A later step can pass on these results in its payload. */
export type OpenResultsOf<Results extends readonly unknown[]> = {
  readonly [I in keyof Results]: OpenResultOf<Results[I]>
}

/** The result of a chain, which is the result of its last step. */
export type LastOf<Results extends readonly unknown[]> = Results extends readonly [...unknown[], infer Last]
  ? Last
  : Results extends readonly []
    ? undefined
    : Results[number]

/** A chain that is not dispatched yet: see `chain()`. */
export class Chain<Results extends readonly unknown[] = readonly unknown[]> extends DispatchableFlow<
  LastOf<Results>
> {
  /**
   * The same chain with one more step.
   *
   * @param step a draft, or a function that makes a draft from the results of the previous steps. These
   *   results have no values yet. The function can only pass them on in payloads, and the values are filled
   *   in when the step starts
   * @example chain([FetchJob.with({ url })]) .next(([fetched]) => ResizeJob.with({ file: fetched.path, width:
   *   400 })) .next(([fetched, resized]) => PublishJob.with({ from: fetched.path, image: resized }))
   */
  next<W extends FlowPart>(
    step: W | ((results: OpenResultsOf<Results>) => W),
  ): Chain<[...Results, ResultOfPart<W>]> {
    const { content } = insideOfFlow(this)
    const steps = content.kind === 'chain' ? content.steps : []
    const longer = this.with({
      content: { kind: 'chain', steps: [...steps, step as FlowPart | StepFunction] },
    })
    return longer as unknown as Chain<[...Results, ResultOfPart<W>]>
  }
}

/**
 * Makes a chain: each step starts when the previous step has completed. If a step fails or is cancelled, the
 * later steps are cancelled, and the chain fails.
 *
 * @param steps drafts of jobs, or flows
 * @returns a draft of the chain. The result of the chain is the result of the last step
 * @throws FLOW_INVALID if `steps` is not a list; mistakes in the steps are reported by `dispatch`
 * @example const handle = await chain([new FetchJob().with({ url }), new ResizeJob().with({ width: 400 })])
 *   .name('thumbnail') .onFailed(new TellJob().with({ url })) .dispatch()
 */
export function chain<const S extends readonly FlowPart[]>(steps: S): Chain<ResultsOfSteps<S>> {
  if (!Array.isArray(steps))
    throw new JobsError(
      'FLOW_INVALID',
      `chain() was given ${partWords(steps)}; it must be a list of drafts and flows`,
    )
  return new Chain(jobsInside, { content: { kind: 'chain', steps: [...steps] }, callbacks: [] })
}
