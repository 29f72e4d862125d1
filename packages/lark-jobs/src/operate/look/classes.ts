/**
 * Describes the job classes whose jobs people can dispatch by hand: the queue of their jobs, and the schema
 * of their payloads.
 */
import { defined } from '@s18i/lark/internal'
import { classOf, type JobConstructor } from '../../options/job-class.ts'
import type { StandardSchema } from '../../options/standard-schema.ts'

/** A job class, for the person who dispatches one of its jobs by hand. */
export interface ClassInfo {
  key: string
  /** The queue of the class's jobs, unless a dispatch names another queue. */
  queue: string
  /**
   * JSON Schema (2020-12) of the payload. Absent if the class has no schema, or a schema that cannot be
   * converted to JSON Schema. Schemas with the interface "Standard JSON Schema", such as those of Zod from
   * 4.2 on, can be converted.
   */
  schema?: Record<string, unknown>
}

/** The part of a Standard Schema that describes its input (https://standardschema.dev/json-schema). */
interface Describing {
  jsonSchema?: { input?: (options: { target: string }) => Record<string, unknown> }
}

/** Describes classes, sorted by key. */
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
    // The schema has a part that JSON Schema cannot express, such as a date.
    return undefined
  }
}
