/**
 * The interface that validators share (https://standardschema.dev), version 1. Zod, Valibot, ArkType and
 * others implement this interface. This file has only the parts that Lark uses.
 */
export interface StandardSchema<In = unknown, Out = In> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaVerdict<Out> | Promise<SchemaVerdict<Out>>
    readonly types?: { readonly input: In; readonly output: Out } | undefined
  }
}

/** Why a schema refuses a value. */
export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export type SchemaVerdict<Out> =
  | { readonly value: Out; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

// biome-ignore lint/suspicious/noExplicitAny: any schema
export type AnySchema = StandardSchema<any, any>

/** The type of the values that a schema accepts. */
export type InputOf<S> = S extends { readonly '~standard': { readonly types?: infer T } }
  ? NonNullable<T> extends { readonly input: infer In }
    ? In
    : never
  : never
/** The type of the values that a schema returns. */
export type OutputOf<S> = S extends { readonly '~standard': { readonly types?: infer T } }
  ? NonNullable<T> extends { readonly output: infer Out }
    ? Out
    : never
  : never

/** A property that exists only in the types: the type of a payload before the schema converts the payload. */
declare const input: unique symbol

/**
 * The type of the payload that `handle` receives: the output of a schema. A dispatch takes the input of the
 * schema.
 *
 * @example async handle(payload: Parsed<typeof ImportJob.schema>) {}
 */
export type Parsed<S> =
  OutputOf<S> extends infer Out
    ? // Null and undefined get no mark, which would make them `never`. The list keeps an undefined input.
      Out extends null | undefined
      ? Out
      : Out & { readonly [input]?: readonly [InputOf<S>] }
    : never

/**
 * The type of a payload at its dispatch. This type differs from the type in `handle` only if the class has a
 * schema.
 */
export type PayloadInput<P> = 0 extends 1 & P
  ? P
  : typeof input extends keyof NonNullable<P>
    ? NonNullable<NonNullable<P>[typeof input & keyof NonNullable<P>]> extends readonly [infer In]
      ? In
      : P
    : P
