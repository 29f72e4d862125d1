/**
 * A command: a class with a key, a method `handle()`, and fields that declare its arguments and flags. Every
 * exported class that extends `Command` is a command. Lark makes one instance in order to read the
 * declarations, and another instance for each run of the command. So the constructor and the initialisers
 * must do no work.
 *
 * The program and the application may have different copies of this package. So a brand marks commands, and
 * the context of an instance is in a property whose symbol all copies share (`Symbol.for`).
 */
import { Console } from '../console/console.ts'
import { type LiveOptions, live } from '../console/live.ts'
import { Progress, type ProgressOptions } from '../console/progress.ts'
import type { Choice, Prompt, Validate } from '../console/prompt.ts'
import { Spinner } from '../console/spinner.ts'
import { LarkError } from '../errors.ts'
import { excerpt } from '../words/excerpt.ts'
import { Interrupt } from './interrupt.ts'

const BRAND = Symbol.for('s18i.lark.command')
/** The property of an instance that has its context. */
export const CONTEXT = Symbol.for('s18i.lark.context')

/** The context of a running instance. */
export interface Context {
  console: Console
  interrupt: Interrupt
  scheduledFor?: Date | undefined
  /** Calls another command of the catalogue, with the same console and signal. */
  call(key: string, given: CommandInput): Promise<CallResult>
}

/**
 * The arguments and flags of a command: the words of a command line, or values by the names of its fields.
 */
export type CommandInput = readonly string[] | Readonly<Record<string, unknown>>

/** The end of a command that was called by a program or another command. */
export interface CallResult {
  exitCode: number
  /** The object that `handle()` returned, if it returned an object. */
  result?: object
}

/**
 * The type of the return value of `handle()`. `true` and nothing mean success, `false` means exit code 1, and
 * a number is the exit code. An object means success, and is printed with `--json`.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a handle() without return is the common case
export type CommandResult = boolean | number | object | undefined | void

/**
 * The base class of every command.
 *
 * ```ts
 * export class ProcessUsers extends Command {
 *   readonly key = 'users:process'
 *   description = 'Queue processing jobs for all users'
 *   limit = flag.number('How many', { default: 100, short: 'l' })
 *
 *   async handle() {
 *     this.success(`Queued ${this.limit} jobs`)
 *     return true
 *   }
 * }
 * ```
 */
export abstract class Command {
  /**
   * The name that users type: words joined by colons. The word before the first colon is the namespace of the
   * command.
   */
  abstract readonly key: string
  /** The description of the command, in one line, for `lark list`. */
  description = ''
  /** Other keys under which the command can be called. */
  aliases: readonly string[] = []
  /** Whether `lark list` omits the command. */
  hidden = false

  /** @internal */
  declare [CONTEXT]?: Context

  /**
   * Does the work of the command. `CommandResult` says what the return value means. If `handle()` throws an
   * error, the program prints the error, and the exit code is 1, or the `exit` of a LarkError.
   */
  abstract handle(): CommandResult | Promise<CommandResult>

  /**
   * Returns the values with which a shell may complete an argument or a flag. The method is called when the
   * user presses Tab, so it must be quick, and must not print or change anything. The fields have no values
   * at that time. The shell shows only the values that begin with `typed`.
   *
   * ```ts
   * override complete(field: string) {
   *   return field === 'region' ? ['eu', 'us'] : []
   * }
   * ```
   */
  complete?(field: string, typed: string): readonly string[] | Promise<readonly string[]>

  /** The console to which the command prints. */
  get console(): Console {
    return this.#context.console
  }

  /** Whether `--json` was given, so that stdout must contain only JSON. */
  get json(): boolean {
    return this.console.isJson
  }

  /** Whether `--quiet` was given. */
  get quiet(): boolean {
    return this.console.isQuiet
  }

  /**
   * A signal that the first SIGINT or SIGTERM aborts. The second SIGINT or SIGTERM ends the process at once.
   */
  get signal(): AbortSignal {
    return this.#context.interrupt.signal
  }

  /**
   * The instant for which a schedule has started the command. This instant is the same in each attempt, even
   * if the command runs late. If no schedule has started the command, the value is undefined.
   */
  get scheduledFor(): Date | undefined {
    return this.#context.scheduledFor
  }

