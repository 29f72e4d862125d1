/** Workflows: graphs of jobs and flows. Each part starts when the parts that it waits for have ended. */
import { jobsInside } from '../default-jobs.ts'
import { DispatchableFlow } from './flow-dispatchable.ts'
import type { WorkflowBuilder } from './workflow-builder.ts'

/** A workflow that is not dispatched yet: see `workflow()`. */
export class Workflow extends DispatchableFlow<Record<string, unknown>> {}

/**
 * Makes a workflow: a graph whose nodes are jobs and flows. A node starts when the nodes that it waits for
 * have completed.
 *
 * @param name for people: at most 100 characters
 * @param build the function that adds the nodes. The function is called when the workflow is dispatched, and
 * may be async
 * @returns a draft of the workflow. The result of the workflow is an object that maps the name of each node
 * to the node's result
 * @example
 * await workflow('order', (w) => {
 *   const charge = w.add(new ChargeJob().with({ orderId }))
 *   const pack = w.add(new PackJob().with({ orderId }), { after: charge })
 *   w.add(new SendReceiptJob().with({ orderId, receipt: charge.result.receiptUrl }), { after: pack })
 * }).dispatch()
 */
export function workflow(name: string, build: (w: WorkflowBuilder) => unknown): Workflow {
  return new Workflow(jobsInside, { content: { kind: 'workflow', build }, callbacks: [], name })
}
