/**
 * The interface that validators share (https://standardschema.dev), version 1: Zod, Valibot, ArkType and others have it.
 * Only what Lark uses is here.
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

/** What a schema takes. */
export type InputOf<S> = S extends { readonly '~standard': { readonly types?: infer T } }
  ? NonNullable<T> extends { readonly input: infer In }
    ? In
    : never
  : never
/** What a schema gives. */
export type OutputOf<S> = S extends { readonly '~standard': { readonly types?: infer T } }
  ? NonNullable<T> extends { readonly output: infer Out }
    ? Out
    : never
  : never

/** For the compiler only: the type of a payload before the schema. */
declare const input: unique symbol

/**
 * The payload that `handle` receives from a schema. A dispatch takes the input of the schema.
 *
 * @example async handle(payload: Parsed<typeof ImportJob.schema>) {}
 */
export type Parsed<S> = OutputOf<S> & { readonly [input]?: InputOf<S> }

/** The type in which a payload is dispatched: another one only if it comes from a schema. */
export type PayloadInput<P> = 0 extends 1 & P
  ? P
  : typeof input extends keyof NonNullable<P>
    ? Exclude<NonNullable<P>[typeof input & keyof NonNullable<P>], undefined>
    : P
