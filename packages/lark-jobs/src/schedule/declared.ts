/**
 * Decides which definition of a class schedule is used when workers of different deploys declare different
 * definitions. Among the definitions that living workers declare, the newest is used: the definition whose
 * first declaration is the latest. So the definition of a new deploy is used as soon as its first worker
 * starts, an old process that starts again changes nothing, and after a rollback the old definition is used
 * again when the last worker of the new deploy has ended.
 */
import { defined } from '@s18i/lark/internal'
import { type Definition, hashOf, writeDefinition } from './definition.ts'
import type { Schedule } from './plan.ts'
import type { OtherDefinition } from './state.ts'

/** Milliseconds after which a definition that no living worker declares is forgotten. */
export const FORGET = 600_000

export interface Holding {
  /** The definition to use. Undefined if the schedule already has this definition. */
  definition?: Definition
  /** The changes of the state. Undefined if nothing changes. */
  changes?: { firstSeen: number; others: OtherDefinition[]; undeclaredSince?: number | undefined }
}

/**
 * @param own the definition that this process declares. Undefined if the process knows the class, and the
 *   class declares no schedule
 * @param declared the hashes of the definitions that living workers declare
 */
export function holding(
  { definition, state }: Schedule,
  own: Definition | undefined,
  declared: ReadonlySet<string>,
  at: number,
): Holding {
  const present: OtherDefinition = {
    hash: hashOf(definition),
    firstSeen: state.firstSeen ?? state.since,
    definition: writeDefinition(definition),
    ...defined({ undeclaredSince: state.undeclaredSince }),
  }
  const all = [present, ...(state.others ?? [])]
  if (own !== undefined && !all.some(({ hash }) => hash === hashOf(own)))
    all.push({ hash: hashOf(own), firstSeen: at, definition: writeDefinition(own) })
  const looked = all.map(
    ({ undeclaredSince = at, ...each }): OtherDefinition =>
      declared.has(each.hash) ? each : { ...each, undeclaredSince },
  )
  const living = looked.filter(({ hash }) => declared.has(hash))
  const holder = living.reduce<OtherDefinition>(
    (best, each) => (!declared.has(best.hash) || each.firstSeen > best.firstSeen ? each : best),
    looked[0]!,
  )
  const others = looked.filter(
    (each) => each !== holder && !(each.undeclaredSince !== undefined && at - each.undeclaredSince >= FORGET),
  )
  const { firstSeen, undeclaredSince } = holder
  const isNew = holder.hash !== present.hash
  const before = JSON.stringify([state.others ?? [], state.undeclaredSince])
  if (!isNew && JSON.stringify([others, undeclaredSince]) === before) return {}
  return {
    ...(isNew && { definition: JSON.parse(holder.definition) as Definition }),
    changes: { firstSeen, others, undeclaredSince },
  }
}
