/**
 * The fields of a payload, as the JSON Schema of its class describes them. Only flat objects have fields.
 * Every other payload is edited as text.
 */
export interface PayloadField {
  name: string
  kind: 'text' | 'number' | 'flag' | 'choice'
  /** The values that a choice offers. */
  values: readonly (string | number)[]
  isNeeded: boolean
  /** The description of the field in the schema. */
  words: string
}

interface FieldSchema {
  type?: string
  enum?: unknown[]
  description?: string
  format?: string
}

/** @returns undefined if there is no schema, or if the schema does not describe a flat object */
export function payloadFields(
  schema: Readonly<Record<string, unknown>> | undefined,
): PayloadField[] | undefined {
  const {
    type,
    properties,
    required = [],
  } = (schema ?? {}) as {
    type?: string
    properties?: Record<string, FieldSchema>
    required?: string[]
  }
  if (type !== 'object' || properties === undefined) return undefined
  const fields = Object.entries(properties).map(([name, field]) =>
    fieldOf(name, field, required.includes(name)),
  )
  return fields.every((field) => field !== undefined) ? fields : undefined
}

function fieldOf(name: string, schema: FieldSchema, isNeeded: boolean): PayloadField | undefined {
  const { type, enum: values, description, format } = schema
  const words = [description, format].filter((part) => part !== undefined).join(', ')
  const field = { name, isNeeded, words, values: [] }
  if (values?.every((value) => typeof value === 'string' || typeof value === 'number'))
    return { ...field, kind: 'choice', values: values as (string | number)[] }
  if (type === 'string') return { ...field, kind: 'text' }
  if (type === 'number' || type === 'integer') return { ...field, kind: 'number' }
  if (type === 'boolean') return { ...field, kind: 'flag' }
  return undefined
}
