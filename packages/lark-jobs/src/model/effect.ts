/**
 * An effect is an action that is due outside of the job's partition because the job has ended. The store
 * writes the effect in the same atomic step as the end of the job, and keeps the effect until a worker
 * acknowledges it. A job has at most one effect of each kind:
 *
 *   hook     a worker must call the hook of the job's class, because the job ended while no handler was
 *            running
 *   member   the job is a member of a flow: the partition that keeps the flow counts it as ended. A job that
 *            ends in that partition has no such effect: its flow counts it in the same atomic step
 *
 * If several members of one flow complete in the same call, a store may write their effects together (as a
 * bundle), because the flow needs only their numbers. The store hands out the effects of a bundle one by one,
 * but acknowledging all effects of a bundle in one call costs less.
 *
 * The id of a member contains its flow, the partition of the flow, and the index of the member:
 * `<flow>.<home>:<index>`. So no store needs a table of members. The id of a flow has letters, digits, `-`
 * and `_` only. The ids of other jobs have no colon, except the ids of ticks (`tick.ts`).
 */
import type { JobRecord } from './record.ts'

/** An effect, with the ended job. */
export type Effect = { kind: 'hook'; job: JobRecord } | ({ kind: 'member'; job: EndedMember } & Bundled)

/** An effect that a store may have written together with the effects of other members of the flow. */
interface Bundled {
  /** The store's name for the bundle. Only the store reads this name. */
  bundle?: string
}

export type EffectKind = Effect['kind']

/**
 * An ended job without its payload. The payload may be large, and neither a flow nor a process that awaits
 * the end of the job needs the payload.
 */
export type EndedJob = Omit<JobRecord, 'payload'>

/**
 * The fields of an ended job that its flow receives. A completed job has no errors here and may have no
 * `queuedAt`, and only the job of a node has a result.
 */
export type EndedMember = Pick<
  JobRecord,
  'id' | 'state' | 'reason' | 'because' | 'errors' | 'result' | 'finishedAt'
> &
  Partial<Pick<JobRecord, 'queuedAt'>>

/** The name of an effect, with which a worker acknowledges the effect. */
export interface EffectName extends Bundled {
  kind: EffectKind
  /** The id of the job. */
  id: string
  /**
   * The job's `finishedAt`. The name of the effect contains this time because a job that was retried by hand
   * may end again.
   */
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

/**
 * The number of digits of an index in an id. All indices have the same number of digits, so that ids sort by
 * index.
 */
const WIDTH = 8
const form = /^([0-9A-Za-z_-]+)\.(.+):([0-9]{8})$/

/** The id of a member. */
export function memberId({ flow, home, index }: Member): string {
  return `${flow}.${home}:${String(index).padStart(WIDTH, '0')}`
}

/** The member that an id names, or undefined if the job belongs to no flow. */
export function memberOf(id: string): Member | undefined {
  // Most ids have no colon. The search for a colon is faster than the pattern.
  const parts = id.includes(':') ? form.exec(id) : null
  return parts === null ? undefined : { flow: parts[1]!, home: parts[2]!, index: Number(parts[3]) }
}
