/**
 * Durable signals: messages to a job that are kept until the job takes them. (`this.signal` of a job is its
 * AbortSignal, not a durable signal.)
 */
import { JobsError } from '../model/errors.ts'
import type { KeptSignal } from '../model/journal.ts'
import { encode } from '../model/payload.ts'
import { asNonRetryable } from '../model/run/non-retryable.ts'
import type { AnySchema, InputOf, OutputOf } from '../options/standard-schema.ts'
import type { Duration } from '../words/duration.ts'
import { shown } from '../words/secret.ts'
import { damaged, readJson } from './entries.ts'
import { given, invalid } from './misused.ts'
import { MAX_STEP_NAME, type StepName } from './name.ts'

/** The maximum length of the name of a signal and of the key of a sent signal, in characters. */
const MAX_SIGNAL_NAME = 100

/**
 * A kind of signal. `T` is the type of the value that is sent, and `Out` the type of the value that the job
 * receives.
 */
export interface SignalKind<T = undefined, Out = T> {
  readonly name: string
  /** A Standard Schema that checks the value. */
  readonly schema?: AnySchema | undefined
  /** For the compiler only. */
  readonly type?: T
  /** For the compiler only. */
  readonly out?: Out
}

/** The type of the value of a signal that the job receives. */
export type SignalValue<S> = S extends SignalKind<infer _, infer Out> ? Out : never

export interface WaitOptions {
  /** How long to wait. Default: for ever. */
  timeout?: Duration
  /**
   * The name of the wait. Default: the names of its signals. A second wait for the same signals needs a name.
   */
  name?: StepName
}

/** The type of the value with which `waitFor` resolves. */
export type Waited<S> =
  S extends SignalKind<unknown>
    ? { value: SignalValue<S> }
    : { [N in keyof S]: { name: N; value: SignalValue<S[N]> } }[keyof S]

/**
 * Defines a signal. Put it into a module that both the senders of the signal and the jobs that wait for it
 * import.
 *
 * @param name at most 100 characters on one line, not beginning with $
 * @param options `schema` checks each value, when it is sent and when it is received
 * @throws STEP_INVALID
 * @example export const approved = defineSignal<{ by: string }>('approved')
 * @example export const approved = defineSignal('approved', { schema: z.object({ by: z.string() }) })
 */
export function defineSignal<S extends AnySchema>(
  name: string,
  options: { schema: S },
): SignalKind<InputOf<S>, OutputOf<S>>
export function defineSignal<T = undefined>(name: string, options?: { schema?: AnySchema }): SignalKind<T>
export function defineSignal(name: string, options: { schema?: AnySchema } = {}): SignalKind<unknown> {
  const { schema } = given(
    'defineSignal',
    `defineSignal(${shown(name)})`,
    'its options',
    options,
    'an object',
  )
  if (!isSignalName(name))
    throw new JobsError('STEP_INVALID', `defineSignal() was given ${shown(name)} as the name`, {
      hint: `It must be a text of at most ${MAX_SIGNAL_NAME} characters on one line, and not begin with $.`,
    })
  if (schema !== undefined && !isSchema(schema))
    throw new JobsError('STEP_INVALID', `defineSignal(${name}) was given ${shown(schema)} as its schema`, {
      hint: 'It must be a Standard Schema, such as one of Zod, Valibot or ArkType.',
    })
  return Object.freeze({ name, ...options })
}

/** Whether a value is a Standard Schema. The value may be a proxy, which may throw whenever it is read. */
function isSchema(schema: AnySchema): boolean {
  try {
    return typeof schema?.['~standard']?.validate === 'function'
  } catch {
    return false
  }
}

/**
 * The signals for which a job waits, by the names that the call of `waitFor` gives them.
 *
 * @param job the name of the job's class
 * @throws STEP_INVALID
 */
export function kindsIn(
  job: string,
  signals: object,
): { isOne: boolean; kinds: [string, SignalKind<unknown>][] } {
  const right = 'a signal that defineSignal() has made, or an object of such signals'
  const all = given(job, 'waitFor()', 'its signals', signals, right) as Partial<SignalKind<unknown>>
  const isOne = typeof all.name === 'string'
  const kinds = Object.entries(isOne ? { value: all } : all) as [string, SignalKind<unknown>][]
  const isEach = kinds.every(([, kind]) => typeof kind === 'object' && isText(kind?.name))
  if (kinds.length === 0 || !isEach) throw invalid(job, 'waitFor()', 'its signals', signals, right)
  return { isOne, kinds }
}

/** Whether a value can be the name of a signal, including names that Lark makes from the names of steps. */
function isText(name: unknown): boolean {
  return (
    typeof name === 'string' && name !== '' && name.length <= MAX_STEP_NAME && !/\p{Cc}|\p{Cs}/u.test(name)
  )
}

/** Whether users may choose a value as the name of a signal. */
export function isSignalName(value: unknown): value is string {
  return isLine(value) && !isOwnSignal(value)
}

/** Whether only Lark sends signals of this name: the end of a child, or the answer to an approval. */
export function isOwnSignal(name: string): boolean {
  return name.startsWith('$')
}

/** Whether a value is a text that the stores accept as the name or the id of a signal. */
export function isLine(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= MAX_SIGNAL_NAME &&
    !/\p{Cc}|\p{Cs}/u.test(value)
  )
}

/**
 * The stored form of the value of a signal.
 *
 * @throws PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE, PAYLOAD_INVALID
 */
export async function signalText({ name, schema }: SignalKind<unknown>, value: unknown): Promise<string> {
  const text = encode(value, `The signal ${name}`)
  if (schema !== undefined) await checked(name, schema, value)
  return text
}

/** The value of a received signal. @throws PAYLOAD_INVALID, which a retry cannot solve; JOURNAL_DAMAGED */
export async function signalValue({ name, schema }: SignalKind<unknown>, text: string): Promise<unknown> {
  const value = readJson(text)
  return schema === undefined ? value : checked(name, schema, value)
}

/** @returns the output of the schema */
async function checked(name: string, schema: AnySchema, value: unknown): Promise<unknown> {
  const verdict = await schema['~standard'].validate(value)
  if (verdict.issues === undefined) return verdict.value
  const first = verdict.issues.map(({ message, path = [] }) => {
    const at = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
    return at === '' ? message : `${at}: ${message}`
  })
  throw asNonRetryable(
    new JobsError('PAYLOAD_INVALID', `The signal ${name} refuses its value: ${first.join('; ')}`),
  )
}

/**
 * The result of a wait.
 *
 * @param kinds the signals for which the job waits, by the names that the call of `waitFor` gives them
 * @param at the words for the wait in an error message
 * @throws JOURNAL_DAMAGED if the signal is not one of `kinds`; the errors of `signalValue`
 */
export async function signalGot(
  kinds: readonly (readonly [string, SignalKind<unknown>])[],
  got: KeptSignal | undefined,
  at: string,
): Promise<{ name: string; value: unknown }> {
  const found = kinds.find(([, kind]) => kind.name === got?.name)
  if (got === undefined || found === undefined) throw damaged(at)
  return { name: found[0], value: await signalValue(found[1], got.text) }
}
