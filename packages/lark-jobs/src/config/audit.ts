/**
 * The option `audit`: how much of the audit is kept. The audit records the changes that people make by hand.
 */

import { duration, isObject, Option, type OptionsOf, Schema, whole } from '../options/schema.ts'
import type { AuditBounds } from '../store/contract/audit.ts'
import { milliseconds } from '../words/duration.ts'

/** The part of the audit that is kept by default. This part takes about 5 MB. */
const AUDIT: AuditBounds = { count: 10_000, age: 90 * 86_400_000 }

export const auditBounds = new Schema("an object such as { count: 5_000, age: '30d' }", {
  /** How many of the newest changes are kept. Default 10,000. */
  count: whole(1),
  /** How long changes are kept. Default 90 days. */
  age: duration(),
})

/** An age (`'30d'`), `{ count, age }`, or `false`. With `false`, changes are not recorded. */
export type AuditConfig = false | string | AuditLimits

export interface AuditLimits extends OptionsOf<typeof auditBounds.entries> {}

/** A number is refused, because it could be a count or milliseconds. */
export const auditOption = new Option<AuditConfig, AuditBounds | false>(
  "false, an age such as '30d', or { count, age }",
  (value, path, voice) => {
    if (value === false) return false
    const isAge = typeof value === 'string' && milliseconds(value)
    if (!isAge && !isObject(value)) return undefined
    const { count, age } = isAge ? { age: isAge } : auditBounds.readAll(value, voice, path)
    return { count: count ?? AUDIT.count, age: age ?? AUDIT.age }
  },
)
