/** The configuration of the roles. The conductor sets the store and the queues of each role. */
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
