/**
 * A command: a class with a key, a `handle()`, and fields that declare what it takes. Anything exported that
 * extends `Command` is one. An instance is made to read its declarations, and again to run it once, so its
 * constructor and initialisers do no work.
 *
 * The program and the application may hold different copies of this package. Commands are therefore known by a
 * brand, and the application hands an instance what it runs with under a symbol of the global registry.
 */
import { Console } from './console.ts'
import { Interrupt } from './interrupt.ts'
import { Progress, type ProgressOptions } from './progress.ts'

const BRAND = Symbol.for('s18i.lark.command')
/** Where an instance holds its context. */
export const CONTEXT = Symbol.for('s18i.lark.context')

/** What an instance runs with. */
export interface Context {
  console: Console
  interrupt: Interrupt
}

/**
 * What `handle()` may give back: `true` or nothing is success, `false` exit code 1, a number is the exit code,
 * and an object is success and, under `--json`, what is printed.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a handle() without return is the common case
export type CommandResult = boolean | number | object | undefined | void

/**
 * The base of every command.
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
  /** What a user types: words joined by colons. The word before the first colon is its namespace. */
  abstract readonly key: string
  /** One line for `lark list`. */
  description = ''
  /** Other keys that it is also known by. */
  aliases: readonly string[] = []
  /** Left out of `lark list`. */
  hidden = false

  declare [CONTEXT]?: Context

  /** The work. See CommandResult for what its result means; an error thrown is printed, and exits with 1. */
  abstract handle(): CommandResult | Promise<CommandResult>

  /** Where the output goes. */
  get console(): Console {
    return this.#context.console
  }

  /** Whether `--json` was given: stdout is to carry JSON only. */
  get json(): boolean {
    return this.console.isJson
  }

  /** Whether `--quiet` was given. */
  get quiet(): boolean {
    return this.console.isQuiet
  }

  /** Aborted by the first SIGINT or SIGTERM; the second ends the process at once. */
  get signal(): AbortSignal {
    return this.#context.interrupt.signal
  }

  /** Says how it goes; to stderr, silent under `--quiet`. */
  info(text: string): void {
    this.console.info(text)
  }

  /** Says that something is done; to stderr, silent under `--quiet`. */
  success(text: string): void {
    this.console.success(text)
  }

  /** Warns; to stderr. */
  warn(text: string): void {
    this.console.warn(text)
  }

  /** Says that something failed; to stderr. Does not end the command. */
  error(text: string): void {
    this.console.error(text)
  }

  /** Prints a line of data to stdout (under `--json` to stderr). */
  line(text = ''): void {
    this.console.line(text)
  }

  /** Prints rows of data to stdout, in columns; under `--json` as an array of objects. */
  table(head: string[], rows: unknown[][]): void {
    this.console.table(head, rows)
  }

  /**
   * Asks a question, and resolves to whether the answer is yes.
   *
   * ```ts
   * if (!this.yes && !(await this.confirm('Delete 12 users?'))) return false
   * ```
   *
   * @throws USAGE, exit code 2, when nobody can answer (`this.console.canAsk` is false)
   */
  confirm(question: string): Promise<boolean> {
    return this.console.confirm(question)
  }

  /**
   * Runs `each` for one item after the other, and shows how far it is: a bar on a terminal, a few lines elsewhere,
   * nothing under `--json` and `--quiet`. With a number, gives the bar to advance by hand.
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

  /** An instance that no application made (a test that calls `handle()` itself) talks to the terminal. */
  get #context(): Context {
    this[CONTEXT] ??= { console: new Console(), interrupt: new Interrupt() }
    return this[CONTEXT]
  }
}
Object.defineProperty(Command, BRAND, { value: true })

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

/** Whether an exported value is a class of commands, of this or of another copy of the package. */
export function isCommandClass(value: unknown): value is CommandClass {
  return typeof value === 'function' && BRAND in value && !Object.hasOwn(value, BRAND)
}
