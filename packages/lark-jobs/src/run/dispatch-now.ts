/**
 * `dispatchNow`: runs a job once in this process, without a store.
 */

import { defined } from '@s18i/lark/internal'
import { newId } from '../model/id.ts'
import { resultText } from '../model/payload.ts'
import { type Run, returnedFalse } from '../model/run/run.ts'
import {
  classOf,
  type JobClass,
  type JobConstructor,
  type JobLike,
  settingsOf,
} from '../options/job-class.ts'
import { insideOfJob } from '../options/job-inside.ts'
import { readPayload, writePayload } from '../options/payload-rules.ts'
import type { ChildDraft } from '../step/child.ts'
import type { WaitTimes } from '../step/wait-clock.ts'
import type { NewSignal } from '../store/contract/store.ts'
import { type Around, EventJob, HookCalls } from './hooks.ts'
import { print } from './job-log.ts'
import { tell } from './last-hook.ts'
import { withMade } from './made-job.ts'
import { SeenJob } from './middleware/seen-job.ts'
import { through } from './middleware/through.ts'
import { NowRun, type NowRunOptions } from './now-run.ts'
import type { RecordedNow, SentNow } from './steps-now.ts'
import { type HandleNow, undoneNow } from './undone-now.ts'

/** `dispatchNow` makes only one attempt, and ignores the settings of the class for retries. */
const once = { tries: 1, retryUntil: 0 }

export class DispatchNow {
  readonly #load: () => Promise<Around>
  readonly #times: () => WaitTimes | undefined
  /** The runs, by the id of their job. */
  readonly #runs = new Map<string, NowRun>()
  #around: (Omit<Around, 'hooks'> & { calls: HookCalls | undefined }) | undefined

  /**
   * @param load loads the middleware and hooks. If `load` fails, the next run calls it again
   * @param times returns the clock and timers for steps, or undefined for the clock and timers of the process
   */
  constructor(load: () => Promise<Around>, times: () => WaitTimes | undefined) {
    this.#load = load
    this.#times = times
  }

  /** Whether the middleware and hooks are loaded. */
  get isInformed(): boolean {
    return this.#around !== undefined
  }

  /** The records of the steps of a job, or undefined if no job with this id runs. */
  recorded(id: string): RecordedNow | undefined {
    return this.#runs.get(id)?.recorded
  }

  /** Passes a signal to a running job. @returns undefined if no job with this id runs */
  sent(id: string, signal: NewSignal): SentNow | undefined {
    return this.#runs.get(id)?.sent(signal)
  }

  /** Discards the middleware and the hooks, so that the next run loads them again. */
  forget(): void {
    this.#around = undefined
  }

  /**
   * Runs the job's `handle` on a JSON copy of the payload, and calls `failed` of the class if `handle` fails.
   * The first run waits for the configuration. Later runs begin at once.
   *
   * @throws the error of `handle`; JOB_TIMED_OUT if the timeout was over, even if `handle` succeeded later;
   *   JOB_RELEASED if the job released itself; the errors of reading the configuration
   */
  run(job: JobLike, payload: unknown): Promise<unknown> {
    return this.#timed(this.#times(), classOf(job.constructor as JobConstructor), payload, job)
  }

