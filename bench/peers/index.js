/**
 * The peers, by name. Each is a file in this folder that exports a name for people (`title`), the kind of its store
 * (`store`: redis, file or postgres), and functions:
 *
 *   clear(place)                empties the store, if run.js cannot
 *   open(place, options)        place: { connection }, a URL, and { file }; options: slots, the number of jobs at the
 *                               same time, and tuned: `throughput` (the default) or `latency`
 *     add(payload)              resolves when the job is queued
 *     addMany(payloads)         absent if the peer has no such call
 *     addLater(payload, delay)  milliseconds; absent if delays are not measured
 *     flows                     { batch(payloads, callback), chain(payloads), workflow(payloads, width, parents) }: each
 *                               resolves when the flow is dispatched; absent if the peer has none
 *     schedule(n, pattern)      makes the schedule of this number with this cron expression; absent if the peer has none
 *     work(concurrency, handler)
 *     close()                   closes the dispatching side
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
