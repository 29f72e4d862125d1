/**
 * The metadata of a command: its key, description, arguments and flags. The metadata is read once from an
 * instance of the class and then kept in the cache, so that `lark list` and `lark help` need not import the
 * application.
 */

import { defined } from '../defined.ts'
import { larkError } from '../errors.ts'
import { type Declaration, isDeclaration } from './arguments.ts'

/** A declaration with the name of its field and the word that a user types. */
export interface Parameter extends Declaration {
  field: string
  /** `EMAIL` for an argument, `--dry-run` for a flag. */
  name: string
}

export interface CommandMetadata {
  key: string
  description: string
  aliases: readonly string[]
  hidden: boolean
  arguments: Parameter[]
  flags: Parameter[]
  /**
   * The value of the field `schedule`, as JSON. A package that runs commands on a schedule reads this value.
   * Most commands have no schedule.
   */
  schedule?: unknown
  /** Present if the command has a method `complete()`. Most commands have no such method. */
  completes?: true
}

/** The fields of an instance that `readMetadata` reads. */
type CommandFields = Omit<CommandMetadata, 'arguments' | 'flags' | 'completes'> & { complete?: unknown }

const OWN_FIELDS = ['key', 'description', 'aliases', 'hidden']
/** The flags that every command has. A command must not declare flags with these names or letters. */
const RESERVED = ['--help', '--json', '--quiet', '--verbose', '--interaction', '--color']
const RESERVED_LETTERS = ['h', 'q', 'v']
const KEY = /^[A-Za-z0-9][\w.-]*(:[\w.-]+)*$/

/**
 * Reads the metadata of a command, and checks its declarations.
 *
 * @throws COMMAND_INVALID
 */
export function readMetadata(command: CommandFields): CommandMetadata {
  const { key, description, aliases, hidden } = command
  const parameters = readParameters(command)
  const positional = parameters.filter((each) => each.kind === 'argument')
  const flags = parameters.filter((each) => each.kind === 'flag')
  const fault =
    faultOfFields(command, parameters) ??
    faultOfNames(key, aliases) ??
    faultOfArguments(positional) ??
    faultOfFlags(flags)
  if (fault)
    throw larkError('COMMAND_INVALID', `Command ${command.constructor.name || '(anonymous)'} ${fault}`)
  const schedule = asJson(command.schedule)
  return {
    ...{ key, description, aliases: [...aliases], hidden, arguments: positional, flags },
    ...defined({ schedule }),
    ...(typeof command.complete === 'function' && { completes: true as const }),
  }
}

/**
 * Converts the value of the field `schedule` to JSON and back. Returns undefined for a declaration, because a
 * command may have a flag with the name `schedule`, and for a value that JSON cannot represent. A function
 * becomes a text, so that a later check refuses it.
 */
function asJson(value: unknown): unknown {
  if (value === undefined || isDeclaration(value)) return undefined
  try {
    return JSON.parse(JSON.stringify(value, (_, part) => (typeof part === 'function' ? 'a function' : part)))
  } catch {
    return undefined
  }
}

type Fault = string | undefined

function faultOfFields(command: object, parameters: Parameter[]): Fault {
  const taken = parameters.find(
    ({ field }) => OWN_FIELDS.includes(field) || field in Object.getPrototypeOf(command),
  )
  return taken && `declares the field "${taken.field}", which every Command has for itself`
}

function faultOfNames(key: string | undefined, aliases: readonly string[]): Fault {
  if (key === undefined) return 'has no key (a base class belongs in a file whose name begins with _)'
  const wrong = [key, ...aliases].find((name) => typeof name !== 'string' || !KEY.test(name))
  return wrong === undefined
    ? undefined
    : `has the key or alias ${JSON.stringify(wrong)}: not words like users:process`
}

function faultOfArguments(positional: Parameter[]): Fault {
  for (const [index, current] of positional.entries()) {
    const before = positional[index - 1]
    if (before?.many) return `has the argument ${current.name} after ${before.name}, which takes the rest`
    if (current.required && before?.required === false) {
      return `has the required argument ${current.name} after the optional ${before.name}`
    }
  }
  return undefined
}

function faultOfFlags(flags: Parameter[]): Fault {
  const letters = [...RESERVED_LETTERS]
  for (const { name, short } of flags) {
    if (RESERVED.includes(name)) return `declares ${name}, which every command has`
    if (short === undefined) continue
    if (!/^[A-Za-z0-9]$/.test(short)) return `gives ${name} the short name "${short}": not one letter`
    if (letters.includes(short)) return `gives ${name} the letter -${short}, which is taken`
    letters.push(short)
  }
  return undefined
}

/** The declarations among the fields of an instance, in their order in the source. */
function readParameters(command: object): Parameter[] {
  return Object.entries(command).flatMap(([field, value]) =>
    isDeclaration(value) ? [{ ...value, field, name: nameOf(field, value.kind) }] : [],
  )
}

function nameOf(field: string, kind: Declaration['kind']): string {
  const words = field.replace(/([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])/g, '$1$3-$2$4')
  return kind === 'flag' ? `--${words.toLowerCase()}` : words.toUpperCase()
}
