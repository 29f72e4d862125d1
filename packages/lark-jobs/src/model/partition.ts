/**
 * The names of a queue's partitions. The first partition has the name of the queue, and the others add a
 * number: `emails`, `emails/1`, `emails/2`. So no jobs have to be moved when a queue gets more partitions.
 */
import { MAX_NAME, type NewJob } from './record.ts'

/** The names of a queue's first `count` partitions. */
export function partitionsOf(queue: string, count: number): string[] {
  return Array.from({ length: count }, (_, number) => (number === 0 ? queue : `${queue}/${number}`))
}

/**
 * The number of the partition for all jobs with this id, group or lock name. It is the partition for which
 * the hash of the partition and the name is highest (rendezvous hashing, Thaler and Ravishankar 1998). When a
 * queue gets one more partition, some names move to the new partition, and all other names keep their
 * partition.
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
 * The partition of a queue for all jobs with this name. The name is the name of a group or a lock, or an id
 * that the application chose. Jobs that were queued while the queue had another number of partitions may be
 * in another partition.
 *
 * @param partitions the number of partitions of each configured queue
 */
export function partitionWith(name: string, queue: string, partitions: ReadonlyMap<string, number>): string {
  const count = partitions.get(queue) ?? 1
  return partitionsOf(queue, count)[partitionFor(name, count)]!
}

/**
 * The name that determines the partition of a job, or undefined if the job may go to any partition. The name
 * is an id that the application chose, or the name of a group or a lock, because all jobs of a group or a
 * lock must be in one partition.
 */
export function placeNameOf({ id, ownId, group, lock }: NewJob): string | undefined {
  return ownId === undefined ? (group?.name ?? lock?.name) : id
}

/**
 * A 32-bit FNV-1a hash with the finalizer of MurmurHash3, so that similar texts have very different hashes.
 */
function hash(text: string): number {
  let state = 0x811c9dc5
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return (state ^ (state >>> 16)) >>> 0
}

/**
 * Whether a value can be the name of a queue. Some characters are not allowed: spaces and commas separate
 * names on the command line, `/` separates the number of a partition, and `{}` has a meaning in Redis
 * Cluster.
 */
export function isQueueName(value: unknown): boolean {
  return (
    typeof value === 'string' && value !== '' && value.length <= MAX_NAME && !/[\s,/{}\p{C}]/u.test(value)
  )
}

/** The queue of a partition: the part of its name before the slash. */
export function queueOf(partition: string): string {
  const slash = partition.indexOf('/')
  return slash === -1 ? partition : partition.slice(0, slash)
}
