/**
 * The key of a class that runs the jobs of all keys for which its worker has no other class: for a queue in
 * which each job has a name of its own, and one function runs them all.
 */
import { isReserved } from './reserved-key.ts'

export const EVERY_KEY = '*'

/** Whether a worker that names these keys runs jobs of a key. */
export function runsKey(keys: readonly string[], key: string): boolean {
  return keys.includes(key) || (keys.includes(EVERY_KEY) && !isReserved(key))
}

/** The fields of a worker that say whose jobs it runs. */
interface Knowing {
  readonly keys: readonly string[]
  readonly queues: readonly string[]
}

/** Whether some worker knows the class of a job of a queue, or runs the jobs of every key there. */
export function isKnown(workers: readonly Knowing[], key: string, queue: string): boolean {
  return workers.some(
    ({ keys, queues }) => keys.includes(key) || (queues.includes(queue) && runsKey(keys, key)),
  )
}
