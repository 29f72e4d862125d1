/**
 * The rules of a class for its payloads: the schema that checks them, the version of their format, and the
 * parts that people must not see. Most classes have no such rules, and their payloads are read and written as
 * JSON without further checks.
 *
 * The stored text contains the version, because a dispatch of a unique job may replace the payload of a
 * waiting job with a payload of another version. A text of version `n` ends in `n - 1` spaces, which JSON
 * allows. So a payload of the first version takes no additional byte, and any JSON parser reads every
 * version.
 */
import { excerpt } from '@s18i/lark/internal'
import { JobsError } from '../model/errors.ts'
import { decode, encode } from '../model/payload.ts'
import { textOf } from '../words/thrown.ts'
import { isLenient } from './lenient.ts'
import { isObject, isText, list, option, type Read, Schema, type Voice, whole } from './schema.ts'
import type { SchemaIssue, StandardSchema } from './standard-schema.ts'

/** The highest version. */
const NEWEST = 100
/** The maximum number of paths in `redact`. There is a maximum because the paths are stored with each job. */
const MAX_PATHS = 100
/** The maximum length of a path, in characters. */
const MAX_PATH = 100
/** The maximum number of issues of a schema that one message names. */
const SHOWN = 3

/** For each version of the payload, the function that converts a payload to the next version. */
// biome-ignore lint/suspicious/noExplicitAny: a payload of an earlier form, whose type the class no longer has
export type Upcasters = Readonly<Record<number, (payload: any) => unknown>>

/** The static fields of a job class that concern its payloads. */
export const payloadOptions = new Schema(
  'a job class',
  {
    /** Checks the payload: any Standard Schema (Zod, Valibot, ArkType and others), or `lenient()`. */
    schema: option<StandardSchema>('a Standard Schema that validates at once, or lenient()', isSchema),
    /** The version of the payload's format. Default 1. */
    version: whole(1, NEWEST).or(1),
    /**
     * One function for each earlier version, which converts a payload of that version to the next version.
     */
    upcasters: option<Upcasters>(
      'an object with a function for each earlier version',
      (value) => isObject(value) && Object.values(value).every((each) => typeof each === 'function'),
    ).or({}),
    /** The parts of the payload that people must not see, as paths: `card.number`, `users.*.token`. */
    redact: list<string>(
      `a list of up to ${MAX_PATHS} paths of up to ${MAX_PATH} characters, such as ['card.*']`,
      (value) => isText(value) && value.length <= MAX_PATH && value.split('.').every((part) => part !== ''),
    ),
  },
  ({ version, upcasters, redact = [] }, refuse) => {
    const wrong = Object.keys(upcasters).find(
      (from) => !(Number.isInteger(+from) && +from >= 1 && +from < version),
    )
    if (wrong !== undefined) refuse('upcasters', `an object whose keys are versions below ${version}`)
    if (redact.length > MAX_PATHS) refuse('redact', `a list of up to ${MAX_PATHS} paths`)
  },
)

export type PayloadRules = Read<typeof payloadOptions.entries>

/** The class of a payload: its name for messages, and its rules. */
interface PayloadClass {
  name: string
  rules: PayloadRules | undefined
}

/** The rules of a class for its payloads, or undefined if the class has no rules. @throws JOB_INVALID */
export function rulesOf(Class: object, voice: Voice): PayloadRules | undefined {
  const names = Object.keys(payloadOptions.entries)
  const said = Class as Record<string, unknown>
  if (names.every((name) => said[name] === undefined)) return undefined
  return payloadOptions.fields(Object.fromEntries(names.map((name) => [name, said[name]])), '', voice)
}

/**
 * The text of a payload that is dispatched.
 *
 * @param isOpen whether the payload is not complete yet (`dispatch/open-payload.ts`). The schema checks an
 *   incomplete payload only when it is read
 * @throws PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE, PAYLOAD_INVALID, JOB_INVALID for a schema that is async
 */