  /** Prints a message to stderr. The flag `--quiet` omits such messages. */
  info(text: string): void {
    this.console.info(text)
  }

  /** Prints the message to stderr that work is done. The flag `--quiet` omits such messages. */
  success(text: string): void {
    this.console.success(text)
  }

  /** Prints a message to stderr that only `--verbose` shows. */
  verbose(text: string): void {
    this.console.verbose(text)
  }

  /** Prints a warning to stderr. */
  warn(text: string): void {
    this.console.warn(text)
  }

  /** Prints an error message to stderr. The call does not end the command. */
  error(text: string): void {
    this.console.error(text)
  }

  /** Prints a line of data to stdout (with `--json` to stderr). */
  line(text = ''): void {
    this.console.line(text)
  }

  /**
   * Prints rows of data to stdout, in columns. With `--json`, the rows are printed as an array of objects.
   */
  table(head: string[], rows: unknown[][]): void {
    this.console.table(head, rows)
  }

  /**
   * Asks for a text, and resolves with the answer. The answer may be empty only if there is a `default`, or
   * if `validate` accepts ''.
   *
   * ```ts
   * const name = await this.ask('What is it called?', { default: 'app' })
   * ```
   *
   * Where nobody can answer (`this.console.canAsk` is false), every question is answered with its `default`.
   *
   * @throws USAGE, exit code 2, if nobody can answer and there is no default; PROMPT_CANCELLED at Ctrl-C,
   *   which ends the command with exit code 130
   */
  async ask(
    question: string,
    options: { default?: string; placeholder?: string; validate?: Validate } = {},
  ): Promise<string> {
    return (await this.#prompt({ kind: 'ask', question, ...options })) as string
  }

  /**
   * Asks for a text that the terminal does not show.
   *
   * @throws the errors of `ask`
   *
   * ```ts
   * const password = await this.secret('Password', { validate: (it) => (it.length < 8 ? 'Too short' : undefined) })
   * ```
   */
  async secret(question: string, options: { validate?: Validate } = {}): Promise<string> {
    return (await this.#prompt({ kind: 'secret', question, ...options })) as string
  }

  /**
   * Asks for yes or no. Enter alone means no, unless `default` is true.
   *
   * @throws the errors of `ask`
   *
   * ```ts
   * if (!this.yes && !(await this.confirm('Delete 12 users?'))) return false
   * ```
   */
  async confirm(question: string, options: { default?: boolean } = {}): Promise<boolean> {
    return (await this.#prompt({ kind: 'confirm', question, ...options })) as boolean
  }

  /**
   * Asks for one of several values, or with `many` for any number of these values.
   *
   * @throws the errors of `ask`
   *
   * ```ts
   * const size = await this.choose('How big?', ['small', { value: 'big', hint: 'twice the price' }])
   * const sizes = await this.choose('Which?', ['small', 'big'], { many: true })
   * ```
   */
  choose<const T extends string>(
    question: string,
    choices: readonly (T | Choice<T>)[],
    options?: { default?: NoInfer<T>; many?: false },
  ): Promise<T>
  choose<const T extends string>(
    question: string,
    choices: readonly (T | Choice<T>)[],
    options: { default?: readonly NoInfer<T>[]; many: true },
  ): Promise<T[]>
  async choose(
    question: string,
    choices: readonly (string | Choice)[],
    options: { default?: string | readonly string[]; many?: boolean } = {},
  ): Promise<unknown> {
    if (choices.length === 0) throw new TypeError(`this.choose(${JSON.stringify(question)}) has no choices`)
    const all = choices.map((choice) => (typeof choice === 'string' ? { value: choice } : choice))
    const kind = options.many ? 'choose-many' : 'choose'
    return this.#prompt({ kind, question, choices: all, default: options.default } as Prompt)
  }

  #prompt(prompt: Prompt): Promise<unknown> {
    return this.console.prompt(prompt, this.#context.interrupt.current)
  }

  /**
   * Calls another command, which prints to the same console and has the same signal. The object that
   * `handle()` of the other command returns is in the result, and is not printed with `--json`. The flags
   * `--json`, `--quiet` and `--verbose` of this command apply to the other command, too.
   *
   * ```ts
   * const { exitCode } = await this.call('users:process', { limit: 5 })
   * ```
   *
   * @param given its arguments and flags, by the names of the fields or as the words of a command line
   * @throws UNKNOWN_COMMAND, USAGE, and what the command throws
   */
  call(key: string, given: CommandInput = {}): Promise<CallResult> {
    return this.#context.call(key, given)
  }

  /**
   * Shows a spinner on a terminal while `work` runs, or until `stop()` is called. Without a terminal, and
   * with `--json` or `--quiet`, no spinner is shown.
   *
   * ```ts
   * const files = await this.spinner('Uploading', () => upload())
   * ```
   */
  spinner(text: string): Spinner
  spinner<T>(text: string, work: (spinner: Spinner) => T | Promise<T>): Promise<T>
  spinner<T>(text: string, work?: (spinner: Spinner) => T | Promise<T>): Spinner | Promise<T> {
    const spinner = new Spinner(this.console, text)
    return work ? during(spinner, work) : spinner
  }

  /**
   * Draws the output of `draw` as a screen, again and again in place, until the command is interrupted. At
   * the end, the terminal has its earlier contents again, even after an error.
   *
   * ```ts
   * await this.live(async () => this.table(['QUEUE', 'JOBS'], await count()), { every: 2_000 })
   * ```
   *
   * @throws USAGE, exit code 2, if stdout is not a terminal, and under `--json`; what `draw` throws
   */
  live(draw: () => unknown, options?: LiveOptions): Promise<void> {
    return live(this.console, draw, this.signal, options)
  }

  /**
   * Runs `each` for one item after the other, and shows the progress on a terminal: a bar, the count, the
   * rate and the time that is left. Without a terminal, a long command prints one line a minute. With
   * `--json` and `--quiet`, no progress is shown. If the method gets a number of items instead of the items,
   * it returns a `Progress` that the caller advances.
   *
   * ```ts
   * await this.progress(users, async (user) => this.greet(user), { label: 'users' })
   *
   * const progress = this.progress(users.length)
   * progress.advance()
   * progress.finish()
   * ```
   */
  progress(total: number, options?: ProgressOptions): Progress
  progress<T>(
    items: Iterable<T> | AsyncIterable<T>,
    each: (item: T, index: number) => unknown,
    options?: ProgressOptions,
  ): Promise<void>
  progress<T>(
    items: number | Iterable<T> | AsyncIterable<T>,
    each?: ProgressOptions | ((item: T, index: number) => unknown),
    options?: ProgressOptions,
  ): Progress | Promise<void> {
    if (typeof items === 'number') return new Progress(this.console, items, each as ProgressOptions)
    return forEach(items, each as (item: T, index: number) => unknown, (total) => {
      return new Progress(this.console, total, options)
    })
  }

  /**
   * The context of this instance. If a test has made the instance itself, it has no context yet, and gets one
   * that prints to the streams of the process.
   */
  get #context(): Context {
    this[CONTEXT] ??= { console: new Console(), interrupt: new Interrupt(), call: callNothing }
    return this[CONTEXT]
  }
}
Object.defineProperty(Command, BRAND, { value: true })

async function callNothing(key: string): Promise<never> {
  throw new LarkError('UNKNOWN_COMMAND', `this.call('${excerpt(key)}') finds no commands`, {
    hint: 'Lark did not make this object: run the command with run() or lark',
  })
}

async function during<T>(spinner: Spinner, work: (spinner: Spinner) => T | Promise<T>): Promise<T> {
  try {
    return await work(spinner)
  } finally {
    spinner.stop()
  }
}

async function forEach<T>(
  items: Iterable<T> | AsyncIterable<T>,
  each: (item: T, index: number) => unknown,
  begin: (total: number | undefined) => Progress,
): Promise<void> {
  const progress = begin(sizeOf(items))
  try {
    let index = 0
    for await (const item of items) {
      await each(item, index++)
      progress.advance()
    }
  } finally {
    progress.finish()
  }
}

function sizeOf(items: object): number | undefined {
  if ('length' in items && typeof items.length === 'number') return items.length
  return 'size' in items && typeof items.size === 'number' ? items.size : undefined
}

export type CommandClass = new () => Command

/** Whether a value is a class that extends `Command`, from this or another copy of the package. */
export function isCommandClass(value: unknown): value is CommandClass {
  return typeof value === 'function' && BRAND in value && !Object.hasOwn(value, BRAND)
}
