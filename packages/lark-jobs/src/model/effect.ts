/**
 * An effect is what must happen elsewhere because a job ended. The store writes it in the same atomic step as
 * the end, and keeps it until somebody acknowledges it. A job has at most one effect of each kind:
 *
 *   hook     calls the hook of the job's class, for a job that ended while no handler was running
 *   member   the job is a member of a flow: the partition that keeps the flow counts it as ended. A job that
 *            ends in that partition has no such effect: its flow counts it in the same atomic step
 *
 * If several members of one flow complete in the same call, a store may write their effects together (as a
 * bundle), because the flow needs only their numbers. The effects are handed out one by one, but
 * acknowledging all of a bundle at once costs less.
 *
 * The id of a member contains its flow, the partition of the flow, and the index of the member:
 * `<flow>.<home>:<index>`. So no store needs a table of members. The id of a flow has letters, digits, `-`
 * and `_` only. The ids of other jobs have no colon, except those of ticks (`tick.ts`).
 */
import type { JobRecord } from './record.ts'

/** An effect, with the ended job. */
export type Effect = { kind: 'hook'; job: JobRecord } | ({ kind: 'member'; job: EndedMember } & Bundled)

/** An effect that a store may have written together with the effects of other members of the flow. */
interface Bundled {
  /** The store's name for all of these effects together. Only the store reads it. */
  bundle?: string
}

export type EffectKind = Effect['kind']

/**
 * An ended job without its payload. The payload may be large, and neither a flow nor a process that awaits
 * the end needs it.
 */
export type EndedJob = Omit<JobRecord, 'payload'>

/**
 * What a flow learns about an ended job. For a completed job, there are no errors, only a node has a result,
 * and `queuedAt` may be absent.
 */
export type EndedMember = Pick<
  JobRecord,
  'id' | 'state' | 'reason' | 'because' | 'errors' | 'result' | 'finishedAt'
> &
  Partial<Pick<JobRecord, 'queuedAt'>>

/** Names an effect in order to acknowledge it. */
export interface EffectName extends Bundled {
  kind: EffectKind
  /** The id of the job. */
  id: string
  /** The job's `finishedAt`. It is part of the name because a job that was retried by hand may end again. */
  at: number
}

/** A member of a flow. */
export interface Member {
  flow: string
  /** The partition that keeps the flow. */
  home: string
  /** The index of the member, from 0. */
  index: number
}

export function nameOf(effect: Effect): EffectName {
  const { kind, job } = effect
  const name = { kind, id: job.id, at: job.finishedAt! }
  return kind === 'member' && effect.bundle !== undefined ? { ...name, bundle: effect.bundle } : name
}

/** All indices are written with this many digits, so that ids sort by index. */
const WIDTH = 8
const form = /^([0-9A-Za-z_-]+)\.(.+):([0-9]{8})$/

/** The id of a member. */
export function memberId({ flow, home, index }: Member): string {
  return `${flow}.${home}:${String(index).padStart(WIDTH, '0')}`
}

/** The member that an id names. Undefined for the id of a job that belongs to no flow. */
export function memberOf(id: string): Member | undefined {
  // Most ids have no colon, so they need not be matched against the pattern.
  const parts = id.includes(':') ? form.exec(id) : null
  return parts === null ? undefined : { flow: parts[1]!, home: parts[2]!, index: Number(parts[3]) }
}
