/**
 * Turns the words of the command line into the values of a command's fields. Node's `parseArgs` splits the
 * words into tokens. This file decides what the tokens mean, and which errors they cause.
 */
import { parseArgs } from 'node:util'
import type { Answer, Prompt } from '../console/prompt.ts'
import { reasonOf, usageError } from '../errors.ts'
import { excerpt } from '../words/excerpt.ts'
import { nearest } from '../words/nearest.ts'
import type { Parameter } from './metadata.ts'

/** The flags of every command, for suggestions. `usage.ts` has already removed them from the words. */
const GLOBAL = ['help', 'json', 'quiet', 'verbose', 'no-color', 'no-interaction']

type Value = string | number | boolean | string[] | undefined
type Env = Record<string, string | undefined>

/** A word that the user has given for a parameter, and the name of the parameter for messages. */
interface Given {
  text: string
  as: string
  /** Whether the word is one item of a list, even if it contains commas. */
  isItem?: boolean
}

/** The words or values with which a command was called. */
export interface Input {
  /** The value of each parameter, by field. Parameters without a value are absent. */
  values: Map<string, Value>
  /** The parameters that are required and have no value. */
  missing: Parameter[]
}

/**
 * Finds the value of each parameter. A word of the command line takes precedence over the environment, and
 * the environment over the default.
 *
 * @throws USAGE
 */
export function parseWords(key: string, parameters: Parameter[], words: string[], env: Env): Input {
  const positional = parameters.filter((each) => each.kind === 'argument')
  const flags = parameters.filter((each) => each.kind === 'flag')
  const help = `See lark help ${key}`
  const given = new Map<Parameter, Given[]>()
  const give = (parameter: Parameter, text: string, as: string) => {
    const before = given.get(parameter)
    if (before === undefined) given.set(parameter, [{ text, as }])
    else before.push({ text, as })
  }

  refuseEndless(words, help)
  let place = 0
  for (const token of tokensOf(flags, words)) {
    if (token.kind === 'option-terminator') continue
    if (token.kind === 'positional') {
      const parameter = positional[place]
      if (!parameter) throw usageError(`Unexpected argument "${excerpt(token.value)}"`, help)
      give(parameter, token.value, parameter.name)
      if (!parameter.many) place++
      continue
    }
    const { parameter, negated } = flagOf(token.name, flags)
    if (!parameter) throw unknownFlag(token.rawName, flags, help)
    if (parameter.type === 'boolean') {
      if (token.inlineValue)
        throw usageError(`${token.rawName} takes no value, got "${excerpt(token.value!)}"`, help)
      give(parameter, String(!negated), token.rawName)
      continue
    }
    // In `--name --force`, the value of `--name` is missing. In `--limit -5`, the value is a negative number.
    const looksLikeFlag = !token.inlineValue && /^-(?!\d|\.\d|$)/.test(token.value ?? '')
    if (token.value === undefined || looksLikeFlag) {
      const hint = looksLikeFlag
        ? `Write ${token.rawName}=${excerpt(token.value!)} if that is the value`
        : help
      throw usageError(`${token.rawName} needs a value (${placeholder(parameter)})`, hint)
    }
    give(parameter, token.value, token.rawName)
  }

  return inputOf(parameters, help, (each) => given.get(each) ?? fromEnvironment(each, env))
}

/**
 * Finds the value of each parameter of a command that is called with an object, such as `{ limit: 100,
 * dryRun: true }`. A missing value comes from the environment, or is the default. Values are converted in the
 * same way as words, so `'100'` is accepted for a number.
 *
 * @throws USAGE, also for a name that no field has
 */
