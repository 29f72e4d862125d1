/**
 * Declaring what a command takes. A command's field is initialised with a declaration, typed as the value that
 * the field will hold; before `handle()` the application puts the parsed value in its place:
 *
 * ```ts
 * email = arg.string('Who')                                // string
 * limit = flag.number('How many', { default: 100 })        // number
 * ```
 *
 * A field's life: declaration (at construction) → value (from its first use in `handle()` on).
 */
const BRAND = Symbol.for('s18i.lark.declaration')

export type ValueType = 'string' | 'number' | 'boolean' | 'enum'

/** What a field was declared to be, without its name: that is the field's. */
export interface Declaration {
  kind: 'argument' | 'flag'
  type: ValueType
  description: string
  /** Takes any number of values, into an array. */
  many: boolean
  /** Must be given (or come from the environment). */
  required: boolean
  default?: string | number | boolean
  /** The closed set of an enum. */
  values?: readonly string[]
  /** One letter: `l` for `-l`. */
  short?: string
  /** The environment variable that is read when the flag is not given. */
  env?: string
}

export interface ArgumentOptions<T> {
  /** May be left out; then undefined. */
  optional?: boolean
  /** Its value when left out. */
  default?: T
}

export interface FlagOptions<T> {
  /** One letter: `'l'` for `-l`. */
  short?: string
  /** An environment variable to read when the flag is not given. */
  env?: string
  /** Its value when neither is given. */
  default?: T
  /** Must be given, here or by `env`. */
  required?: boolean
}

type Given<T> = { default: T } | { required: true }
type ListOptions = Omit<FlagOptions<never>, 'default'>

/** Arguments: taken by place, in the order of the fields. */
export const arg = {
  string: stringArgument,
  number: numberArgument,
  enum: enumArgument,
  strings: stringsArgument,
}

/** Flags: taken by name, `--like-this`; the field `likeThis` names it. */
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

/** The rest of the arguments, any number of them unless `required`; the last argument of a command only. */
function stringsArgument(description: string, options: { required?: boolean } = {}): string[] {
  return declare({
    kind: 'argument',
    type: 'string',
    description,
    many: true,
    required: options.required ?? false,
  }) as never
}

function stringFlag(description: string, options: FlagOptions<string> & Given<string>): string
function stringFlag(description: string, options?: FlagOptions<string>): string | undefined
function stringFlag(description: string, options: FlagOptions<string> = {}): unknown {
  return flagOf('string', description, options)
}

function numberFlag(description: string, options: FlagOptions<number> & Given<number>): number
function numberFlag(description: string, options?: FlagOptions<number>): number | undefined
function numberFlag(description: string, options: FlagOptions<number> = {}): unknown {
  return flagOf('number', description, options)
}

/** On or off: `--force`, `--no-force`. */
function booleanFlag(description: string, options: Omit<FlagOptions<boolean>, 'required'> = {}): boolean {
  return flagOf('boolean', description, { default: false, ...options }) as never
}

function enumFlag<const T extends string>(
  description: string,
  values: readonly T[],
  options: FlagOptions<NoInfer<T>> & Given<NoInfer<T>>,
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

/** May be repeated, and each time hold a list: `--queue=a,b --queue c`. */
function stringsFlag(description: string, options: ListOptions = {}): string[] {
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
  { required = false, ...options }: FlagOptions<string | number | boolean>,
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
