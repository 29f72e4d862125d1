/**
 * Removes the fields of an object that are `undefined`. Such a field differs from an absent one: an option
 * that is given as `undefined` may be refused, and a spread of it would overwrite an earlier value.
 */

type Optional<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T]
export type Defined<T> = Omit<T, Optional<T>> & { [K in Optional<T>]?: Exclude<T[K], undefined> }

/** A copy without the fields that are `undefined`. */
export function defined<T extends object>(fields: T): Defined<T> {
  const found: Record<string, unknown> = {}
  for (const name of Object.keys(fields)) {
    const value = fields[name as keyof T]
    if (value !== undefined) found[name] = value
  }
  return found as Defined<T>
}
