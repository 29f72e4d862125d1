/**
 * The errors of this package, each with a code that does not change. `docs/errors.md` has an entry for each.
 * If Lark itself refuses something, the error is one of `@s18i/lark-jobs` (`JobsError`).
 */
import { branded, LarkError } from '@s18i/lark/internal'

/** Marks an error of this package, in every copy of the package. */
const brand = Symbol.for('s18i.lark.bullmq.error')

/** Every code, with its meaning in one line. */
export const bullmqErrors = {
  BULLMQ_UNSUPPORTED: 'An option or a method of BullMQ was used that Lark does not have.',
  BULLMQ_NOT_FOUND: 'There is no queue of BullMQ with this name and prefix.',
  BULLMQ_RUNNING: 'Workers of BullMQ are connected to a queue that is to be imported.',
} as const

export type BullmqErrorCode = keyof typeof bullmqErrors

export interface BullmqErrorOptions {
  /** Advice: what the reader of the message can do about the error. */
  hint?: string
  /** The exit code with which the `lark` program ends. Default 1. */
  exit?: number
}

export class BullmqError extends LarkError {
  override readonly name: string = 'BullmqError'
  declare readonly code: BullmqErrorCode

  constructor(code: BullmqErrorCode, message: string, options: BullmqErrorOptions = {}) {
    super(code, message, options)
  }

  /**
   * Whether a value is an error of this package, thrown by this copy of the package or by another copy.
   *
   * @param code if it is given, the error must also have this code
   */
  static override is<C extends BullmqErrorCode>(
    value: unknown,
    code?: C,
  ): value is BullmqError & { code: C } {
    return LarkError.is(value) && brand in value && (code === undefined || value.code === code)
  }
}
Object.defineProperty(BullmqError.prototype, brand, { value: true })
branded(BullmqError, (value) => BullmqError.is(value))
