/**
 * The names of a queue's partitions. The first has the queue's own name, the others a number behind it: `emails`,
 * `emails/1`, `emails/2`. So a queue that grows from one partition to several moves nothing.
 */

/** The names of a queue's first so many partitions. */
export function partitionsOf(queue: string, count: number): string[] {
  return Array.from({ length: count }, (_, number) => (number === 0 ? queue : `${queue}/${number}`))
}

/**
 * Which of so many partitions has what belongs together, such as the jobs of one lock: the one that weighs most with
 * that name (rendezvous hashing, Thaler and Ravishankar 1998). When a queue gets one more partition, only what that one
 * takes over moves.
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

/** FNV-1a of 32 bits, stirred as MurmurHash3 does at its end: texts that are nearly alike must not come near each other. */
function hash(text: string): number {
  let state = 0x811c9dc5
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return (state ^ (state >>> 16)) >>> 0
}

/** The queue of a partition: the name of a queue has no slash. */
export function queueOf(partition: string): string {
  const slash = partition.indexOf('/')
  return slash === -1 ? partition : partition.slice(0, slash)
}