export function parseValues(
  key: string,
  parameters: Parameter[],
  values: Readonly<Record<string, unknown>>,
  env: Env,
): Input {
  const fields = parameters.map(({ field }) => field)
  const stranger = Object.keys(values).find((name) => !fields.includes(name))
  const help = `See lark help ${key}`
  if (stranger !== undefined) {
    const near = nearest(stranger, fields)
    const hint = near ? `Did you mean ${near}?` : fields.length > 0 ? `It takes ${fields.join(', ')}` : help
    throw usageError(`${key} takes no "${excerpt(stranger)}"`, hint)
  }
  return inputOf(parameters, help, (parameter) => {
    const { field } = parameter
    const value = values[field]
    const items = parameter.many && Array.isArray(value) ? value : [value]
    const given = items
      .filter((item) => item !== undefined && item !== null)
      // Each item of an array is one value, even if it contains commas.
      .map((item) => ({ text: textOf(item, parameter, help), as: field, isItem: true }))
    return given.length > 0 ? given : fromEnvironment(parameter, env)
  })
}

function inputOf(
  parameters: Parameter[],
  help: string,
  givenFor: (parameter: Parameter) => Given[] | undefined,
): Input {
  const input: Input = { values: new Map(), missing: [] }
  for (const parameter of parameters) {
    const given = givenFor(parameter)
    if (given) input.values.set(parameter.field, resolveValue(parameter, given, help))
    else if (parameter.required) input.missing.push(parameter)
    else input.values.set(parameter.field, parameter.many ? [] : parameter.default)
  }
  return input
}

/** The question for the value of a parameter that is missing. */
export function promptFor(parameter: Parameter): Prompt {
  const { name, description, type, values = [], many } = parameter
  const question = `${description || name}${description && ` (${name})`}${many ? ', several with spaces' : ''}`
  if (type === 'enum') return { kind: 'choose', question, choices: values.map((value) => ({ value })) }
  return {
    kind: 'ask',
    question,
    validate: (answer) => {
      if (answer.trim() === '') return 'An answer is needed'
      try {
        answerFor(parameter, answer)
        return undefined
      } catch (error) {
        return reasonOf(error)
      }
    },
  }
}

/** The value of a parameter, from the answer to its question. @throws USAGE */
export function answerFor(parameter: Parameter, answer: Answer): Value {
  const texts = parameter.many ? String(answer).split(/\s+/).filter(Boolean) : [String(answer)]
  return resolveValue(
    parameter,
    texts.map((text) => ({ text, as: parameter.name })),
    '',
  )
}

function textOf(value: unknown, { field, many }: Parameter, help: string): string {
  if (['string', 'number', 'boolean'].includes(typeof value)) return String(value)
  const right = many ? 'a text, or a list of texts' : 'a text, a number, true or false'
  throw usageError(`${field} must be ${right}, got ${excerpt(JSON.stringify(value) ?? String(value))}`, help)
}

/** The placeholder for a parameter's value in help, such as `NUMBER`, `fast|safe` or `TEXT,…`. */
export function placeholder({ type, values, many, splits }: Parameter): string {
  if (type === 'enum') return (values ?? []).join('|')
  const word = type === 'number' ? 'NUMBER' : 'TEXT'
  return many && splits !== false ? `${word},…` : word
}

/**
 * The maximum number of words of a call, and the maximum number of characters of a word with short flags.
 * There are limits because the time of `parseArgs` grows with the square of both numbers.
 */
const MOST_WORDS = 20_000
const MOST_SHORT = 1_000

/** @throws USAGE */
function refuseEndless(words: string[], help: string): void {
  if (words.length > MOST_WORDS)
    throw usageError(`The call has ${words.length} words, the limit is ${MOST_WORDS}`, help)
  const end = words.indexOf('--')
  const flags = end < 0 ? words : words.slice(0, end)
  const endless = flags.find((word) => word.length > MOST_SHORT && /^-[^-]/.test(word))
  if (endless !== undefined) throw usageError(`Unknown flag ${excerpt(endless)}`, help)
}

