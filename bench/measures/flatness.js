/** Whether the cost of a job stays the same with more waiting jobs, more queues and more workers. */
import { setTimeout as pause } from 'node:timers/promises'
import { payloads } from '../payloads.js'
import { scaled } from '../scale.js'
import { cost, dispatch, spent, work } from './cpu.js'

export const measures = [
  waiting(1, '1'),
  waiting(100_000, '100,000'),
  waiting(1_000_000, '1 million'),
  { ...waiting(5_000_000, '5 million'), slow: true },
  spread(1_000, '1,000'),
  among(1_000, '1,000'),
  floor(1_000, '1,000'),
  partitioned(3),
]

/** The measures with 1 worker and with 200 workers, which are compared with each other. */
export const fleets = [workers(1), workers(200)]

/** Makes a measure that dispatches and runs jobs while the queue has a backlog of waiting jobs. */
function waiting(backlog, text) {
  return {
    ...measure(`waiting-${backlog}`, `${text} waiting`, backlog > 1),
    // To fill a large queue takes longer than the measurement, so one round must be enough.
    ...(backlog > 100_000 && { rounds: 1 }),
    async run({ open, probe }) {
      const queue = await open()
      const bulk = payloads(Math.min(scaled(backlog), 10_000))
      for (let left = scaled(backlog); left > 0; left -= bulk.length) await queue.addMany(bulk)
      return both(queue, probe)
    },
  }
}

/**
 * Makes a measure in which the 100 jobs of each batch go to 100 queues, with one call for each queue. With a
 * single queue, the whole batch needs only one call.
 */
function spread(queues, text) {
  return {
    ...measure(`queues-${queues}`, `over ${text} queues`),
    run: async ({ open, probe }) => both(await open({ queues: scaled(queues) }), probe),
  }
}

/** Makes a measure in which one queue has all jobs, and the worker also serves many empty queues. */
function among(queues, text) {
  return {
    ...measure(`queues-${queues}-one`, `in one of ${text} queues`),
    run: async ({ open, probe }) => both(await open({ queues: scaled(queues), used: 1 }), probe),
  }
}

/**
 * Makes a measure of the least work that Redis can do for a job that is dispatched alone. A script stores the
 * record of the job, adds the id to the list of waiting jobs, and stores the number of the call, each under a
 * key of the job's queue. The script makes no safety checks, and the job is not claimed.
 */
function floor(queues, text) {
  const lua = `redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('RPUSH', KEYS[1] .. ':line', ARGV[1])
redis.call('SET', KEYS[1] .. ':call', ARGV[3], 'PX', 60000)
return ''`
  return {
    name: `queues-${queues}-floor`,
    peers: ['lark'],
    rows: [{ metric: 'redis', label: `  bare commands to queue it, over ${text} queues`, unit: 'µs' }],
    async run({ probe }) {
      const record = `1780000000000||SendEmailJob|${JSON.stringify(payloads(1)[0])}`
      const sha = await probe.ask(['SCRIPT', 'LOAD', lua])
      const send = (jobs) =>
        probe.repeat(jobs, (n) => [
          'EVALSHA',
          sha,
          '1',
          `floor:{${n % queues}}`,
          String(n),
          record,
          String(n),
        ])
      await send(BACKLOG / 4)
      const before = await probe.cpu()
      await send(BACKLOG)
      return { redis: ((await probe.cpu()) - before) / BACKLOG }
    },
  }
}

/**
 * Makes a measure with many workers in this process, although one worker would be enough. The measurement
 * begins when all workers have started, are registered and are idle. Each worker runs at most 5 jobs at the
 * same time: with 50, the 200 workers would hold 10,000 jobs, and one event loop cannot start so many jobs in
 * the time for which a worker may hold jobs. `idle` is the CPU that the workers spend without jobs. This CPU
 * time is subtracted from the figures of the jobs that come one every 2 ms.
 */
