/** The roles are an application of their own; the conductor says which store it has, and which queues a role serves. */
const { CHAOS_STORE, CHAOS_PREFIX, CHAOS_QUEUES, CHAOS_DURABILITY } = process.env

export default {
  jobs: {
    connection: CHAOS_STORE,
    prefix: CHAOS_PREFIX,
    queues: CHAOS_QUEUES.split(','),
    durability: CHAOS_DURABILITY,
  },
}
