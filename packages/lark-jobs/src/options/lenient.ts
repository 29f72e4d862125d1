/**
 * `lenient()`: payloads that need not be JSON. Lark takes what `JSON.stringify` takes, and `handle` receives
 * what JSON makes of it.
 */
import type { AnySchema, InputOf, OutputOf, StandardSchema } from './standard-schema.ts'

/** Marks a lenient schema in every copy of this package. */
const mark = Symbol.for('s18i.lark.lenient')

/** What JSON makes of a type: a date is a text, functions and symbols are left out, or null in a list. */
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
 * A schema that takes whatever `JSON.stringify` takes, instead of refusing what is not JSON. A date becomes a
 * text, NaN becomes null, functions are left out; a BigInt and a cycle are still refused.
 *
 * @param schema checks what JSON has made of the payload, when it is dispatched and when it is read. Default:
 *   nothing is checked
 * @example static schema = lenient<{ at: Date }>()   // handle(payload: Parsed<typeof LogJob.schema>): at is a string
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
