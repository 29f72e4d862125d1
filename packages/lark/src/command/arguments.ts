/**
 * Declares the arguments and flags of a command. A field of the command begins with a declaration as its
 * value. The type of the declaration is the type of the parsed value. Before `handle()`, Lark replaces the
 * declaration with this value:
 *
 * ```ts
 * email = arg.string('Who')                                // string
 * limit = flag.number('How many', { default: 100 })        // number
 * ```
 *
 * So a field contains its declaration while the command is constructed, and its value in `handle()`.
 */
const BRAND = Symbol.for('s18i.lark.declaration')

export type ValueType = 'string' | 'number' | 'boolean' | 'enum'

/** The declaration of an argument or flag. Its name comes from the name of the field. */
export interface Declaration
  extends Pick<NumberFlagOptions & ListFlagOptions, 'short' | 'env' | 'wholeFrom' | 'splits'> {
  kind: 'argument' | 'flag'
  type: ValueType
  description: string
  /** Whether the argument or flag takes any number of values. If so, the field contains an array. */
  many: boolean
  /** Whether a value must be given, on the command line or by the environment. */
  required: boolean
  default?: string | number | boolean
  /** The values that an enum allows. */
  values?: readonly string[]
}

export interface ArgumentOptions<T> {
  /** Whether the argument may be omitted. The value of an omitted argument is undefined. */
  optional?: boolean
  /** The value if the argument is omitted. */
  default?: T
}

export interface FlagOptions<T> {
  /** One letter, such as `'l'` for `-l`. */
  short?: string
  /** An environment variable to read when the flag is not given. */
  env?: string
  /** The value if neither the flag nor the variable is given. */
  default?: T
  /** Whether a value must be given, by the flag or by `env`. */
  required?: boolean
}

export interface NumberFlagOptions extends FlagOptions<number> {
  /** If present, only whole numbers are allowed, from this number on: `{ wholeFrom: 1 }` for a count. */
  wholeFrom?: number
}

/** The options of a flag that always has a value. */
export type FlagWithValue<T> = { default: T } | { required: true }

export interface ListFlagOptions extends Omit<FlagOptions<never>, 'default'> {
  /**
   * Whether a value with commas is split into a list. Set `false` if the values may contain commas. Default:
   * true.
   */
  splits?: boolean
}

/** Arguments. Values are assigned by position, in the order of the fields. */
export const arg = {
  string: stringArgument,
  number: numberArgument,
  enum: enumArgument,
  strings: stringsArgument,
}

/** Flags. Values are assigned by name: the flag of the field `likeThis` is `--like-this`. */
export const flag = {
  string: stringFlag,
  number: numberFlag,
  boolean: booleanFlag,
  enum: enumFlag,
  strings: stringsFlag,
}

function stringArgument(description: string, options: ArgumentOptions<string> & { default: string }): string
function stringArgument(description: string, options: { optional: true }): string | undefined
function stringArgument(description: string, options?: { optional?: false }): string
function stringArgument(description: string, options: ArgumentOptions<string> = {}): unknown {
  return argument('string', description, options)
}

function numberArgument(description: string, options: ArgumentOptions<number> & { default: number }): number
function numberArgument(description: string, options: { optional: true }): number | undefined
function numberArgument(description: string, options?: { optional?: false }): number
function numberArgument(description: string, options: ArgumentOptions<number> = {}): unknown {
  return argument('number', description, options)
}

function enumArgument<const T extends string>(
  description: string,
  values: readonly T[],
  options: ArgumentOptions<NoInfer<T>> & { default: NoInfer<T> },
): T
function enumArgument<const T extends string>(
  description: string,
  values: readonly T[],
  options: { optional: true },
): T | undefined
function enumArgument<const T extends string>(
  description: string,
  values: readonly T[],
  options?: { optional?: false },
): T
function enumArgument(
  description: string,
  values: readonly string[],
  options: ArgumentOptions<string> = {},
): unknown {
  return argument('enum', description, options, { values })
}

/**
 * An argument that takes all remaining words. With `required`, at least one word must be given. Only the last
 * argument of a command can be of this kind.
 */
function stringsArgument(description: string, options: { required?: boolean } = {}): string[] {
  return argument('string', description, { optional: options.required !== true }, { many: true }) as never
}

function stringFlag(description: string, options: FlagOptions<string> & FlagWithValue<string>): string
function stringFlag(description: string, options?: FlagOptions<string>): string | undefined
function stringFlag(description: string, options: FlagOptions<string> = {}): unknown {
  return flagOf('string', description, options)
}

function numberFlag(description: string, options: NumberFlagOptions & FlagWithValue<number>): number
function numberFlag(description: string, options?: NumberFlagOptions): number | undefined
function numberFlag(description: string, options: NumberFlagOptions = {}): unknown {
  return flagOf('number', description, options)
}

/** A flag that is on or off, such as `--force` and `--no-force`. */
function booleanFlag(description: string, options: Omit<FlagOptions<boolean>, 'required'> = {}): boolean {
  return flagOf('boolean', description, { default: false, ...options }) as never
}

function enumFlag<const T extends string>(
  description: string,
  values: readonly T[],
  options: FlagOptions<NoInfer<T>> & FlagWithValue<NoInfer<T>>,
): T
function enumFlag<const T extends string>(
  description: string,
  values: readonly T[],
  options?: FlagOptions<NoInfer<T>>,
): T | undefined
function enumFlag(
  description: string,
  values: readonly string[],
  options: FlagOptions<string> = {},
): unknown {
  return flagOf('enum', description, options, { values })
}

/**
 * A flag that may be repeated, such as `--queue=a,b --queue c`. Each value is split into a list at its
 * commas, unless `splits` is false.
 */
function stringsFlag(description: string, options: ListFlagOptions = {}): string[] {
  return flagOf('string', description, options, { many: true }) as never
}

function argument(
  type: ValueType,
  description: string,
  { optional = false, ...options }: ArgumentOptions<string | number>,
  more: Partial<Declaration> = {},
): unknown {
  const required = !optional && options.default === undefined
  return declare({ kind: 'argument', type, description, many: false, required, ...options, ...more })
}

function flagOf(
  type: ValueType,
  description: string,
  { required = false, ...options }: FlagOptions<string | number | boolean> & Pick<ListFlagOptions, 'splits'>,
  more: Partial<Declaration> = {},
): unknown {
  return declare({ kind: 'flag', type, description, many: false, required, ...options, ...more })
}

function declare(declaration: Declaration): Declaration {
  return Object.defineProperty({ ...declaration }, BRAND, { value: true })
}

/** Whether a field's value is still its declaration. */
export function isDeclaration(value: unknown): value is Declaration {
  return typeof value === 'object' && value !== null && BRAND in value
}
