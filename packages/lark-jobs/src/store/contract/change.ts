/**
 * The changes that people make to jobs by hand, their results, and the settings of a partition.
 */
import { defined } from '@s18i/lark/internal'
import type { Limits } from '../../model/limits.ts'
import type { CancelReason, JobRecord, LogLine, State } from '../../model/record.ts'
import type { Pause, Paused, PausedGroup } from './rules/pause.ts'

export { MAX_TAGS } from '../../model/record.ts'
export type { PausedGroup } from './rules/pause.ts'

/**
 * A change of jobs by hand. `only`: the change is refused for jobs in other states. For example, a person who
 * wants to remove a failed job must not remove it if somebody else has just retried it.
 */
export type Change = ChangeOfKind & { only?: readonly State[] }

type ChangeOfKind =
  /**
   * Queues an ended job again, at the end of its line. The failures and crashes of the job are reset. A
   * unique job takes its lock again; the retry is refused while another job has the lock. `fromStart`: the
   * records of the job's steps are removed. The retry of a completed job always removes these records.
   * `keepsFailures`: the failures are not reset, and the run of a completed job counts as a failure.
   */
  | { kind: 'retry'; fromStart?: boolean; keepsFailures?: boolean }
  /**
   * Cancels a waiting or delayed job. An active job is only `asked`: its worker gets a notice with the next
   * `extend`. `because`: a text for people that is kept with the reason. `ifNotBegun`: a job that is active
   * or has run before is refused.
   */
  | { kind: 'cancel'; reason: CancelReason; because?: string; ifNotBegun?: boolean }
  /**
   * Removes a job in any state but active, with its log. `ifNotBegun`: a job that has run before is refused.
   * `as`: the version of each job as the caller has read it (`versionOf`); a job that has another version now
   * is refused.
   */
  | { kind: 'remove'; ifNotBegun?: boolean; as?: readonly string[] }
  /**
   * Removes jobs for good, including records that are kept for effects (`effects.ts`). The effects of an
   * ended job are withdrawn, and a job that has not ended gets no effects: neither its class nor its flow
   * learns of the removal. A flow that asks for a purged member gets the answer `unknown`. `isElsewhere`: the
   * jobs have moved to another partition, and the data that this partition still keeps of them is removed.
   * Without `isElsewhere`, the verdict for moved jobs is `missing` (`moved.ts`).
   */
  | { kind: 'purge'; isElsewhere?: true }
  /**
   * From now on, a failed member of a flow is kept only as long as its class and its queue say, and no longer
   * because of its flow (`retention.ts`).
   */
  | { kind: 'unpin' }
  /** Makes a delayed job due now. */
  | { kind: 'run-now' }
  /** Delays a waiting or delayed job until `in` milliseconds from now. */
  | { kind: 'reschedule'; in: number }
  /**
   * Changes the priority of a waiting or delayed job. The job keeps its state, and its time decides its place
   *  among the jobs of the new priority. The change is refused if the job needs a line of its own and
   *  `MAX_LINES` other priorities are in use.
   */
  | { kind: 'prioritize'; priority: number }
  /**
   * Replaces the payload (JSON text) of a job in any state but active, and notes the time of the change in
   * the options. `redact`: the paths that are hidden from now on; default: unchanged. `whileActive`: the
   * payload of an active job is also replaced, and its next attempt uses the new payload. A job whose steps
   * have recorded something is refused, unless `force` is set.
   */
  | {
      kind: 'edit'
      payload: string
      redact?: readonly string[] | undefined
      whileActive?: boolean
      force?: boolean
    }
  /**
   * Adds tags to a job in any state, after its other tags. The change is refused if the job would have more
   * than `MAX_TAGS` tags.
   */
  | { kind: 'add-tags'; tags: readonly string[] }
  /** Removes tags from a job in any state. */
  | { kind: 'remove-tags'; tags: readonly string[] }
  /**
   * Adds lines to the log of a job in any state, and replaces the progress of the job (JSON text). The job
   * may run at the same time: its run can add further log lines and replace the progress again.
   */
  | { kind: 'report'; log?: LogLine[]; progress?: string }

const kinds: Record<Change['kind'], true> = {
  retry: true,
  cancel: true,
  remove: true,
  purge: true,
  unpin: true,
  'run-now': true,
  reschedule: true,
  prioritize: true,
  edit: true,
  'add-tags': true,
  'remove-tags': true,
  report: true,
}
/** The kinds of changes. For each kind, `alter.lua` has a function. */
export const changeKinds = Object.keys(kinds) as Change['kind'][]

/**
 * The version of a job's record, such as `failed 3 1767225600000`. The version changes when the job runs, is
 * queued again or is edited. So if a job has another version than the record that a caller has read, one of
 * these things has happened since the caller read it.
 */
export function versionOf({ state, runs, options }: Pick<JobRecord, 'state' | 'runs' | 'options'>): string {
  return `${state} ${runs} ${options?.editedAt ?? ''}`
}

/**
 * The result of a change for one job. `refused`: the state of the job does not allow the change, or the
 * record of the job is damaged or has an unknown format.
 */
export type AlterVerdict = 'done' | 'asked' | 'missing' | 'refused'

/**
 * The result of `restore` for one job. `exists`: the store has a job with this id, or still keeps a removed
 * job with this id.
 */
export type Restored = 'restored' | 'exists'

/** The settings that a partition keeps. */
export interface PartitionSettings extends Paused {
  paused: boolean
  /**
   * When the pause ends: milliseconds since 1970; absent if the pause lasts until somebody resumes the queue.
   */
  until?: number
  /** Why the queue is paused: a text for people. */
  because?: string
  /**
   * The limits that are stored with the partition. Each claim must keep these limits, and also the limits
   * that the claim itself states.
   */
  limits?: Limits
}

/** The settings that a call changes. Absent fields stay unchanged. */
export interface SettingChange {
  paused?: boolean
  /** How long the queue stays paused, in milliseconds. Default: until somebody resumes the queue. */
  for?: number
  /** Why the queue is paused: a text for people, of which at most 200 characters are kept. */
  because?: string | undefined
  /**
   * The person who pauses the queue. At most 100 characters of the name are kept, together with the time of
   * the pause.
   */
  by?: string | undefined
  /** If true, a present pause that ends later than the new pause would end stays unchanged. */
  keepsLonger?: boolean
  /** The limits of the partition from now on; null for none. */
  limits?: Limits | null
}

/**
 * The settings of a partition and its paused groups: at most `MAX_PAUSED`, in the order in which the pauses
 * end.
 */
export interface Setting extends PartitionSettings {
  groups: PausedGroup[]
}

export const MAX_PAUSED = 100

export function settingOf({ until, ...rest }: Pause, groups: PausedGroup[], limits?: Limits): Setting {
  if (until === 0) return { paused: false, groups, ...defined({ limits }) }
  return {
    paused: true,
    ...(until < Number.POSITIVE_INFINITY && { until }),
    ...rest,
    groups,
    ...defined({ limits }),
  }
}

/** The answer of `Store.pause`: the state of the group before the call. */
export interface MetGroup {
  /** Whether the group was paused before the call. */
  wasPaused: boolean
  /** Whether the group has jobs that are waiting, delayed or active. */
  hasJobs: boolean
}
