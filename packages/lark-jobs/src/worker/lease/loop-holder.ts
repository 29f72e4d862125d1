/**
 * Finds the job that blocks the event loop. The lease thread connects to the main thread with a session of
 * Node's inspector, and stops the main thread as a debugger does. Such a session needs no port. If the
 * `handle` of a job is on the stack, the `this` of that frame is the job. If `handle` awaits a function that
 * blocks, only the name of the class is known (`loop-witness.ts`).
 *
 * While the main thread runs native code, it stops only when the native code returns. So in this case the job
 * is not found in time. (Tried on 2026-12-01, Node 20.20: loops, regular expressions and `Atomics.wait` stop
 * within 60 ms; one long `JSON.parse`, `spawnSync` and `pbkdf2Sync` stop when they end.)
 */
import type { Session } from 'node:inspector/promises'
import { jobInside } from '../../options/job-inside.ts'
import { inTime } from '../../waiting/bounded-wait.ts'
import { nameOf, WITNESSES } from './loop-witness.ts'

/** The source text of a function. The inspector calls the function with the `this` of a stack frame. */
const RUN_OF = `function () {
  const job = this?.[Symbol.for('${Symbol.keyFor(jobInside)}')]?.run?.job
  return job && [job.token, job.id]
}`

/** A frame of the stack, as the inspector reports it. */
interface Frame {
  callFrameId: string
  this: { objectId?: string | undefined }
}

/** The main thread, stopped by the inspector. */
export class StoppedLoop {
  readonly #session: Session
  readonly #frames: readonly Frame[]

  /**
   * @param ms how long the thread may take to stop
   * @returns undefined if the thread did not stop in time, or if Node was built without the inspector
   */
  static async stop(ms: number): Promise<StoppedLoop | undefined> {
    try {
      const { Session } = await import('node:inspector/promises')
      const session = new Session()
      session.connectToMainThread()
      const stopped = new Promise<StoppedLoop>((resolve) => {
        session.once('Debugger.paused', ({ params }) => resolve(new StoppedLoop(session, params.callFrames)))
      })
      // The thread answers both calls only when it stops, so the first call is not awaited.
      session.post('Debugger.enable').catch(() => {})
      session.post('Debugger.pause').catch(() => {})
      const loop = await inTime(ms, stopped, () => undefined)
      if (loop === undefined) session.disconnect()
      return loop
    } catch {
      return undefined
    }
  }

  private constructor(session: Session, frames: readonly Frame[]) {
    this.#session = session
    this.#frames = frames
  }

  /**
   * The names (`nameOf`) of the runs that may block the loop. The list has one name if the cause is certain,
   * and is empty if nothing is known.
   */
  async holders(): Promise<string[]> {
    for (const { this: self } of this.#frames) {
      if (self.objectId === undefined) continue
      const { result } = await this.#session.post('Runtime.callFunctionOn', {
        ...{ objectId: self.objectId, functionDeclaration: RUN_OF, returnByValue: true },
      })
      if (Array.isArray(result.value)) return [nameOf(...(result.value as [string, string]))]
    }
    const names = await this.#call('onStack()')
    return Array.isArray(names) ? names : []
  }

  /** Makes the worker report a job that the lease thread has settled. @param outcome as JSON */
  async failed(name: string, outcome: string): Promise<void> {
    await this.#call(`failed(${JSON.stringify(name)}, ${JSON.stringify(outcome)})`)
  }

  /**
   * Tells the workers of the stopped thread which jobs may block the loop.
   *
   * @param id the id of one of these workers
   * @returns the names of the classes of these jobs
   */
  async seen(id: string, names: readonly string[]): Promise<string[]> {
    const by = await this.#call(`seen(${JSON.stringify(id)}, ${JSON.stringify(names)})`)
    return Array.isArray(by) ? by : []
  }

  /** Lets the main thread go on. */
  resume(): void {
    this.#session.disconnect()
  }

  async #call(call: string): Promise<unknown> {
    const { callFrameId } = this.#frames[0]!
    const expression = `globalThis[Symbol.for('${WITNESSES}')]?.${call}`
    const { result } = await this.#session.post('Debugger.evaluateOnCallFrame', {
      ...{ callFrameId, expression, returnByValue: true },
    })
    return result.value
  }
}
