/**
 * The changes that people make to jobs by hand, their results, and the settings of a partition.
 */
import type { CancelReason, JobRecord, State } from '../../model/record.ts'
import type { Pause, Paused, PausedGroup } from './rules/pause.ts'

export { MAX_TAGS } from '../../model/record.ts'
export type { PausedGroup } from './rules/pause.ts'

/**
 * `only`: jobs in other states are refused, because they are no longer in the state in which somebody saw
 * them: a failed job may have been retried meanwhile.
 */
export type Change = ChangeOfKind & { only?: readonly State[] }

type ChangeOfKind =
  /**
   * completed, failed, cancelled → waiting. The job is queued now, at the end of its line, and its failures
   * and crashes are reset. A unique job takes its lock again; it is refused while another job has the lock.
   * `fromStart`: the records of its steps are forgotten, as they always are for a completed job.
   * `keepsFailures`: its failures are not reset, and a run that completed counts as one.
   */
  | { kind: 'retry'; fromStart?: boolean; keepsFailures?: boolean }
  /**
   * waiting, delayed → cancelled. active → `asked`: its worker gets a notice with its next `extend`.
   * `because`, for people, is kept with the reason. With `ifNotBegun`, a job that is active or was run before
   * is refused.
   */
  | { kind: 'cancel'; reason: CancelReason; because?: string; ifNotBegun?: boolean }
  /**
   * Any state but active → removed, with its log. `ifNotBegun`: as for `cancel`. `as`: the version of each
   * job (`versionOf`); a job that now has another version is refused.
   */
  | { kind: 'remove'; ifNotBegun?: boolean; as?: readonly string[] }
  /**
   * Removes jobs for good, including records that are kept for effects (`effects.ts`). The effects of an
   * ended job are withdrawn, and no effect is written for a job that has not ended: neither its class nor its
   * flow is told. A flow that asks for such a member gets the answer `unknown`. `isElsewhere`: for jobs that
   * were moved to another partition, removes what this partition still keeps of them; without it, the verdict
   * for such jobs is `missing` (`moved.ts`).
   */
  | { kind: 'purge'; isElsewhere?: true }
  /**
   * failed: a member of a flow is no longer kept for its flow, but only as long as its class and queue say
   * (`retention.ts`).
   */
  | { kind: 'unpin' }
  /** delayed → waiting. */
  | { kind: 'run-now' }
  /** waiting, delayed → delayed by `in` milliseconds from now. */
  | { kind: 'reschedule'; in: number }
  /**
   * waiting, delayed: the job keeps its state, and its place among the jobs of its new priority. Refused if
   *  it needs a line, and `MAX_LINES` other priorities are in use.
   */
  | { kind: 'prioritize'; priority: number }
  /**
   * Any state but active: the payload (JSON text) is replaced, and the time is noted in the options.
   * `redact`: the paths to hide from now on; default: unchanged. `whileActive`: the payload of an active job
   * is replaced too, for its next attempt. A job whose steps have recorded something is refused, unless
   * `force` is set.
   */
  | {
      kind: 'edit'
      payload: string
      redact?: readonly string[] | undefined
      whileActive?: boolean
      force?: boolean
    }
  /** Any state: these tags are added after its others. Refused if it would have more than `MAX_TAGS`. */
  | { kind: 'add-tags'; tags: readonly string[] }
  /** Any state: these tags are removed from the job. */
  | { kind: 'remove-tags'; tags: readonly string[] }

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
}
/** What a person can do to a job: `alter.lua` has a function for each. */
export const changeKinds = Object.keys(kinds) as Change['kind'][]

/**
 * The version of a record. It changes when the job is run, queued again, or edited, so it distinguishes two
 * records of one job: `failed 3 1767225600000`.
 */
export function versionOf({ state, runs, options }: Pick<JobRecord, 'state' | 'runs' | 'options'>): string {
  return `${state} ${runs} ${options?.editedAt ?? ''}`
}

/**
 * `refused`: the state of the job does not allow the change; or its record is damaged, or of another format.
 */
export type AlterVerdict = 'done' | 'asked' | 'missing' | 'refused'

/**
 * The result of putting one job back. `exists`: the store has a job with this id, or still keeps a removed
 * one.
 */
export type Restored = 'restored' | 'exists'

/** The settings of a partition. The partition keeps them. */
export interface PartitionSettings extends Paused {
  paused: boolean
  /** Milliseconds since 1970: when the pause ends. Absent: it lasts until somebody resumes. */
  until?: number
  /** Why it is paused, for people. */
  because?: string
}

/** The changes of a call. */
export interface SettingChange {
  paused?: boolean
  /** How long it is paused, in milliseconds. Default: until somebody resumes. */
  for?: number
  /** Why it is paused, for people: at most 200 characters are kept. */
  because?: string | undefined
  /** The person who pauses it: at most 100 characters are kept, with the time. */
  by?: string | undefined
  /** A pause that already lasts longer is not shortened. */
  keepsLonger?: boolean
}

/** The settings and the paused groups: at most `MAX_PAUSED`, in the order in which their pauses end. */
export interface Setting extends PartitionSettings {
  groups: PausedGroup[]
}

export const MAX_PAUSED = 100

export function settingOf({ until, ...rest }: Pause, groups: PausedGroup[]): Setting {
  if (until === 0) return { paused: false, groups }
  return {
    paused: true,
    ...(until < Number.POSITIVE_INFINITY && { until }),
    ...rest,
    groups,
  }
}

/** The state of a group that a call paused or resumed. */
export interface MetGroup {
  /** Before the call. */
  wasPaused: boolean
  /** The group has jobs that are waiting, delayed or active. */
  hasJobs: boolean
}
