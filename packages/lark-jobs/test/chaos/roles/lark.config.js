/** The roles are an application of their own; the conductor says which store it has, and which queues a role serves. */
const { CHAOS_STORE, CHAOS_PREFIX, CHAOS_QUEUES, CHAOS_LIMITS, CHAOS_DURABILITY } = process.env
const limits = JSON.parse(CHAOS_LIMITS)
const configOf = (queue) => (queue in limits ? { concurrency: limits[queue] } : {})

export default {
  jobs: {
    connection: CHAOS_STORE,
    prefix: CHAOS_PREFIX,
    queues: Object.fromEntries(CHAOS_QUEUES.split(',').map((queue) => [queue, configOf(queue)])),
    durability: CHAOS_DURABILITY,
  },
}
