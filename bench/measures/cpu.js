/**
 * The cost of a job from its dispatch to its end, in microseconds of CPU: of the Redis server (which all
 * processes share), and of the Node process. Jobs are dispatched in groups of 100 (`Promise.all`), and then
 * run with concurrency 50.
 */
import { payloads } from '../payloads.js'
import { onRedis } from '../peers/index.js'
import { scaled } from '../scale.js'

const JOBS = scaled(30_000)
/**
 * How many jobs run before the measurement. A process that has just started is slow, and the measured CPU
 * time would include the time of its just-in-time compiler.
 */
const WARM_UP = scaled(15_000)
const batch = payloads(100)

export const measures = [
  {
    name: 'cpu',
    peers: onRedis,
    rows: [
      { metric: 'redis', label: 'Redis CPU a job, dispatch to done', unit: 'µs', target: { part: 1 / 8 } },
      { metric: 'redisIn', label: '  of it dispatch', unit: 'µs' },
      { metric: 'redisOut', label: '  of it processing', unit: 'µs' },
      { metric: 'nodeIn', label: 'Node CPU a job, dispatch', unit: 'µs' },
      { metric: 'nodeOut', label: 'Node CPU a job, processing', unit: 'µs' },
    ],
    async run({ open, probe }) {
      const { into, out } = await cost(await open(), probe)
      return {
        redis: into.redis + out.redis,
        redisIn: into.redis,
        redisOut: out.redis,
        nodeIn: into.node,
        nodeOut: out.node,
      }
    },
  },
]

/** Dispatches and runs jobs, first for warming up, then for the measurement. */
export async function cost(queue, probe) {
  await dispatch(queue, WARM_UP)
  const working = work(queue)
  await working.until(WARM_UP)
  // If the queue has a backlog, the second call of `work` runs jobs of the backlog and not the new jobs. The
  // number of jobs is the same.
  await working.stop()
  const into = await spent(probe, () => dispatch(queue, JOBS))
  const out = await spent(probe, () => work(queue).until(JOBS))
  return { into, out }
}

export async function dispatch(queue, jobs) {
  for (let left = jobs; left > 0; left -= batch.length) await Promise.all(batch.map(queue.add))
}

/**
 * @param {number} [workers] the number of workers in this process @param {number} [concurrency] the concurrency of each
 * worker
 */
export function work(queue, workers = 1, concurrency = 50) {
  let count = 0
  let enough = () => {}
  const handler = () => {
    count++
    enough()
  }
  const begun = Promise.all(Array.from({ length: workers }, () => queue.work(concurrency, handler)))
  return {
    begun,
    /** Returns a promise that resolves when this number of jobs has started. */
    until: (jobs) =>
      new Promise((resolve, reject) => {
        begun.catch(reject)
        enough = () => count >= jobs && resolve()
      }),
    stop: async () => Promise.all((await begun).map((worker) => worker.stop())),
  }
}

/**
 * Calls `act`, and returns how much CPU the Redis server and this process spent meanwhile, in microseconds
 * per job.
 */
export async function spent(probe, act, jobs = JOBS) {
  const redis = await probe.cpu()
  const node = process.cpuUsage()
  await act()
  const { user, system } = process.cpuUsage(node)
  return { redis: ((await probe.cpu()) - redis) / jobs, node: (user + system) / jobs }
}
