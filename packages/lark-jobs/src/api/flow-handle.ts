/**
 * A handle of a flow.
 */
import type { FlowPlace } from '../model/flow.ts'
import type { Operated } from '../operate/operations.ts'

export class FlowHandle<Result = unknown> {
  readonly id: string
  readonly isNew: boolean

  constructor(_jobs: Operated, { flow }: FlowPlace, isNew: boolean) {
    this.id = flow
    this.isNew = isNew
  }

  result(): Promise<Result> {
    return Promise.reject(new Error('not yet'))
  }
}
