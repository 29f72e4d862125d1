/**
 * The peers by name. Each is a file beside this one that says what it is called (`title`), where it keeps its jobs
 * (`store`: redis, file or postgres) and how it is used:
 *
 *   clear(place)                empties it, where run.js cannot
 *   open(place, options)        place: { connection }, a URL, and { file }; options: slots, how many jobs at a time
 *                               there will be, and tuned, for `throughput` (the default) or `latency`
 *     add(payload)              resolves when the job is queued
 *     addMany(payloads)         absent where there is no such call
 *     addLater(payload, delay)  milliseconds; absent where delays are not to be measured
 *     work(concurrency, handler)
 *     close()                   of what dispatches
 */

/** In the order of the table's columns. */
export const onRedis = ['lark', 'bullmq', 'bullmq-lean', 'bee-queue', 'groupmq']
export const names = [...onRedis, 'graphile-worker', 'lark-embedded', 'plainjob']

/** @returns what the peer's file exports; undefined when its packages are not installed */
export async function load(name) {
  try {
    return await import(`./${name}.js`)
  } catch (error) {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  }
}
