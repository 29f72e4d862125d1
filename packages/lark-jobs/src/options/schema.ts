/**
 * The schema of options: the options that a job class, the configuration, a middleware, a worker or a filter
 * may have.
 *
 * An option is declared once, as an entry of a schema: which values are valid (in words and as code), and the
 * default. Everything else follows from the entry: the check, the conversion (`'5m'` is read as 300,000), the
 * suggestion "did you mean", the types of the options that users write (`OptionsOf`), and the types of the
 * options that Lark has read (`Read`). To add an option, add an entry, and a row to the table in the manual,
 * which `test/options-page.test.ts` compares with the schema.
 */
import { excerpt, type LarkError, nearest } from '@s18i/lark/internal'
import { JobsError, type JobsErrorCode } from '../model/errors.ts'
import { type Duration, durationForm, milliseconds } from '../words/duration.ts'
import { shown } from '../words/secret.ts'

/** Makes the errors for options: the words of the message, and the error object. */
export interface Voice {
  /**
   * The name of an option in a message. The path of the option is `rate.limit`, for example. The empty path
   * is the whole object.
   */
  name(path: string): string
  error(message: string, hint: string | undefined, path: string): LarkError
  /** The words for a value in a message. Default: `shown`. */
  show?(value: unknown): string
}

/**
 * Makes the voice for a class or a call: `Jobs.work(): concurrency is 0`.
 *
 * @param whole the name of the whole object in messages
 */
export function voiceOf(code: JobsErrorCode, who: string, whole = 'the argument'): Voice {
  return {
    name: (path) => `${who}: ${path || whole}`,
    error: (message, hint) => new JobsError(code, message, { hint }),
  }
}

/** Converts the value that a user wrote. Returns undefined if the value is not valid. */
type Reader<Out> = (value: unknown, path: string, voice: Voice) => Out | undefined

/**
 * What happens if an option is absent. `optional`: the option is read as undefined. `filled`: it is read as
 * the default. `needed`: the object is refused.
 */
type Absence = 'optional' | 'filled' | 'needed'
type ReadAs<Out, K extends Absence> = K extends 'optional' ? Out | undefined : Out

interface OptionTraits<In> {
  /** The default, in the form in which users write the option. */
  fallback?: In
  /**
   * Says when `undefined` is refused: always, or only if it is written explicitly (`{ queue: undefined }`).
   * Default: never. In filters, the default is `written`.
   */
  refusesUndefined?: 'always' | 'written' | 'never'
  show?: (value: unknown) => string
}

/** An option. `In` is the type that users may write, and `Out` the type after the option was read. */
export class Option<In, Out = In, K extends Absence = 'optional'> {
  /** Words for a valid value. In a message, these words follow "it must be". */
  readonly right: string
  readonly traits: OptionTraits<In>
  readonly #reader: Reader<Out>
  /** A property that exists only in the types. */
  declare readonly types: [In, Out, K]

  constructor(right: string, reader: Reader<Out>, traits: OptionTraits<In> = {}) {
    this.right = right
    this.#reader = reader
    this.traits = traits
  }

