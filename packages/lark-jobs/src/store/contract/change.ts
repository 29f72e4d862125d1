/**
 * The changes that people make to jobs by hand, their results, and the settings of a partition.
 */
import type { CancelReason, JobRecord } from '../../model/record.ts'
import type { Pause, Paused, PausedGroup } from './rules/pause.ts'

export { MAX_TAGS } from '../../model/record.ts'
export type { PausedGroup } from './rules/pause.ts'

export type Change =
  /**
   * completed, failed, cancelled → waiting, queued now, at the end of its line, with failures and crashes
   * reset. A unique job takes its lock again; it is refused while another job has the lock. With
   * `unlessCompleted`, a completed job is refused: it may have completed since somebody saw that it had not.
   * `fromStart`: what its steps have recorded is forgotten, as it always is of a completed job.
   */
  | { kind: 'retry'; unlessCompleted?: boolean; fromStart?: boolean }
  /**
   * waiting, delayed → cancelled. active → `asked`: its worker gets a notice with its next `extend`.
   * `because`, for people, is kept with the reason. With `ifNotBegun`, a job that is active or was run before
   * is refused.
   */
  | { kind: 'cancel'; reason: CancelReason; because?: string; ifNotBegun?: boolean }
  /** Any state but active → gone, with its log. `ifNotBegun`: as for `cancel`. `as`: the version of each job
   *  (`versionOf`); a job that has another now is refused. */
  | { kind: 'remove'; ifNotBegun?: boolean; as?: readonly string[] }
  /**
   * Removes for good: also a record that is kept for effects (`effects.ts`). These are withdrawn, and a job
   * that has not ended has none: nobody hears of its end. A flow that asks for such a member is answered
   * `unknown`. `isElsewhere`: of jobs that were moved, what is kept here; without it, these are missing
   * (`moved.ts`).
   */
  | { kind: 'purge'; isElsewhere?: true }
  /** failed: a member of a flow is kept as its class and queue say from now on (`retention.ts`). */
  | { kind: 'unpin' }
  /** delayed → waiting. */
  | { kind: 'run-now' }
  /** waiting, delayed → delayed by `in` milliseconds from now. */
  | { kind: 'reschedule'; in: number }
  /** waiting, delayed: the job keeps its state and its place, among the jobs of its new priority. Refused if
   *  it needs a line, and `MAX_LINES` other priorities are in use. */
  | { kind: 'prioritize'; priority: number }
  /**
   * Any state but active: the payload (JSON text) is replaced, and the options say when. `redact`: the paths
   * to hide from then on; by default they stay. `whileActive`: of an active job too, whose next attempt gets
   * it. A job whose steps have recorded something is refused, unless `force` says so.
   */
  | {
      kind: 'edit'
      payload: string
      redact?: readonly string[] | undefined
      whileActive?: boolean
      force?: boolean
    }
  /**
   * Any state: the job has these tags too, behind its others. Refused if it then has more than `MAX_TAGS`.
   */
  | { kind: 'add-tags'; tags: readonly string[] }
  /** Any state: the job has none of these tags. */
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
 * What tells the record of a job from what it is after it was run, queued again, or edited: `failed 3
 * 1767225600000`.
 */
export function versionOf({ state, runs, options }: Pick<JobRecord, 'state' | 'runs' | 'options'>): string {
  return `${state} ${runs} ${options?.editedAt ?? ''}`
}

/**
 * `refused`: the state of the job does not allow the change; or its record is damaged, or of another format.
 */
export type AlterVerdict = 'done' | 'asked' | 'missing' | 'refused'

/**
 * What became of a job that a call puts back. `exists`: the store has a job with this id, or still keeps a
 * removed one.
 */
export type Restored = 'restored' | 'exists'

/** The settings of a partition. The partition keeps them. */
export interface PartitionSettings extends Paused {
  paused: boolean
  /** Milliseconds since 1970: when the pause ends. Absent: when somebody resumes. */
  until?: number
  /** Why it is paused, for people. */
  because?: string
}

/** What a call sets. */
export interface SettingChange {
  paused?: boolean
  /** How long it is paused, in milliseconds. Default: until somebody resumes. */
  for?: number
  /** Why it is paused, for people: at most 200 characters are kept. */
  because?: string | undefined
  /** The person who pauses it: at most 100 characters are kept, with the time. */
  by?: string | undefined
  /** If it is paused for longer already, it stays so. */
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
