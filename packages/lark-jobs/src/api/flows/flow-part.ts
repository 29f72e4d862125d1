/** Functions for a part of a flow that was passed by the application and has not been read yet. */
import type { Drafted } from '../../dispatch/new-job.ts'
import { JobsError } from '../../model/errors.ts'
import { classOf, isJobClass, jobBrand } from '../../options/job-class.ts'
import { shown } from '../../words/secret.ts'
import { insideOfDraft, isDraft } from '../draft.ts'
import { type FlowPart, type FlowSays, insideOfFlow, isFlowDraft, type StepFunction } from './flow-draft.ts'

/**
 * Reads a value that was passed as a member of a batch.
 *
 * @throws FLOW_INVALID if the value is not the draft of a job
 */
export function readMember(member: unknown): Drafted {
  if (isDraft(member)) return insideOfDraft(member)
  const got = partWords(member)
  throw new JobsError('FLOW_INVALID', `batch() was given ${got} as a member; it must be the draft of a job`, {
    hint: isFlowDraft(member)
      ? 'In a workflow, flows run beside each other: workflow(name, (w) => flows.forEach((flow) => w.add(flow))).'
      : 'A draft is what with() returns: new MyJob().with(payload).',
  })
}

/** The default name of a part. @throws FLOW_INVALID if the value is neither a draft nor a flow */
export function nameOfPart(part: FlowPart | StepFunction, call: string): string {
  if (isDraft(part)) return classOf(insideOfDraft(part).Class).name
  if (isFlowDraft(part)) return nameOfFlow(insideOfFlow(part))
  throw new JobsError('FLOW_INVALID', `${call} was given ${partWords(part)}; it must be a draft, or a flow`, {
    hint: 'A draft is what with() returns: new MyJob().with(payload).',
  })
}

/**
 * Describes a value that was passed as a part, for messages. A class, and a job object without a payload, are
 * described as such, because people pass these when they forget `with`.
 */
export function partWords(given: unknown): string {
  if (isDraft(given)) return `a draft of ${classOf(insideOfDraft(given).Class).name}`
  if (isFlowDraft(given)) return `a ${insideOfFlow(given).content.kind}`
  if (typeof given === 'object' && given !== null && jobBrand in given)
    return `a ${given.constructor.name} without a payload`
  if (isJobClass(given)) return `the class ${given.name}`
  return shown(given)
}

export function nameOfFlow({ name, content }: FlowSays): string {
  return typeof name === 'string' && name !== '' ? name : content.kind
}
