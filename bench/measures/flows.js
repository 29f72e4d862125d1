/**
 * How fast flows run: a batch, a chain and a workflow. The time is measured from the call of `dispatch` until
 * the last job of the flow has run, with a worker of concurrency 50 in the same process. Another flow runs
 * before, for warming up.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { payload } from '../payloads.js'
import { scaled } from '../scale.js'
import { median, percentile } from '../statistics.js'

const MEMBERS = scaled(10_000)
const STEPS = Math.max(scaled(50), 2)
/** How many chains run, one after the other. */
const CHAINS = scaled(10)
const NODES = scaled(1_000)
/** How many nodes each layer of a workflow has. */
const WIDTH = scaled(100)
/** For how many nodes of the previous layer each node waits. */
const PARENTS = scaled(10)
const MILLION = scaled(1_000_000)
const MIB = 2 ** 20
const peers = ['lark', 'bullmq']

export const measures = [
  batch('flow-batch', peers, 'batch of 10,000, dispatch → callback done', { times: 5 }),
  chain('flow-chain', peers, 'chain of 50, a step p50', { most: 1.5 }),
  workflow('flow-workflow', ['lark'], 'workflow of 1,000 nodes, each with 10 parents', { most: 0.3 }),
  million('flow-million', ['lark'], { most: 60 }),
]

export const embedded = [
  batch('embedded-flow-batch', ['lark-embedded'], 'batch of 10,000, dispatch → callback done'),
  chain('embedded-flow-chain', ['lark-embedded'], 'chain of 50, a step p50'),
  workflow('embedded-flow-workflow', ['lark-embedded'], 'workflow of 1,000 nodes, each with 10 parents'),
]

function batch(name, peers, label, target) {
  return {
    name,
    peers,
    rows: [
      { metric: 'rate', label, unit: 'jobs/s', target },
      { metric: 'dispatch', label: '  of it until it is dispatched', unit: 'ms' },
      { metric: 'redis', label: '  Redis CPU a member', unit: 'µs' },
      { metric: 'node', label: '  Node CPU a member', unit: 'µs' },
    ],
    async run({ open, probe }) {
      const queue = await open({ tuned: 'latency' })
      const jobs = starts(queue)
      await jobs.ready
      const run = async () => {
        const ended = jobs.next(MEMBERS + 1)
        const began = performance.now()
        await queue.flows.batch(members(MEMBERS), payload(0))
        const dispatched = performance.now()
        await ended
        return { dispatch: dispatched - began, all: performance.now() - began }
      }
      await run()
      const redis = await probe?.cpu()
      const node = process.cpuUsage()
      const { dispatch, all } = await run()
      const { user, system } = process.cpuUsage(node)
      return {
        rate: MEMBERS / (all / 1_000),
        dispatch,
        ...(probe && { redis: ((await probe.cpu()) - redis) / MEMBERS }),
        node: (user + system) / MEMBERS,
      }
    },
  }
}

function chain(name, peers, label, target) {
  return {
    name,
    peers,
    rows: [
      { metric: 'p50', label, unit: 'ms', target },
      { metric: 'p99', label: '  p99', unit: 'ms' },
    ],
    async run({ open }) {
      const queue = await open({ tuned: 'latency' })
      const jobs = starts(queue)
      await jobs.ready
      const took = []
      for (let n = 0; n <= CHAINS; n++) {
        const at = []
        const ended = jobs.next(STEPS, () => at.push(performance.now()))
        await queue.flows.chain(members(STEPS))
        await ended
        if (n > 0) took.push(...at.slice(1).map((time, step) => time - at[step]))
        await pause(20)
      }
      return { p50: percentile(took, 50), p99: percentile(took, 99) }
    },
  }
}

function workflow(name, peers, label, target) {
  return {
    name,
    peers,
    rows: [
      { metric: 'seconds', label, unit: 's', target },
      { metric: 'dispatch', label: '  of it until it is dispatched', unit: 's' },
    ],
    async run({ open }) {
      const queue = await open({ tuned: 'latency' })
      const jobs = starts(queue)
      await jobs.ready
      const runs = []
      for (let n = 0; n < 4; n++) {
        const ended = jobs.next(NODES)
        const began = performance.now()
        await queue.flows.workflow(members(NODES), WIDTH, PARENTS)
        const dispatched = performance.now()
        await ended
        runs.push({ dispatch: (dispatched - began) / 1_000, seconds: (performance.now() - began) / 1_000 })
      }
      const warm = runs.slice(1)
      return {
        seconds: median(warm.map((run) => run.seconds)),
        dispatch: median(warm.map((run) => run.dispatch)),
      }
    },
  }
}

/**
 * Makes a measure of a batch with a million members. This process adds the members, while a worker in another
 * process runs them.
 */
function million(name, peers, target) {
  return {
    name,
    peers,
    slow: true,
    rounds: 1,
    rows: [
      { metric: 'memory', label: 'batch of a million, memory of its dispatcher', unit: 'MiB', target },
      { metric: 'fill', label: '  to dispatch it', unit: 's' },
      { metric: 'all', label: '  until all have ended', unit: 's' },
      { metric: 'redis', label: '  Redis CPU a member', unit: 'µs' },
    ],
    async run({ open, partner, probe }) {
      await partner({ work: 50 })
      const queue = await open()
      // Measure the memory before the batch only when the peer is connected and has dispatched one job.
      await queue.add(payload(0))
      await pause(scaled(500))
      const [idle, redis] = [process.memoryUsage().rss, await probe.cpu()]
      let most = idle
      const look = setInterval(() => {
        most = Math.max(most, process.memoryUsage().rss)
      }, 20)
      const began = performance.now()
      const handle = await queue.flows.batch(members(MILLION), payload(0))
      const filled = performance.now()
      clearInterval(look)
      await handle.result({ timeout: '4m' })
      const ended = performance.now()
      return {
        memory: (most - idle) / MIB,
        fill: (filled - began) / 1_000,
        all: (ended - began) / 1_000,
        redis: ((await probe.cpu()) - redis) / MILLION,
      }
    },
  }
}

/** Yields one payload at a time, as an application does that reads lines of a file. */
function* members(count) {
  for (let n = 0; n < count; n++) yield payload(n)
}

/** Starts a worker in this process. `next(count)` resolves when `count` more jobs have started. */
function starts(queue) {
  let [left, started, finish] = [0, () => {}, () => {}]
  const ready = queue.work(50, () => {
    started()
    if (--left === 0) finish()
  })
  return {
    ready,
    next: (jobs, at = () => {}) =>
      new Promise((resolve) => {
        ;[left, started, finish] = [jobs, at, resolve]
      }),
  }
}