export function writePayload(payload: unknown, { name, rules }: PayloadClass, isOpen = false): string {
  if (rules === undefined) return encode(payload, name)
  const { schema, version } = rules
  const isFree = isLenient(schema)
  const text = encode(payload, name, 'payload', isFree)
  // A lenient payload is checked after its conversion to JSON and back, because the worker will read the
  // converted payload.
  if (schema !== undefined && !isOpen) check(isFree ? decode(text) : payload, name, rules)
  return text + ' '.repeat(version - 1)
}

/**
 * The payload that `handle` receives, from the stored text.
 *
 * @throws PAYLOAD_INVALID, PAYLOAD_VERSION; a SyntaxError if the text is not JSON
 */
export function readPayload(text: string, { name, rules }: PayloadClass): unknown {
  if (rules === undefined) return decode(text)
  let payload = decode(text)
  for (let from = versionOf(text); from < rules.version; from++) payload = upcast(payload, from, name, rules)
  return rules.schema === undefined ? payload : check(payload, name, rules)
}

/** Like `readPayload`, but returns the stored payload if the class cannot read it. */
export function readAnyway(text: string, of: PayloadClass): unknown {
  try {
    return readPayload(text, of)
  } catch {
    return decode(text)
  }
}

/**
 * The version of a payload that is newer than its class, or undefined if the class can read the payload's
 * version.
 */
export function newerVersion(text: string, rules: PayloadRules | undefined): number | undefined {
  if (!text.endsWith(' ')) return undefined
  const version = versionOf(text)
  return version > (rules?.version ?? 1) ? version : undefined
}

/** The version of a stored payload. */
export function versionOf(text: string): number {
  return text.length - text.trimEnd().length + 1
}

function upcast(payload: unknown, from: number, name: string, { upcasters, version }: PayloadRules): unknown {
  const step = upcasters[from]
  const what = `${name}: a payload of version ${from}`
  if (step === undefined)
    throw new JobsError(
      'PAYLOAD_VERSION',
      `${what} has no upcaster to version ${from + 1}, and the class is of ${version}`,
    )
  try {
    return step(payload)
  } catch (cause) {
    throw new JobsError(
      'PAYLOAD_VERSION',
      `${what} was not converted: its upcaster threw: ${textOf(cause)}`,
      { cause },
    )
  }
}

/**
 * Checks a payload against the schema.
 *
 * @returns the output of the schema.
 * @throws PAYLOAD_INVALID,
 *   JOB_INVALID
 */
function check(payload: unknown, name: string, { schema, redact }: PayloadRules): unknown {
  const result = validated(payload, name, schema!)
  if (result instanceof Promise) {
    result.catch(() => {})
    const hint =
      'A dispatch cannot wait for the schema, because jobs keep their order. Do checks that take time in handle().'
    throw new JobsError('JOB_INVALID', `${name}: schema is async; it must validate at once`, { hint })
  }
  if (result.issues === undefined) return result.value
  const shown = result.issues.slice(0, SHOWN).map((issue) => textOfIssue(issue, redact))
  const more = result.issues.length - shown.length
  throw new JobsError(
    'PAYLOAD_INVALID',
    `${name}: ${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`,
  )
}

function validated(payload: unknown, name: string, schema: StandardSchema) {
  try {
    return schema['~standard'].validate(payload)
  } catch (cause) {
    throw new JobsError('PAYLOAD_INVALID', `${name}: schema threw: ${textOf(cause)}`, { cause })
  }
}

/**
 * The text of an issue. The message of the validator is left out for a redacted part of the payload, because
 * the message may contain the value.
 */
function textOfIssue({ message, path = [] }: SchemaIssue, redact: readonly string[] = []): string {
  const keys = path.map((part) => String(typeof part === 'object' ? part.key : part))
  const isHidden = redact.some((each) =>
    each.split('.').every((key, i) => i >= keys.length || key === '*' || key === keys[i]),
  )
  return `${['payload', ...keys].map(excerpt).join('.')}: ${isHidden ? 'the schema refuses it' : message}`
}

function isSchema(value: unknown): boolean {
  const standard = (value as Partial<StandardSchema> | null)?.['~standard']
  return (
    (typeof value === 'object' || typeof value === 'function') && typeof standard?.validate === 'function'
  )
}
