/**
 * `lenient()`: payloads that need not be JSON. Lark accepts everything that `JSON.stringify` accepts, and
 * `handle` receives the result of the conversion to JSON and back.
 */
import type { AnySchema, InputOf, OutputOf, StandardSchema } from './standard-schema.ts'

/** Marks a lenient schema in every copy of this package. */
const mark = Symbol.for('s18i.lark.lenient')

/**
 * The type of a value after its conversion to JSON and back: a date becomes a text. Functions and symbols in
 * an object are left out. In a list, they become null.
 */
export type Json<T> = T extends { toJSON(...args: never): infer J }
  ? Json<J>
  : T extends string | number | boolean | null | undefined
    ? T
    : T extends bigint | symbol | ((...args: never) => unknown)
      ? never
      : T extends Map<unknown, unknown> | Set<unknown>
        ? Record<never, never>
        : T extends readonly unknown[]
          ? {
              [I in keyof T]: T[I] extends infer E
                ? E extends undefined | symbol | ((...args: never) => unknown)
                  ? null
                  : Json<E>
                : never
            }
          : { [K in keyof T as T[K] extends symbol | ((...args: never) => unknown) ? never : K]: Json<T[K]> }

/**
 * Makes a schema that accepts everything that `JSON.stringify` accepts, instead of refusing values that are
 * not JSON. A date becomes a text, NaN becomes null, and functions are left out. A BigInt and a cycle are
 * still refused.
 *
 * @param schema checks the payload after its conversion to JSON and back, when it is dispatched and when it
 *   is read. Default: the payload is not checked
 * @example
 * // In `handle(payload: Parsed<typeof LogJob.schema>)`, `payload.at` is a string.
 * static schema = lenient<{ at: Date }>()
 * @example static schema = lenient(z.object({ at: z.coerce.date() }))   // at is a Date again
 */
export function lenient<T>(): StandardSchema<T, Json<T>>
export function lenient<S extends AnySchema>(schema: S): StandardSchema<InputOf<S>, OutputOf<S>>
export function lenient(schema?: AnySchema): AnySchema {
  const validate = (value: unknown) => schema?.['~standard'].validate(value) ?? { value }
  return Object.freeze({ [mark]: true, '~standard': { version: 1 as const, vendor: 'lark', validate } })
}

export function isLenient(schema: object | undefined): boolean {
  return schema !== undefined && mark in schema
}
