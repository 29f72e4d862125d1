/**
 * `removeOnComplete` and `removeOnFail`. If the option is an age, `true` or `false`, it is stored with the
 * job. If it is a number of jobs, it applies to the whole queue. In BullMQ, each job that ends applies its
 * own number. In Lark, the worker that runs the job applies the number.
 */
import { defined } from '@s18i/lark/internal'
import { type Drafted, isObject, LARGEST } from '@s18i/lark-jobs/internal'
import type { Retention } from '@s18i/lark-jobs/operate'
import { wrongValue } from '../compared/unsupported.ts'

/** For how long a job is kept after its end, by the state in which it ends. */
export type Keep = NonNullable<Drafted['keep']>

/** How many ended jobs are kept, and for how many seconds. */
export interface KeepJobs {
  count?: number
  age?: number
  limit?: number
}

export type RemoveOption = boolean | number | KeepJobs | undefined

/** The options of a job for its own retention. */
export interface JobRemoval {
  removeOnComplete?: RemoveOption
  removeOnFail?: RemoveOption
}

const right = 'true, false, a number of jobs, or { age, count }, with the age in seconds'

/** @throws JOB_INVALID */
export function checkRemove(who: string, name: string, value: unknown): void {
  const isCount = (each: unknown) => each === undefined || (Number.isInteger(each) && (each as number) >= 0)
  const isAge = (each: unknown) => each === undefined || (typeof each === 'number' && each >= 0)
  if (value === undefined || typeof value === 'boolean') return
  if (typeof value === 'number' && isCount(value)) return
  // In BullMQ, a number below 0 means that all jobs are kept.
  if (value === -1) return
  if (!isObject(value)) throw wrongValue(who, name, value, right)
  const { count, age, limit: _, ...others } = value
  const isKnown = Object.keys(others).length === 0 && (count !== undefined || age !== undefined)
  if (!isKnown || !(count === -1 || isCount(count)) || !isAge(age)) throw wrongValue(who, name, value, right)
}

/**
 * For how long Lark keeps a job with these options after its end. Undefined if the settings of its queue
 * decide.
 */
export function keepOf({ removeOnComplete, removeOnFail }: JobRemoval): Keep | undefined {
  const [completed, failed] = [ageOf(removeOnComplete), ageOf(removeOnFail)]
  if (completed === undefined && failed === undefined) return undefined
  // In BullMQ, a cancelled job counts as failed.
  return defined({ completed, failed, cancelled: failed })
}

/**
 * Milliseconds for which a job is kept. With 0, the job is not kept. Undefined if the option is a number of
 * jobs, or absent.
 */
function ageOf(remove: RemoveOption): number | undefined {
  if (remove === true || remove === 0) return 0
  if (remove === false || remove === -1) return LARGEST.time
  if (typeof remove !== 'object' || remove.count === 0) return typeof remove === 'object' ? 0 : undefined
  if (remove.count === -1 && remove.age === undefined) return LARGEST.time
  const isAgeAlone = remove.count === undefined || remove.count === -1
  return isAgeAlone && remove.age !== undefined ? Math.min(LARGEST.time, remove.age * 1_000) : undefined
}

/** Whether a job with this option is removed as soon as it has ended. */
export function keepsNone(remove: RemoveOption): boolean {
  return ageOf(remove) === 0
}

/** The retention of a queue, if the option is a number of jobs. */
export function retentionOfCount(remove: RemoveOption): Retention | undefined {
  if (typeof remove === 'number') return remove > 0 ? { count: remove, age: LARGEST.time } : undefined
  if (typeof remove !== 'object' || remove.count === undefined || remove.count <= 0) return undefined
  return {
    count: remove.count,
    age: remove.age === undefined ? LARGEST.time : Math.min(LARGEST.time, remove.age * 1_000),
  }
}
