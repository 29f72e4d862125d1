/**
 * The names of a queue's partitions. The first has the queue's own name, the others add a number: `emails`,
 * `emails/1`, `emails/2`. So a queue that gets more partitions moves no jobs.
 */
import { MAX_NAME, type NewJob } from './record.ts'

/** The names of a queue's first `count` partitions. */
export function partitionsOf(queue: string, count: number): string[] {
  return Array.from({ length: count }, (_, number) => (number === 0 ? queue : `${queue}/${number}`))
}

/**
 * The number of the partition for all jobs with this group or lock name: the partition with the highest hash
 * together with the name (rendezvous hashing, Thaler and Ravishankar 1998). When a queue gets one more
 * partition, only the names that move to the new one change their partition.
 */
export function partitionFor(name: string, count: number): number {
  let best = 0
  let most = -1
  for (let number = 0; number < count; number++) {
    const weight = hash(`${number}/${name}`)
    if (weight > most) [best, most] = [number, weight]
  }
  return best
}

/**
 * The partition of a queue for all jobs with this name: an id of the application, a group or a lock. Jobs
 * that were queued when the queue had another number of partitions may be elsewhere.
 *
 * @param partitions the number of partitions of each configured queue
 */
export function partitionWith(name: string, queue: string, partitions: ReadonlyMap<string, number>): string {
  const count = partitions.get(queue) ?? 1
  return partitionsOf(queue, count)[partitionFor(name, count)]!
}

/**
 * The name that decides the partition of a job: an id that the application chose, or the group or lock whose
 * jobs must be together. Undefined: the job may go to any partition.
 */
export function placeNameOf({ id, ownId, group, lock }: NewJob): string | undefined {
  return ownId === undefined ? (group?.name ?? lock?.name) : id
}

/** FNV-1a of 32 bits, with the finalizer of MurmurHash3, so that similar texts have very different hashes. */
function hash(text: string): number {
  let state = 0x811c9dc5
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return (state ^ (state >>> 16)) >>> 0
}

/**
 * Spaces and commas separate names on the command line, `/` names a partition, and `{}` is for Redis Cluster.
 */
export function isQueueName(value: unknown): boolean {
  return (
    typeof value === 'string' && value !== '' && value.length <= MAX_NAME && !/[\s,/{}\p{C}]/u.test(value)
  )
}

/** The queue of a partition. The name of a queue has no slash. */
export function queueOf(partition: string): string {
  const slash = partition.indexOf('/')
  return slash === -1 ? partition : partition.slice(0, slash)
}
