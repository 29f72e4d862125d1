/**
 * The key of a class that runs all jobs whose keys no other class of the worker has. Such a class is for
 * queues in which each job has its own name and one function runs all jobs.
 */
import { isReserved } from './reserved-key.ts'

export const EVERY_KEY = '*'

/** Whether a worker whose classes have `keys` runs jobs with the key `key`. */
export function runsKey(keys: readonly string[], key: string): boolean {
  return keys.includes(key) || (keys.includes(EVERY_KEY) && !isReserved(key))
}

/** The fields of a worker that say which jobs it runs. */
interface Knowing {
  readonly keys: readonly string[]
  readonly queues: readonly string[]
}

/** Whether at least one worker of a queue knows the class of a job, or runs jobs of every key. */
export function isKnown(workers: readonly Knowing[], key: string, queue: string): boolean {
  return workers.some(
    ({ keys, queues }) => keys.includes(key) || (queues.includes(queue) && runsKey(keys, key)),
  )
}
