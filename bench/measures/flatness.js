/** Whether a job costs the same however many wait, over however many queues they are spread, however many work. */
import { payloads } from '../payloads.js'
import { cost } from './cpu.js'

export const measures = [
  waiting(1, '1'),
  waiting(100_000, '100,000'),
  waiting(1_000_000, '1 million'),
  { ...waiting(5_000_000, '5 million'), slow: true },
  spread(1_000, '1,000'),
  among(1_000, '1,000'),
  shared(200),
  partitioned(3),
]

/** Dispatches and works off behind a backlog. */
function waiting(backlog, text) {
  return {
    ...measure(`waiting-${backlog}`, `${text} waiting`, backlog > 1),
    // Filling a queue takes longer than measuring it.
    ...(backlog > 100_000 && { rounds: 1 }),
    async run({ open, probe }) {
      const queue = await open()
      const bulk = payloads(Math.min(backlog, 10_000))
      for (let left = backlog; left > 0; left -= bulk.length) await queue.addMany(bulk)
      return both(queue, probe)
    },
  }
}

/** Every batch of 100 goes to 100 queues: a call for each, where one queue takes one for all. */
function spread(queues, text) {
  return {
    ...measure(`queues-${queues}`, `over ${text} queues`),
    run: async ({ open, probe }) => both(await open({ queues }), probe),
  }
}

/** One queue has all the work, and the worker serves the others too. */
function among(queues, text) {
  return {
    ...measure(`queues-${queues}-one`, `in one of ${text} queues`),
    run: async ({ open, probe }) => both(await open({ queues, used: 1 }), probe),
  }
}

/** Workers of 50 slots each, all in this process, of which one could do the work. */
function shared(workers) {
  return {
    ...measure(`workers-${workers}`, `${workers} workers`),
    run: async ({ open, probe }) => both(await open(), probe, workers),
  }
}

/** Every batch is parted: dispatch pays a call for each partition. */
function partitioned(partitions) {
  const base = measure(`partitions-${partitions}`, `a queue of ${partitions} partitions`)
  return {
    ...base,
    rows: [
      ...base.rows,
      { metric: 'redisIn', label: '  of Redis CPU, dispatch', unit: 'µs' },
      { metric: 'nodeIn', label: '  of Node CPU, dispatch', unit: 'µs' },
    ],
    run: async ({ open, probe }) => both(await open({ partitions }), probe),
  }
}

/** @param {boolean} [held] against the cost with one job waiting */
function measure(name, label, held = true) {
  const target = held ? { part: 1.5 } : undefined
  return {
    name,
    peers: ['lark'],
    rows: [
      { metric: 'redis', label: `Redis CPU a job, ${label}`, unit: 'µs', target },
      { metric: 'node', label: `Node CPU a job, ${label}`, unit: 'µs', target },
    ],
  }
}

async function both(queue, probe, workers) {
  const { into, out } = await cost(queue, probe, workers)
  return {
    redis: into.redis + out.redis,
    node: into.node + out.node,
    redisIn: into.redis,
    nodeIn: into.node,
  }
}
