/**
 * Errors that a user of Lark can do something about. Each has a stable `code`, a message of one line that names
 * the thing, and often a `hint` that says what to do. The program prints them without a stack; anything that is
 * not a LarkError is a bug, ours or the application's, and keeps its stack.
 *
 * An application may hold two copies of this package, so a LarkError is known by its brand, also by `instanceof`.
 */
import { types } from 'node:util'
import { branded } from './brand.ts'

const BRAND = Symbol.for('s18i.lark.error')

export interface LarkErrorOptions {
  /** What to do about it, one line. */
  hint?: string | undefined
  /** Exit code of the program; default 1. Usage errors have 2. */
  exit?: number
  /** The error underneath. */
  cause?: unknown
}

/**
 * An expected error: printed as one line and a hint, without a stack.
 *
 * ```ts
 * throw new LarkError('NO_SUCH_USER', `No user has the address ${email}`, { hint: 'See lark users:list' })
 * ```
 */
export class LarkError extends Error {
  override readonly name: string = 'LarkError'
  readonly code: string
  declare readonly hint?: string
  readonly exit: number

  constructor(code: string, message: string, options: LarkErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.exit = options.exit ?? 1
    if (options.hint !== undefined) this.hint = options.hint
  }

  /** Whether `value` is a LarkError of this or of another copy of the package. */
  static is(value: unknown): value is LarkError {
    return typeof value === 'object' && value !== null && BRAND in value
  }
}
Object.defineProperty(LarkError.prototype, BRAND, { value: true })
branded(LarkError, LarkError.is)

/** Every code that this package itself gives, with its meaning in one line. */
export const larkErrors = {
  UNKNOWN_COMMAND: 'No command has this key.',
  USAGE:
    'The command was called with arguments or flags that it does not take, or without ones that it needs.',
  CONFIG_NOT_FOUND: 'LARK_CONFIG names a file that does not exist.',
  CONFIG_INVALID: 'The configuration file exports something else than an object with known keys.',
  CONFIG_FOREIGN: 'The search found a configuration file or a package.json that belongs to another user.',
  CONFIG_FAILED: 'The configuration file threw an error while it was imported.',
  COMMAND_INVALID:
    'A command is declared wrongly: without a key, under a key already taken, or with bad arguments.',
  COMMAND_FAILED_TO_LOAD: "A command's file threw an error while it was imported.",
  FILE_EXISTS: 'A make: command would have overwritten a file.',
  FILE_NOT_WRITTEN: 'A make: command could not write its file.',
} as const

export type LarkErrorCode = keyof typeof larkErrors

/** A LarkError of this package, with its code checked by the compiler. */
export function larkError(code: LarkErrorCode, message: string, options?: LarkErrorOptions): LarkError {
  return new LarkError(code, message, options)
}

/** What the user called the program with is wrong: exit code 2. */
export function usageError(message: string, hint?: string): LarkError {
  return larkError('USAGE', message, { hint, exit: 2 })
}

/** Whether it is an error, also one of another realm: Jest runs tests in a realm of their own. */
export function isError(thrown: unknown): thrown is Error {
  return types.isNativeError(thrown) || thrown instanceof Error
}

/** The message of anything thrown, on one line. */
export function reasonOf(error: unknown): string {
  const message = isError(error) ? error.message || error.name : String(error)
  return (message.split('\n', 1)[0] ?? '').trim()
}

/**
 * The first place (`path:line` or `path:line:column`) that an error's stack names. None if Node's module loader
 * comes before it: then no code ran, and whoever called the loader is not the place.
 */
export function placeOf(error: unknown): string | undefined {
  if (!isError(error)) return undefined
  for (const line of error.stack?.split('\n') ?? []) {
    if (line.includes('node:internal/modules/')) return undefined
    const place = /(?:^|\(|at |\s)(?:file:\/\/)?((?:[A-Za-z]:)?[\\/].*?:\d+(?::\d+)?)\)?$/.exec(line)?.[1]
    if (place) return place
  }
  return undefined
}
