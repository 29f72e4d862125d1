/**
 * The names of a queue's partitions. The first has the queue's own name, the others a number behind it: `emails`,
 * `emails/1`, `emails/2`. So a queue that grows from one partition to several moves nothing.
 */

/** The names of a queue's first so many partitions. */
export function partitionsOf(queue: string, count: number): string[] {
  return Array.from({ length: count }, (_, number) => (number === 0 ? queue : `${queue}/${number}`))
}

/** The queue of a partition: the name of a queue has no slash. */
export function queueOf(partition: string): string {
  const slash = partition.indexOf('/')
  return slash === -1 ? partition : partition.slice(0, slash)
}
