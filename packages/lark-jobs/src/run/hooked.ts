/**
 * Has the application's hooks hear how a worker's jobs begin and end. Made only where there are hooks.
 */
import { inContext } from '../model/context.ts'
import type { Outcome } from '../model/record.ts'
import type { Execution } from './execution.ts'
import { HookCalls, type Hooks, type JobEvent } from './hooks.ts'

export class Hooked {
  readonly #calls: HookCalls

  /** @param warn told once of each hook that throws */
  constructor(hooks: Hooks, warn: (text: string) => void) {
    this.#calls = new HookCalls(hooks, warn)
  }

  started(running: Execution): void {
    this.#in(running, (event) => this.#calls.call('started', event))
  }

  /** @param took milliseconds */
  ended(running: Execution, outcome: Outcome, took: number): void {
    this.#in(running, (event) => {
      if (outcome.kind === 'completed') this.#calls.call('completed', { ...event, took })
      if (outcome.kind === 'released') this.#calls.call('released', { ...event, took, in: outcome.in })
      if (outcome.kind === 'failed') {
        const { retryIn } = outcome
        const { thrown: error } = running
        this.#calls.call('failed', { ...event, took, error, ...(retryIn !== undefined && { retryIn }) })
      }
    })
  }

  /** In the job's context. Of a job that no class here runs, nobody hears. */
  #in({ lease, jobClass, claimer }: Execution, tell: (event: JobEvent) => void): void {
    if (jobClass === undefined) return
    const { key, name } = jobClass
    const event = { id: lease.id, key, name, queue: claimer.queue, attempt: lease.failures + 1 }
    inContext(lease.options?.context, tell, event)
  }
}