  /** @param times the clock and timers for the steps of the job, and of all jobs that the job starts */
  async #timed(times: WaitTimes | undefined, ...job: [JobClass, unknown, JobLike?]): Promise<unknown> {
    times?.busy?.(1)
    try {
      return await this.#run(times, ...job)
    } finally {
      times?.busy?.(-1)
    }
  }

  /** @param given the job object. If absent, the job object is made in the same way as in a worker */
  async #run(
    times: WaitTimes | undefined,
    jobClass: JobClass,
    payload: unknown,
    given?: JobLike,
  ): Promise<unknown> {
    const { name } = jobClass
    const { timeout, queueName } = given === undefined ? jobClass : settingsOf(given, jobClass)
    const text = writePayload(payload, jobClass)
    const { middleware, calls, make, telemetry } = this.#around ?? (await this.#read())
    const id = newId()
    const heard = { id, key: jobClass.key, failures: 0, crashes: 0, queuedAt: Date.now(), options: once }
    const event = <T extends object>(more: T, result?: string) =>
      Object.assign(new EventJob(heard, name, queueName, text, jobClass, result), { waited: 0 }, more)
    const began = performance.now()
    const took = () => performance.now() - began
    const child = async ({ Class, payload }: ChildDraft) => this.#timed(times, classOf(Class), payload)
    const options: NowRunOptions = {
      ...{ id, name, timeout, hasSteps: true, child, times },
      processing: telemetry && {
        step: (step, act) => telemetry.step({ id, queue: queueName, key: jobClass.key }, step, act),
      },
    }
    const now = new NowRun(options)
    const { run } = now
    const chain = [...middleware, ...jobClass.middleware]
    const handle: HandleNow = async (now, within) => {
      const copy = readPayload(text, jobClass)
      const seen = new SeenJob(now.run, jobClass, queueName, copy)
      const called = async (job: JobLike) => through(chain, seen, () => within(job.handle(copy)))
      return decided(now.run, () =>
        now.through(() =>
          given === undefined && make !== undefined
            ? withMade(make, jobClass, now.run, copy, called)
            : inRun(given ?? new jobClass.Class(), now.run, called),
        ),
      )
    }
    /** @returns the error with which the job ends */
    const failed = async (thrown: unknown) => {
      const undoes = now.stepsIfAny?.hasUndos === true
      const error = undoes ? await undoneNow(thrown, now.recorded!.journal, options, handle) : thrown
      const last = new NowRun({ id, name, timeout })
      await tell(jobClass, last.run, { kind: 'failed', error }, text, make).finally(() => last.end())
      calls?.call('failed', event({ took: took(), error, last: true }))
      return error
    }
    this.#runs.set(id, now)
    calls?.call('started', event({}))
    try {
      const result = await handle(now, (handled) => handled).catch(async (error) => {
        if (run.decision?.kind !== 'released') throw await failed(error)
        const { in: ms, because } = run.decision
        calls?.call('released', event({ took: took(), in: ms, ...defined({ because }) }))
        throw error
      })
      if (result === false) {
        const refused = returnedFalse()
        const error = await failed(refused)
        // An error about steps that could not be undone replaces the refusal, because that error is more
        // important.
        if (error !== refused) throw error
      } else if (calls?.has('completed'))
        calls.call('completed', event({ took: took() }, resultText(result, name)))
      return result
    } finally {
      now.end()
      this.#runs.delete(id)
    }
  }

  async #read() {
    const { middleware, hooks, make, telemetry } = await this.#load()
    const calls = hooks && new HookCalls(hooks, (text) => print('lark-jobs', undefined, 'warn', text))
    this.#around = { middleware, calls, make, telemetry }
    return this.#around
  }
}

/**
 * Runs `handle`. If the job has called `fail()` or `release()`, or the run was aborted, the error of that
 * call or the reason of the abort is thrown, whatever `handle` returned or threw.
 */
async function decided(run: Run, handle: () => Promise<unknown>): Promise<unknown> {
  try {
    const result = await handle()
    if (run.decision !== undefined) throw run.decision.error
    if (run.reason !== undefined) throw run.reason
    return result
  } catch (error) {
    throw run.decision?.error ?? run.reason ?? error
  }
}

async function inRun(job: JobLike, run: Run, handle: (job: JobLike) => Promise<unknown>): Promise<unknown> {
  const inside = insideOfJob(job)
  inside.run = run
  try {
    return await handle(job)
  } finally {
    // If another run of the same job object has begun meanwhile, `inside.run` is that run and must stay.
    if (inside.run === run) inside.run = undefined
  }
}
