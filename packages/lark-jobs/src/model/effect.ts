/**
 * An effect is what must happen elsewhere because a job ended. The store writes it in the same atomic step as
 * the end, and keeps it until somebody acknowledges it. A job has at most one effect of each kind:
 *
 *   hook     the class of the job is told of an end without a running handler
 *   member   the job is a member of a flow, and the home partition of the flow counts it as ended. A job that
 *            ends in that partition has none: its flow counts it in the step that ends it
 *
 * A store may write the effects of members together that are of one flow and complete in one call, because
 * the flow needs no more than their numbers. They are handed out one by one, but are acknowledged at less
 * cost if all are at once.
 *
 * The id of a member says which flow, where, and which member: `<flow>.<home>:<index>`. So no store keeps a
 * table of members. The id of a flow has letters, digits, `-` and `_` only. Ids of other jobs have no colon,
 * or are those of ticks (`tick.ts`).
 */
import type { JobRecord } from './record.ts'

/** A job as it ended. */
export type Effect = { kind: 'hook'; job: JobRecord } | ({ kind: 'member'; job: EndedMember } & Bundled)

/** An effect that a store has written together with those of other members of a flow. */
interface Bundled {
  /** How the store names all of them. Only the store reads it. */
  bundle?: string
}

export type EffectKind = Effect['kind']

/**
 * A job without its payload, which may be large: neither the home of a flow nor a process that awaits the end
 * needs it.
 */
export type EndedJob = Omit<JobRecord, 'payload'>

/**
 * What a flow is told of a job. Of one that completed: no errors, the result only of a node, and perhaps no
 * `queuedAt`.
 */
export type EndedMember = Pick<
  JobRecord,
  'id' | 'state' | 'reason' | 'because' | 'errors' | 'result' | 'finishedAt'
> &
  Partial<Pick<JobRecord, 'queuedAt'>>

/** Names an effect, to acknowledge it. */
export interface EffectName extends Bundled {
  kind: EffectKind
  /** The id of the job. */
  id: string
  /** The job's `finishedAt`: a job that was retried by hand may have ended again. */
  at: number
}

/** A member of a flow. */
export interface Member {
  flow: string
  /** The partition that keeps the flow. */
  home: string
  /** From 0. */
  index: number
}

export function nameOf(effect: Effect): EffectName {
  const { kind, job } = effect
  const name = { kind, id: job.id, at: job.finishedAt! }
  return kind === 'member' && effect.bundle !== undefined ? { ...name, bundle: effect.bundle } : name
}

/** All indices have the same width, so that ids sort by index. */
const WIDTH = 8
const form = /^([0-9A-Za-z_-]+)\.(.+):([0-9]{8})$/

/** The id of a member. */
export function memberId({ flow, home, index }: Member): string {
  return `${flow}.${home}:${String(index).padStart(WIDTH, '0')}`
}

/** The member that an id names; undefined for the id of any other job. */
export function memberOf(id: string): Member | undefined {
  // Most ids have no colon, and are not compared with the form.
  const parts = id.includes(':') ? form.exec(id) : null
  return parts === null ? undefined : { flow: parts[1]!, home: parts[2]!, index: Number(parts[3]) }
}
