/**
 * The operations on the steps of jobs: read them, send a signal, forget records. The implementation is in
 * `look/job-steps.ts` and `change/job-steps.ts`, which are loaded with the first call.
 */
import { defined } from '@s18i/lark/internal'
import { readId } from '../model/id.ts'
import type { SignalKind } from '../step/signal.ts'
import type { ForgetOptions, SendByHandOptions, SentSignal } from './change/job-steps.ts'
import type { JobSteps, StepsOptions } from './look/job-steps.ts'
import type { OpenQueues } from './look/stored-jobs.ts'
import type { Operating } from './operated.ts'

/** Reads the steps of jobs and changes their records; `operate().steps` is such an object. */
export class StepOperations {
  readonly #operating: Operating

  /** @internal */
  constructor(operating: Operating) {
    this.#operating = operating
  }

  /**
   * Returns what a job has recorded about its steps, what the job waits for, and the signals that it
   * received. Undefined if the job has recorded nothing and received no signal.
   *
   * @param options `values`: also returns the results of steps and the values of signals. `queue`: looks for
   *   the job only in this queue
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, FILTER_INVALID, UNKNOWN_QUEUE
   * @example for (const { name, state } of (await operate().steps.list(id))?.steps ?? []) console.log(name,
   *   state)
   */
  async list(id: string, options: StepsOptions = {}): Promise<JobSteps | undefined> {
    const { checkSteps, jobSteps } = await import('./look/job-steps.ts')
    checkSteps(options)
    return jobSteps(await this.#queues(), readId(id), options)
  }

  /**
   * Sends a signal to a job, as `handle.send()` does. The audit records the name of the signal, but never its
   * value.
   *
   * @param signal a signal made by `defineSignal`, or only its name. With a name, no schema checks the value
   * @param value a JSON value. If the value is omitted, the signal carries no value
   * @param options `id`: a signal that is sent several times with this id is kept only once. `dryRun`: only
   *   says what would happen to the signal
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, STEP_INVALID, PAYLOAD_NOT_JSON,
   *   PAYLOAD_TOO_LARGE, PAYLOAD_INVALID, SIGNALS_FULL, FILTER_INVALID, UNKNOWN_QUEUE
   * @example await operate().steps.send(id, 'approved', { by: 'ada' })
   */
  async send<T>(
    id: string,
    signal: SignalKind<T> | string,
    value?: T,
    options: SendByHandOptions = {},
  ): Promise<SentSignal> {
    const [{ checkSend, sendByHand }, { readSignal }] = await Promise.all([
      import('./change/job-steps.ts'),
      import('./change/send.ts'),
    ])
    readId(id)
    checkSend(options)
    const kind = typeof signal === 'string' ? { name: signal } : (signal as SignalKind<unknown>)
    const read = await readSignal(kind, value, defined({ id: options.id }))
    const send = async () => sendByHand(await this.#queues(), id, read, options)
    if (options.dryRun) return send()
    const count = ({ sent }: SentSignal) => (sent ? 1 : 0)
    return this.#operating.perform({ what: 'send', on: `signal ${read.name} to job ${id}`, count }, send)
  }

  /**
   * Removes the records of steps or waits from a job that is not running, so that its next run repeats them.
   * Removing records does not make the job due: a failed job still needs a retry.
   *
   * @param names the names that `list()` returns
   * @param options `dryRun`: only returns the names, and removes nothing
   * @returns the names of the steps
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_EDITABLE, STEP_INVALID, FILTER_INVALID,
   *   UNKNOWN_QUEUE
   * @example await operate().steps.forget(id, ['charge'])
   */
  async forget(id: string, names: readonly string[], options: ForgetOptions = {}): Promise<string[]> {
    const { checkForget, forgetSteps } = await import('./change/job-steps.ts')
    readId(id)
    checkForget(names, options)
    const forget = async () => forgetSteps(await this.#queues(), id, names, options)
    if (options.dryRun) return forget()
    const on = `steps ${names.join(', ')} of job ${id}`
    return this.#operating.perform({ what: 'forget-steps', on, count: ({ length }) => length }, forget)
  }

  async #queues(): Promise<OpenQueues> {
    const { store, settings } = await this.#operating.jobs.open()
    return { store, queues: settings.partitions }
  }
}