function tokensOf(flags: Parameter[], words: string[]) {
  const options = Object.fromEntries(
    flags.map(({ name, type, short }) => [
      name.slice(2),
      { type: type === 'boolean' ? ('boolean' as const) : ('string' as const), ...(short ? { short } : {}) },
    ]),
  )
  return parseArgs({ args: words, options, strict: false, allowPositionals: true, tokens: true }).tokens
}

function flagOf(name: string, flags: Parameter[]): { parameter: Parameter | undefined; negated: boolean } {
  const named = (word: string) => flags.find((each) => each.name === `--${word}`)
  const plain = named(name)
  if (plain || !name.startsWith('no-')) return { parameter: plain, negated: false }
  const positive = named(name.slice(3))
  return { parameter: positive?.type === 'boolean' ? positive : undefined, negated: true }
}

function unknownFlag(rawName: string, flags: Parameter[], help: string) {
  if (/^-\d/.test(rawName))
    return usageError(`Unknown flag ${excerpt(rawName)}`, 'Negative numbers come after --')
  const near = rawName.startsWith('--') && nearest(rawName.slice(2), [...namesOf(flags), ...GLOBAL])
  return usageError(`Unknown flag ${excerpt(rawName)}`, near ? `Did you mean --${near}?` : help)
}

function namesOf(flags: Parameter[]): string[] {
  return flags.flatMap(({ name, type }) =>
    type === 'boolean' ? [name.slice(2), `no-${name.slice(2)}`] : name.slice(2),
  )
}

function resolveValue(parameter: Parameter, words: Given[], help: string): Value {
  if (parameter.many) {
    const texts = words.map(({ text }) => text)
    if (parameter.kind === 'argument') return texts
    const isSplit = parameter.splits !== false && !words.some(({ isItem }) => isItem)
    const items = isSplit ? texts.flatMap((text) => text.split(',').filter(Boolean)) : texts
    // `--queue=$QUEUES` with an empty variable is an error, because an empty list differs from an absent
    // flag.
    if (items.every((item) => item === ''))
      throw usageError(`${words[0]!.as} needs a value (${placeholder(parameter)})`, help)
    return items
  }
  const last = words.at(-1)!
  return convert(parameter, last, help)
}

function fromEnvironment({ env: variable }: Parameter, env: Env): Given[] | undefined {
  const text = variable === undefined ? undefined : env[variable]
  return text === undefined || text === '' ? undefined : [{ text, as: variable! }]
}

/** Makes the error for a missing parameter, if no person can be asked for its value. */
export function missingError(key: string, { kind, name, description, env }: Parameter) {
  const what = kind === 'flag' ? 'flag' : 'argument'
  const about = description && ` (${description})`
  return usageError(`Missing ${what} ${name}${about}`, env ? `Or set ${env}` : `See lark help ${key}`)
}

function convert({ type, values, wholeFrom }: Parameter, { text, as }: Given, help: string): Value {
  switch (type) {
    case 'string':
      return text
    case 'number': {
      const number = text.trim() === '' ? Number.NaN : Number(text)
      const isRight =
        wholeFrom === undefined ? Number.isFinite(number) : Number.isInteger(number) && number >= wholeFrom
      if (isRight) return number
      const right = wholeFrom === undefined ? 'a number' : `a whole number from ${wholeFrom}`
      throw usageError(`${as} must be ${right}, got "${excerpt(text)}"`, help)
    }
    case 'boolean': {
      if (/^(true|1|yes|on)$/i.test(text)) return true
      if (/^(false|0|no|off)$/i.test(text)) return false
      throw usageError(`${as} must be true or false, got "${excerpt(text)}"`, help)
    }
    case 'enum': {
      if (values?.includes(text)) return text
      const near = nearest(text, values ?? [])
      const hint = near ? `Did you mean ${near}?` : help
      throw usageError(`${as} must be one of ${values?.join(', ')}, got "${excerpt(text)}"`, hint)
    }
  }
}