  /** Returns the same option with a default. */
  or(fallback: In): Option<In, Out, 'filled'> {
    return new Option(this.right, this.#reader, { ...this.traits, fallback })
  }

  /** Returns the same option, but required. */
  needed(): Option<In, Out, 'needed'> {
    return new Option(this.right, this.#reader, { ...this.traits, refusesUndefined: 'always' })
  }

  with(more: OptionTraits<In>): Option<In, Out, K> {
    return new Option(this.right, this.#reader, { ...this.traits, ...more })
  }

  /**
   * Reads the option.
   *
   * @param isWritten whether the option was written explicitly, perhaps as `undefined`
   * @throws the error of `voice` if the value is wrong
   */
  read(value: unknown, path: string, voice: Voice, isWritten = true): ReadAs<Out, K> {
    const { fallback, refusesUndefined, show } = this.traits
    const isRefused = refusesUndefined === 'always' || (refusesUndefined === 'written' && isWritten)
    const isAbsent = value === undefined && !isRefused
    if (isAbsent && fallback === undefined) return undefined as ReadAs<Out, K>
    const read = this.#reader(isAbsent ? fallback : value, path, voice)
    if (read === undefined) refuse(voice, path, value, this.right, show)
    return read as ReadAs<Out, K>
  }
}

// biome-ignore lint/suspicious/noExplicitAny: options of all types
export type Entries = Record<string, Option<any, any, any>>
/** An option whose type after reading is `Out`. Users may write values of any type. */
// biome-ignore lint/suspicious/noExplicitAny: options of all types
export type OptionOf<Out> = Option<any, Out, any>
type OutOf<O> = O extends { types: [unknown, infer Out, infer K extends Absence] } ? ReadAs<Out, K> : never

/**
 * The options that a user may write, for the entries of a schema.
 *
 * @param Absent a value that stands for an absent option
 */
export type OptionsOf<E, Absent = never> = {
  [Name in keyof E as E[Name] extends { types: [unknown, unknown, 'needed'] } ? never : Name]?:
    | (E[Name] extends { types: [infer In, unknown, unknown] } ? In : never)
    | Absent
}

/** The options that a user must write. */
export type NeededOptionsOf<E> = {
  [Name in keyof E as E[Name] extends { types: [unknown, unknown, 'needed'] }
    ? Name
    : never]: E[Name] extends {
    types: [infer In, unknown, unknown]
  }
    ? In
    : never
}

/** The types of the options after they were read. */
export type Read<E> = { [Name in keyof E]: OutOf<E[Name]> }

/**
 * Refuses options that do not go together.
 *
 * @param refuse a function for the rule to call, with the path of an option and with words for the values
 *   that the other options allow
 */
type Rule<E> = (read: Read<E>, refuse: (path: string, right: string) => never, written: OptionsOf<E>) => void

/**
 * An object of options. A schema is itself an option, so that an object of options may contain another object
 * of options.
 */
export class Schema<E extends Entries> extends Option<OptionsOf<E> & NeededOptionsOf<E>, Read<E>> {
  readonly entries: E
  readonly #rule: Rule<E> | undefined

  constructor(right: string, entries: E, rule?: Rule<E>) {
    super(right, (value, path, voice) => {
      if (!isObject(value)) return undefined
      checkNames(voice, Object.keys(value), Object.keys(entries), path)
      return this.fields(value, path, voice)
    })
    this.entries = entries
    this.#rule = rule
  }

  /** Reads an object of options, which must not be absent. @throws the error of `voice` */
  readAll(value: unknown, voice: Voice, path = ''): Read<E> {
    return this.needed().read(value, path, voice)
  }

  /** Reads the options of an object that may have other fields, too. */
  fields(written: object, path: string, voice: Voice): Read<E> {
    const values = written as Record<string, unknown>
    const names = Object.entries(this.entries)
    const read = names.map(([name, option]) => [
      name,
      option.read(values[name], at(path, name), voice, name in values),
    ])
    const all = Object.fromEntries(read) as Read<E>
    this.check(all, written, path, voice)
    return all
  }

  /** Refuses options that do not go together. */
  check(read: Read<E>, written: object, path: string, voice: Voice): void {
    const refuseOne = (name: string, right: string) => {
      // biome-ignore lint/suspicious/noExplicitAny: the rule knows that it is there
      const value = name === '' ? written : name.split('.').reduce((part: any, each) => part[each], written)
      return refuse(voice, at(path, name), value, right)
    }
    this.#rule?.(read, refuseOne, written as OptionsOf<E>)
  }
}

export function option<T>(right: string, isRight: (value: unknown) => boolean): Option<T> {
  return new Option(right, (value) => (isRight(value) ? (value as T) : undefined))
}

export function whole(from: number, to = Number.POSITIVE_INFINITY): Option<number> {
  const right = `a whole number from ${from}${to < Number.POSITIVE_INFINITY ? ` to ${to}` : ''}`
  return option(
    right,
    (value) => Number.isInteger(value) && (value as number) >= from && (value as number) <= to,
  )
}

/**
 * A duration, which is read as milliseconds.
 *
 * @param from the minimum. Without a minimum, the duration must be above 0
 */
export function duration(from?: number): Option<Duration, number> {
  const least = from === undefined ? ', above 0' : from === 0 ? '' : `, from ${from} ms`
  return new Option(`${durationForm}${least}`, (value) => {
    const ms = milliseconds(value)
    return ms === undefined || ms < (from ?? Number.MIN_VALUE) ? undefined : ms
  })
}

export function flag(): Option<boolean> {
  return option('true or false', (value) => typeof value === 'boolean')
}

export function oneOf<T extends string>(values: readonly T[]): Option<T> {
  const quoted = values.map((value) => `'${value}'`)
  const right = `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`
  return option(right, (value) => values.includes(value as T))
}

// biome-ignore lint/suspicious/noExplicitAny: functions of all types
export function func<F extends (...args: any[]) => unknown>(right = 'a function'): Option<F> {
  return option(right, (value) => typeof value === 'function')
}

export function list<T>(right: string, isRight: (value: unknown) => boolean): Option<readonly T[]> {
  return option(right, (value) => Array.isArray(value) && value.every(isRight))
}

/** Reads an object that has options for each of several names. Returns undefined if a name is not valid. */
export function readEach<E extends Entries>(
  all: [string, unknown][],
  isName: (name: string) => boolean,
  schema: Schema<E>,
  path: string,
  voice: Voice,
): Map<string, Read<E>> | undefined {
  if (!all.every(([name]) => isName(name))) return undefined
  return new Map(all.map(([name, options]) => [name, schema.readAll(options, voice, at(path, name))]))
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/**
 * @throws the error of `voice`. The message names the option and the wrong value, and says which values are
 * valid
 */
export function refuse(
  voice: Voice,
  path: string,
  value: unknown,
  right: string,
  show = voice.show ?? shown,
): never {
  throw voice.error(`${voice.name(path)} is ${show(value)}; it must be ${right}`, undefined, path)
}

/** Refuses options whose names do not exist. */
export function checkNames(
  voice: Voice,
  names: readonly string[],
  known: readonly string[],
  path = '',
): void {
  const name = names.find((each) => !known.includes(each))
  if (name === undefined) return
  const near = nearest(name, known)
  const hint = near === undefined ? `Options: ${known.join(', ')}` : `Did you mean ${near}?`
  const place = at(path, excerpt(name))
  throw voice.error(`${voice.name(place)} is not an option`, hint, place)
}

function at(...names: string[]): string {
  return names.filter((name) => name !== '').join('.')
}
