/**
 * The errors that a user of Lark can fix. Each of these errors has a stable `code`, a message of one line
 * that names the cause, and often a `hint` that says what to do. The program prints these errors without a
 * stack. Any other error is a bug in Lark or in the application, and is printed with its stack.
 *
 * An application may have two copies of this package, so a LarkError is recognised by its brand. `instanceof`
 * also uses the brand.
 */
import { types } from 'node:util'
import { branded } from './brand.ts'
import { boundedMessage } from './words/excerpt.ts'

const BRAND = Symbol.for('s18i.lark.error')

export interface LarkErrorOptions {
  /** Advice: what the user can do about the error, in one line. */
  hint?: string | undefined
  /** The exit code of the program. Default: 1. The exit code of usage errors is 2. */
  exit?: number
  /** The error that caused this one. */
  cause?: unknown
}

/**
 * An expected error. The program prints such an error as one line and a hint, without a stack.
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
    super(boundedMessage(message), options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.exit = options.exit ?? 1
    if (options.hint !== undefined) this.hint = boundedMessage(options.hint)
  }

  /** Whether `value` is a LarkError from this or another copy of the package. */
  static is(value: unknown): value is LarkError {
    return typeof value === 'object' && value !== null && BRAND in value
  }
}
Object.defineProperty(LarkError.prototype, BRAND, { value: true })
branded(LarkError, LarkError.is)

/** Every code of this package, with its meaning in one line. */
export const larkErrors = {
  UNKNOWN_COMMAND: 'No command has this key.',
  USAGE:
    'The command was called with arguments or flags that it does not take, or without ones that it needs.',
  CONFIG_NOT_FOUND: 'LARK_CONFIG names a file that does not exist.',
  CONFIG_INVALID: 'The configuration file does not export an object with known keys only.',
  CONFIG_FOREIGN: 'The search found a configuration file or a package.json that belongs to another user.',
  CONFIG_FAILED: 'The configuration file threw an error while it was imported.',
  COMMAND_INVALID:
    'A command is declared wrongly: without a key, under a key already taken, or with bad arguments.',
  COMMAND_FAILED_TO_LOAD: "A command's file threw an error while it was imported.",
  PROMPT_CANCELLED: 'Somebody left a question with Ctrl-C or Escape.',
  ANSWER_INVALID: 'A test has no answer, or a wrong one, for a question that its command asks.',
  FILE_EXISTS: 'A make: command, or lark init, would have overwritten a file.',
  FILE_NOT_WRITTEN: 'A make: command, or lark init, could not write a file.',
  PACKAGE_INVALID: 'lark init cannot read the package.json, or one of its fields is not what npm takes.',
  PROJECT_UNCLEAR:
    'lark init does not know which project is meant: the root of a workspace, or a folder of other things.',
  PROGRAM_TAKEN: 'The project depends on another package whose program is called lark.',
  NOT_INSTALLED: 'lark init needs packages that the project does not have.',
  INSTALL_FAILED: 'The package manager that lark init called failed.',
} as const

export type LarkErrorCode = keyof typeof larkErrors

/** Makes a LarkError whose code the compiler checks. */
export function larkError(code: LarkErrorCode, message: string, options?: LarkErrorOptions): LarkError {
  return new LarkError(code, message, options)
}

/** Makes the error for a wrong command line, with exit code 2. */
export function usageError(message: string, hint?: string): LarkError {
  return larkError('USAGE', message, { hint, exit: 2 })
}

/** Makes the error for a file that threw while it was imported. */
export function failedToLoad(code: LarkErrorCode, file: string, cause: unknown): LarkError {
  const place = placeOf(cause)
  return larkError(code, `${file} failed to load: ${reasonOf(cause)}`, {
    cause,
    hint: place && `At ${place}`,
  })
}

/**
 * Whether a value is an error. The value may come from another realm, because Jest runs tests in a realm of
 * their own. This function never throws, even if the value is a proxy that throws.
 */
export function isError(thrown: unknown): thrown is Error {
  try {
    return types.isNativeError(thrown) || thrown instanceof Error
  } catch {
    return false
  }
}

/** The first line of an error's message, for any thrown value. */
export function reasonOf(error: unknown): string {
  const message = isError(error) ? error.message || error.name : String(error)
  return (message.split('\n', 1)[0] ?? '').trim()
}

/**
 * The first place (`path:line` or `path:line:column`) in an error's stack; undefined if Node's module loader
 * comes first in the stack. In that case no code of the module has run, and the next place in the stack is
 * only the caller of the loader.
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
