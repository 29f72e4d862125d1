/**
 * The key of a class that runs all jobs whose keys its worker does not know otherwise. It is for queues in
 * which each job has its own name and one function runs them all.
 */
import { isReserved } from './reserved-key.ts'

export const EVERY_KEY = '*'

/** Whether a worker with these keys runs jobs with a key. */
export function runsKey(keys: readonly string[], key: string): boolean {
  return keys.includes(key) || (keys.includes(EVERY_KEY) && !isReserved(key))
}

/** The fields of a worker that say which jobs it runs. */
interface Knowing {
  readonly keys: readonly string[]
  readonly queues: readonly string[]
}

/** Whether at least one worker knows the class of a job in a queue, or runs the jobs of every key there. */
export function isKnown(workers: readonly Knowing[], key: string, queue: string): boolean {
  return workers.some(
    ({ keys, queues }) => keys.includes(key) || (queues.includes(queue) && runsKey(keys, key)),
  )
}
