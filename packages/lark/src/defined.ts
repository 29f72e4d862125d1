/**
 * Removes the fields of an object that are `undefined`. Such a field differs from an absent field: an option
 * with the value `undefined` may be refused, and a spread of the object would overwrite an earlier value with
 * `undefined`.
 */

type Optional<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T]
export type Defined<T> = Omit<T, Optional<T>> & { [K in Optional<T>]?: Exclude<T[K], undefined> }

/** Copies an object without the fields that are `undefined`. */
export function defined<T extends object>(fields: T): Defined<T> {
  const found: Record<string, unknown> = {}
  for (const name of Object.keys(fields)) {
    const value = fields[name as keyof T]
    if (value !== undefined) found[name] = value
  }
  return found as Defined<T>
}
