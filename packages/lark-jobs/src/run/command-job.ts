/**
 * The job that runs a command of `lark` in a worker: `Jobs.dispatchCommand()` queues it, and every worker
 * knows it. This job class does not extend `Job`, because this file must not import a module of `api`. The
 * console is loaded when the first command runs, so that a program that only dispatches does not load the
 * console.
 *
 * A command may end with `Jobs.close()`, because it is usually the only code of its process. In a worker,
 * this call must not close the store of the worker. So this file marks the code of a command as such while
 * the command runs, and `Jobs.close()` asks `isInCommand()`.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { LarkError } from '@s18i/lark/internal'
import { defaultBackoff } from '../model/backoff.ts'
import { JobsError } from '../model/errors.ts'
import { failing } from '../model/run/decision.ts'
import { tickOf } from '../model/tick.ts'
import { jobBrand, type WrittenJob } from '../options/job-class.ts'
import { type JobInside, jobInside, notedIn } from '../options/job-inside.ts'
import { isObject, isText } from '../options/schema.ts'
import { shown } from '../words/secret.ts'

/**
 * The arguments and flags of a command: values by the names of its fields, such as `{ limit: 100, dryRun:
 * true }`, or the words of a command line, such as `['--limit=100', '--dry-run']`.
 */
export type CommandArguments = Readonly<Record<string, unknown>> | readonly string[]

/** The payload of the job. */
export interface CommandPayload {
  /** The key of the command. */
  command: string
  args?: CommandArguments
}

/** The key of the job. */
export const COMMAND_JOB = 'lark:command'

/** @param call the name of the call, for messages. @throws JOB_INVALID */
export function commandPayload(call: string, command: unknown, args: unknown): CommandPayload {
  const refused = (what: string, right: string) =>
    new JobsError('JOB_INVALID', `${call}: ${what}; it must be ${right}`, { exit: 2 })
  if (!isText(command)) throw refused(`the command is ${shown(command)}`, "a key, such as 'users:process'")
  if (args === undefined) return { command }
  const isWords = Array.isArray(args) && args.every((word) => typeof word === 'string')
  if (isWords || isObject(args)) return { command, args }
  throw refused(
    `the input of ${command} is ${shown(args)}`,
    "an object, or a list of words, such as ['--limit=100']",
  )
}

export class CommandJob implements WrittenJob {
  readonly key = COMMAND_JOB
  readonly aliases: readonly string[] = []
  queueName = 'default'
  priority = 0
  delay = 0
  tries = 3
  backoff = defaultBackoff
  timeout = 1_800_000;
  [jobInside]?: JobInside | undefined

  get [jobBrand](): true {
    return true
  }

  async handle(payload: CommandPayload): Promise<object | undefined> {
    const run = notedIn(this)!.run!
    const { callCommand } = await import('@s18i/lark')
    const log = (level: 'info' | 'success' | 'warn' | 'error', line: string) => run.write(level, line)
    const tick = tickOf(run.id)
    const scheduledFor = tick && new Date(tick.at)
    const options = { log, signal: run.signal as AbortSignal, scheduledFor }
    try {
      const { command, args = {} } = commandPayload(this.key, payload?.command, payload?.args)
      const { exitCode, result } = await marked(() => callCommand(command, args, options))
      if (exitCode === 0) return result
      throw new JobsError('COMMAND_FAILED', `${command} ended with exit code ${exitCode}`, {
        hint: 'What the command printed is in the log of the job.',
      })
    } catch (error) {
      // Exit code 2 means that no command has this key, or that the arguments are wrong. A retry would fail
      // in the same way.
      if (LarkError.is(error) && error.exit === 2) run.decide(failing(withHint(error)))
      throw error
    }
  }
}

/** The name of the job for people: the key of the command. @param payload JSON */
export function commandIn(payload: string): string {
  try {
    const { command } = JSON.parse(payload)
    return isText(command) ? command : COMMAND_JOB
  } catch {
    return COMMAND_JOB
  }
}

/**
 * Adds the hint to the message, because only the message is kept with a job. The hint names similar commands
 * or arguments.
 */
function withHint(error: LarkError): LarkError {
  const { code, message, hint } = error
  if (hint === undefined) return error
  return new LarkError(code, `${message} (${hint.replaceAll('\n', '; ')})`, { cause: error.cause, exit: 2 })
}

/**
 * The run of a command. Code that the command has started may continue after the end of the command, but such
 * code no longer belongs to the run.
 */
interface CommandRun {
  isOver: boolean
}

const slot = Symbol.for('s18i.lark.jobs.command')
/**
 * All copies of this package in the process share this `AsyncLocalStorage`. An `AsyncLocalStorage` slows down
 * promises, so the process creates it only when the first command runs.
 */
const shared = globalThis as { [slot]?: AsyncLocalStorage<CommandRun> }

async function marked<T>(act: () => Promise<T>): Promise<T> {
  shared[slot] ??= new AsyncLocalStorage()
  const run = { isOver: false }
  try {
    return await shared[slot].run(run, act)
  } finally {
    run.isOver = true
  }
}

/** Whether the calling code belongs to a command that runs as a job. */
export function isInCommand(): boolean {
  return shared[slot]?.getStore()?.isOver === false
}
