/**
 * Checks the JSON that a browser sends. Each action declares the fields that it takes, and an input is
 * checked before the action runs. The values of a filter's conditions are checked later, by the operations of
 * `lark-jobs`.
 */
import { LarkError } from '@s18i/lark/config'

/** The check of a field. */
export interface Field {
  /** The description of a valid value, for the message about an invalid value. */
  right: string
  isRight(value: unknown): boolean
  isOptional?: boolean
}

type Names<Input> = Input extends unknown ? keyof Input : never

/** All fields that an input may have. */
export type Shape<Input> = { readonly [Name in Names<Input>]: Field }

/**
 * The deepest nesting of an input. A deeper input would overflow the stack of the code that walks through it.
 */
const DEEPEST = 50
/** The maximum number of characters of a text in a message. */
const MOST_SHOWN = 60

export const text: Field = {
  right: 'a text that is not empty',
  isRight: (value) => typeof value === 'string' && value !== '',
}
export const flag: Field = { right: 'true or false', isRight: (value) => typeof value === 'boolean' }
export const number: Field = { right: 'a number', isRight: Number.isFinite }
export const textOrNumber: Field = {
  right: 'a text that is not empty, or a number',
  isRight: (value) => text.isRight(value) || number.isRight(value),
}
export const object: Field = { right: 'an object', isRight: isObject }

export function optional(field: Field): Field {
  return { ...field, isOptional: true }
}

export function upTo(most: number): Field {
  const isRight = (value: unknown) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most
  return { right: `a whole number from 1 to ${most}`, isRight }
}

export function oneOf(values: readonly string[]): Field {
  return { right: `one of ${values.join(', ')}`, isRight: (value) => values.some((each) => each === value) }
}

export function texts(most: number): Field {
  const isRight = (value: unknown) =>
    Array.isArray(value) && value.length > 0 && value.length <= most && value.every(text.isRight)
  return { right: `a list of 1 to ${most} texts`, isRight }
}

/** An object with these fields. All fields are needed. */
export function objectOf<Input>(shape: Shape<Input>): Field {
  const fields = Object.entries<Field>(shape)
  const isRight = (value: unknown) =>
    isObject(value) &&
    Object.keys(value).length === fields.length &&
    fields.every(([name, field]) => Object.hasOwn(value, name) && field.isRight(value[name]))
  return { right: `an object with ${fields.map(([name]) => name).join(' and ')}`, isRight }
}

/** @throws INPUT_INVALID */
export function inputOf<Input>(shape: Shape<Input>, json: string): Input {
  const value = jsonIn('the input', json)
  if (!isObject(value)) throw refused('the input', value, object.right)
  const fields: Readonly<Record<string, Field>> = shape
  for (const name of Object.keys(value))
    if (!Object.hasOwn(fields, name))
      throw refused(
        'the input',
        name,
        `an object with no fields but ${Object.keys(fields).join(', ') || 'none'}`,
      )
  for (const [name, { right, isRight, isOptional = false }] of Object.entries(fields))
    if (value[name] === undefined ? !isOptional : !isRight(value[name]))
      throw refused(name, value[name], right)
  return value as Input
}

/**
 * @param field the name of the field, for the message
 * @throws INPUT_INVALID if the text is not JSON, or if its value is nested too deep
 */
export function jsonIn(field: string, json: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    throw refused(field, json, 'JSON')
  }
  if (isDeeper(value, DEEPEST)) throw refused(field, value, `nested at most ${DEEPEST} deep`)
  return value
}

/** The error for a value that the action does not accept. */
export function refused(field: string, value: unknown, right: string): LarkError {
  return new LarkError('INPUT_INVALID', `${field} is ${shown(value)}; it must be ${right}`)
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isDeeper(value: unknown, most: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return most === 0 || Object.values(value).some((each) => isDeeper(each, most - 1))
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing'
  if (typeof value === 'string') return JSON.stringify(value.slice(0, MOST_SHOWN))
  if (Array.isArray(value)) return 'a list'
  return isObject(value) ? 'an object' : `${value}`
}