function workers(count) {
  return {
    name: `workers-${count}`,
    peers: ['lark'],
    rows: fleetRows(count, count > 1),
    run: ({ open, probe }) => fleet(open, probe, count),
  }
}

function fleetRows(count, held) {
  const text = count === 1 ? '1 worker' : `${count} workers`
  const target = held ? { part: 1.5 } : undefined
  return [
    { metric: 'redisBacklog', label: `Redis CPU a job, a backlog, ${text}`, unit: 'µs', target },
    { metric: 'nodeBacklog', label: `Node CPU a job, a backlog, ${text}`, unit: 'µs', target },
    { metric: 'redisTrickle', label: `Redis CPU a job, one each 2 ms, ${text}`, unit: 'µs', target },
    { metric: 'nodeTrickle', label: `Node CPU a job, one each 2 ms, ${text}`, unit: 'µs', target },
    { metric: 'redisIdle', label: `  Redis CPU a second, ${text} at rest`, unit: 'ms' },
    { metric: 'nodeIdle', label: `  Node CPU a second, ${text} at rest`, unit: 'ms' },
    { metric: 'start', label: `  Node CPU to start them, ${text}`, unit: 'ms' },
  ]
}

/**
 * `settle`: milliseconds until new workers are idle. `watch`: for how many milliseconds the CPU time of the
 * idle workers is then measured.
 */
const REST = { settle: scaled(6_000), watch: scaled(10_000) }
/** The number of jobs in a backlog: some hundreds for each worker. */
const BACKLOG = scaled(100_000)
/** How many jobs run before the measurement, for warming up. */
const WARM_UP = scaled(15_000)
/** `jobs`: how many jobs are dispatched one at a time. `apart`: milliseconds between two of these jobs. */
const TRICKLE = { jobs: scaled(2_000), apart: 2 }

async function fleet(open, probe, count) {
  const queue = await open()
  // A process that has just started is slow, so the first jobs do not count.
  await dispatch(queue, WARM_UP)
  const working = work(queue, 1, 5)
  await working.until(WARM_UP)
  await working.stop()

  const begun = process.cpuUsage()
  const all = work(queue, scaled(count), 5)
  await all.begun
  const { user, system } = process.cpuUsage(begun)
  await pause(REST.settle)
  const idle = await spent(probe, () => pause(REST.watch), REST.watch)

  await queue.hold(true)
  await dispatch(queue, BACKLOG)
  const backlog = await spent(
    probe,
    async () => {
      const done = all.until(BACKLOG)
      await queue.hold(false)
      await done
    },
    BACKLOG,
  )
  await pause(scaled(1_000))
  let took = 0
  const trickle = await spent(
    probe,
    async () => {
      const done = all.until(BACKLOG + TRICKLE.jobs)
      const since = performance.now()
      const [payload] = payloads(1)
      for (let n = 1; n <= TRICKLE.jobs; n++) {
        void queue.add(payload)
        const rest = since + n * TRICKLE.apart - performance.now()
        if (rest > 0) await pause(rest)
      }
      await done
      took = performance.now() - since
    },
    TRICKLE.jobs,
  )
  const each = took / TRICKLE.jobs
  return {
    redisBacklog: backlog.redis,
    nodeBacklog: backlog.node,
    redisTrickle: trickle.redis - idle.redis * each,
    nodeTrickle: trickle.node - idle.node * each,
    redisIdle: idle.redis,
    nodeIdle: idle.node,
    start: (user + system) / 1_000,
  }
}

/**
 * Makes a measure with a queue of several partitions. The jobs of a batch go to different partitions, so a
 * dispatch of a batch makes one call for each partition.
 */
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

/** @param {boolean} [held] whether the measure has a target: a ratio to the cost with one waiting job */
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

async function both(queue, probe) {
  const { into, out } = await cost(queue, probe)
  return {
    redis: into.redis + out.redis,
    node: into.node + out.node,
    redisIn: into.redis,
    nodeIn: into.node,
  }
}
