/**
 * Checks a configuration against a shape, which says for each key what its value must be, in words and as a test. The
 * error for an unknown key names the nearest known one.
 */
import { LarkError, nearest } from '@s18i/lark/config'
import { shownSetting } from '../model/secret.ts'

export interface Rule {
  /** What would be right. */
  right: string
  ok: (value: unknown) => boolean
  /** How messages show a wrong value. Default: as JSON, unless it may contain a password. */
  show?: (value: unknown) => string
}

export type Shape<T> = Record<keyof T, Rule>

/** @throws CONFIG_INVALID */
export function checkKeys<T>(where: string, path: string, value: unknown, shape: Shape<T>): void {
  if (!isObject(value)) refuse(where, path, value, 'an object')
  const known = Object.keys(shape)
  for (const [key, part] of Object.entries(value)) {
    if (!known.includes(key)) unknownKey(where, `${path}.${key}`, nearest(key, known), known)
    const { right, ok, show } = shape[key as keyof T]
    if (part !== undefined && !ok(part)) refuse(where, `${path}.${key}`, part, right, show)
  }
}

function unknownKey(where: string, key: string, near: string | undefined, known: string[]): never {
  const hint = near ? `Did you mean ${near}?` : `Known keys: ${known.join(', ')}`
  throw new LarkError('CONFIG_INVALID', `${where}: ${key} is not a setting`, { hint })
}

/** @throws CONFIG_INVALID */
export function refuse(
  where: string,
  key: string,
  value: unknown,
  right: string,
  show: (value: unknown) => string = shownSetting,
): never {
  throw new LarkError('CONFIG_INVALID', `${where}: ${key} is ${show(value)}; it must be ${right}`)
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
