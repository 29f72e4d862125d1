/**
 * The peers, by name. Each peer is a file in this folder that exports its name in the table (`title`), the
 * kind of its store (`store`: redis, file or postgres), and these functions:
 *
 *   clear(place)              empties the store; absent if run.js can empty it
 *   open(place, options)        place: { connection }, a URL, and { file }; options: slots, the number of jobs at the
 *                               same time, and tuned: `throughput` (the default) or `latency`
 *     add(payload)              resolves when the job is queued
 *     addMany(payloads)         absent if the peer has no such call
 *     addLater(payload, delay)  delay: milliseconds; absent if delays are not measured
 *     flows                     { batch(payloads, callback), chain(payloads), workflow(payloads, width, parents) }: each
 *                               resolves when the flow is dispatched; absent if the peer has no flows
 *     schedule(n, pattern)      makes the schedule number n with this cron expression; absent if the peer
 *                               has no schedules
 *     work(concurrency, handler)
 *     close()                   closes the connections with which the peer dispatches
 */

/** The peers on Redis, in the order of the table's columns. */
export const onRedis = ['lark', 'bullmq', 'bullmq-lean', 'bee-queue', 'groupmq']
export const names = [...onRedis, 'graphile-worker', 'dbos', 'lark-embedded', 'plainjob']

/** @returns the exports of the peer's file; undefined if its packages are not installed */
export async function load(name) {
  try {
    return await import(`./${name}.js`)
  } catch (error) {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  }
}
