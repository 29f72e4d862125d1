/**
 * The job classes that this process knows and people may dispatch: where their jobs go, and what their
 * payloads look like.
 */
import { defined } from '@s18i/lark/internal'
import { classOf, type JobConstructor } from '../../options/job-class.ts'
import type { StandardSchema } from '../../options/standard-schema.ts'

/** A job class, for the person who dispatches one of its jobs by hand. */
export interface ClassInfo {
  key: string
  /** Where its jobs go unless a dispatch says otherwise. */
  queue: string
  /**
   * JSON Schema (2020-12) of the payload. Absent: the class has no schema, or one that cannot be described
   * so. Schemas with the interface "Standard JSON Schema" can, such as those of Zod from 4.2 on.
   */
  schema?: Record<string, unknown>
}

/** The part of a Standard Schema that describes its input (https://standardschema.dev/json-schema). */
interface Describing {
  jsonSchema?: { input?: (options: { target: string }) => Record<string, unknown> }
}

/** In the order of their keys. */
export function classInfos(classes: readonly JobConstructor[]): ClassInfo[] {
  const infos = new Map<string, ClassInfo>()
  for (const Class of classes) {
    const { key, queueName: queue, rules } = classOf(Class)
    const schema = rules?.schema === undefined ? undefined : described(rules.schema)
    infos.set(key, { key, queue, ...defined({ schema }) })
  }
  return [...infos.values()].sort((one, other) => (one.key < other.key ? -1 : 1))
}

function described(schema: StandardSchema): Record<string, unknown> | undefined {
  try {
    return (schema['~standard'] as Describing).jsonSchema?.input?.({ target: 'draft-2020-12' })
  } catch {
    // A part of the schema has no form in JSON, such as a date.
    return undefined
  }
}
