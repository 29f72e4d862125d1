import { text } from 'node:stream/consumers'
import { arg, Command, flag } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import type { JobHandle } from '../../api/job-handle.ts'
import { JobsError, type JobsErrorCode } from '../../model/errors.ts'
import type { DispatchOptions } from '../../options/dispatch-options.ts'
import { jobSettings } from '../../options/job-settings.ts'
import { COMMAND_JOB } from '../../run/command-job.ts'
import { completed } from '../words/completed.ts'
import { flagVoice } from '../words/flag-voice.ts'

/**
 * The codes of errors that mean a mistake in the command line. Other errors have another cause, for example a
 * store that does not answer.
 */
const mistakes: readonly JobsErrorCode[] = [
  'UNKNOWN_JOB',
  'UNKNOWN_QUEUE',
  'JOB_ID_INVALID',
  'PAYLOAD_INVALID',
  'PAYLOAD_TOO_LARGE',
]

/** `lark jobs:dispatch`: queues one job. People and crontabs use it. */
export class JobsDispatchCommand extends Command {
  readonly key = 'jobs:dispatch'
  override description = 'Queue a job by its key'
  job = arg.string('The key of the job')
  payload = arg.string('The payload as JSON, or - to read it from the standard input', { optional: true })
  queue = flag.string('This queue instead of that of its class')
  delay = flag.string("How long until it is due, such as '30s' or '5m'")
  id = flag.string('An id of your own: while its queue knows a job with this id, no other is queued')
  priority = flag.number('-1000 to 1000, higher first')
  tag = flag.strings('A tag instead of those of its class; may be repeated')

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    const options = this.#options()
    const payload = await this.#payload()
    await using jobs = Jobs
    const sent =
      this.job === COMMAND_JOB
        ? dispatchCommand(jobs, payload, options)
        : jobs.dispatchByKey(this.job, payload, options)
    const handle = await sent.catch((error: unknown) => {
      if (!JobsError.is(error) || !mistakes.includes(error.code)) throw error
      throw error.again({ exit: 2, message: error.message.replace(/^Jobs\.dispatchByKey\(\): t/, 'T') })
    })
    const { id, queue, queued, rejection } = handle
    if (this.json) this.console.json(defined({ key: this.job, id, queue, queued, rejection }))
    else this.#say(handle)
    return rejection?.reason !== 'full'
  }

  /** @throws USAGE */
  #options() {
    const { delay, priority, tags } = jobSettings.entries
    const wantsTags = this.tag.length > 0
    if (this.delay !== undefined) delay.read(this.delay, 'delay', flagVoice)
    if (this.priority !== undefined) priority.read(this.priority, 'priority', flagVoice)
    if (wantsTags) tags.read(this.tag, 'tag', flagVoice)
    return defined({
      queueName: this.queue,
      delay: this.delay as `${number}s` | undefined,
      id: this.id,
      priority: this.priority,
      tags: wantsTags ? this.tag : undefined,
    })
  }

  /** @throws USAGE */
  async #payload(): Promise<unknown> {
    const given = this.payload === '-' ? await text(process.stdin) : this.payload
    if (given === undefined) return undefined
    try {
      return JSON.parse(given)
    } catch (error) {
      const where = this.payload === '-' ? 'The standard input' : 'PAYLOAD'
      const hint = `Such as '{"to":"user@example.com"}', in single quotes`
      throw usageError(`${where} is not JSON: ${(error as Error).message.replaceAll('\n', ' ')}`, hint)
    }
  }

  /** Prints the id of a queued job to stdout, so that scripts can use it: `id=$(lark jobs:dispatch …)`. */
  #say({ id, queue, rejection }: JobHandle): void {
    const job = visible(this.job)
    if (rejection === undefined) {
      this.success(`Queued ${job} in ${visible(queue)}`)
      this.line(id)
      return
    }
    const by = visible(rejection.by ?? '')
    const why = {
      unique: `job ${by} is like it, and has not ended`,
      throttled: `it came too soon after job ${by}`,
      exists: `${visible(queue)} has the job ${by} already, which is ${rejection.state}`,
      full: `${visible(queue)} is full`,
    }
    this.warn(`Queued no ${job}: ${why[rejection.reason]}`)
  }
}

/**
 * Dispatches a command. This is allowed, because a person who can call `lark` can run commands anyway.
 * @throws JOB_INVALID
 */
function dispatchCommand(jobs: Jobs, payload: unknown, options: DispatchOptions): Promise<JobHandle> {
  const { command, args } = Object(payload)
  return jobs.dispatchCommand(command, args, options)
}
