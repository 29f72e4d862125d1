/**
 * The fields of an object that have a value. A field that is `undefined` differs from a field that is absent:
 * an option that is written as `undefined` may be refused, and would hide a value of an object that it is
 * spread over.
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
