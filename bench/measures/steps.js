/**
 * The cost of recording and of replaying durable steps, and how soon a signal wakes a suspended job. Each
 * step returns a number. The journal of a job has room for 10,000 entries, and the longest job records a few
 * fewer.
 */
import { statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { defineSignal } from '../../packages/lark-jobs/dist/index.js'
import { now } from '../clock.js'
import { payload, payloads } from '../payloads.js'
import { scaled } from '../scale.js'
import { percentile } from '../statistics.js'

/** How many steps one job has, one after the other. */
const STEPS = scaled(1_000)
/**
 * `WIDE`: how many jobs or steps run at the same time. `TURNS`: a measurement runs `TURNS` times as many jobs
 * or steps in all.
 */
const [WIDE, TURNS] = [scaled(50), scaled(10)]
/** How many steps the longest job has. */
const LONG = Math.max(scaled(9_990), 2)
/** The time of this many first steps of the longest job is compared with the time of as many last steps. */
const PART = scaled(1_000)
const WARM_STEPS = scaled(10_000)
const WARM_SIGNALS = scaled(30)
const SLEEPERS = scaled(100_000)
const signalled = defineSignal('signalled')

const measuresOf = (prefix, peer, targets = {}) => [
  {
    name: `${prefix}steps-alone`,
    peers: [peer, 'dbos'],
    rows: costs('a step one at a time', 'µs a step', targets.alone),
    run: (stage) => cost(stage, 1, 20, (job) => inSequence(job, STEPS), STEPS),
  },
  {
    name: `${prefix}steps-jobs`,
    peers: [peer, 'dbos'],
    rows: costs('a step in 50 jobs at a time', 'µs a step', targets.jobs),
    run: (stage) => cost(stage, WIDE, WIDE * TURNS, (job) => inSequence(job, scaled(200)), scaled(200)),
  },
  {
    name: `${prefix}steps-wide`,
    peers: [peer],
    rows: costs('a step, 50 at a time in one job', 'µs a step'),
    run: (stage) => cost(stage, 1, 5, inWidth, WIDE * scaled(190)),
  },
  {
    name: `${prefix}steps-flat`,
    peers: [peer],
    rows: [
      {
        metric: 'ratio',
        label: 'the last 1,000 of 10,000 steps ÷ the first',
        unit: '×',
        target: { most: 1.1 },
      },
      { metric: 'first', label: '  the first', unit: 'ms' },
      { metric: 'last', label: '  the last', unit: 'ms' },
    ],
    run: flat,
  },
  {
    name: `${prefix}steps-replay`,
    peers: [peer],
    rows: [
      { metric: 'all', label: 'signal → behind 10,000 recorded steps', unit: 'ms' },
      { metric: 'node', label: '  Node CPU a step', unit: 'µs' },
      { metric: 'redis', label: '  Redis CPU a step', unit: 'µs' },
    ],
    run: replay,
  },
  {
    name: `${prefix}steps-signal`,
    peers: [peer],
    rows: [
      {
        metric: 'p50',
        label: "another client's signal → a suspended job goes on, p50",
        unit: 'ms',
        target: { most: 2 },
      },
      { metric: 'p99', label: '  p99', unit: 'ms', target: { most: 8 } },
    ],
    run: signals,
  },
  {
    name: `${prefix}steps-sleepers`,
    peers: [peer],
    rounds: 1,
    rows: [
      {
        metric: 'bytes',
        label: '100,000 suspended jobs without a payload, the store for each',
        unit: 'bytes',
        target: targets.sleeper,
      },
      { metric: 'heap', label: '  heap of the worker for each', unit: 'bytes', target: { most: 60 } },
      { metric: 'node', label: '  idle: Node CPU', unit: '% of a core', target: { most: 2 } },
      { metric: 'redis', label: '  idle: Redis CPU', unit: '% of a core' },
    ],
    run: sleepers,
  },
  {
    name: `${prefix}steps-due`,
    peers: [peer],
    rounds: 1,
    rows: [
      { metric: 'p50', label: '100,000 sleeps end within a minute: late, p50', unit: 'ms' },
      { metric: 'p99', label: '  p99', unit: 'ms', target: { most: 30 } },
      { metric: 'max', label: '  at most', unit: 'ms' },
    ],
    run: due,
  },
]

export const measures = measuresOf('', 'lark', {
  alone: [45, 35],
  jobs: [4.5, 4],
  sleeper: { most: 550 },
})
export const embedded = measuresOf('embedded-', 'lark-embedded', {
  alone: [60],
  jobs: [15],
  sleeper: { most: 210 },
})

function costs(label, unit, [node, redis] = []) {
  const target = (most) => most && { target: { most } }
  return [
    { metric: 'rate', label, unit: 'steps/s' },
    { metric: 'node', label: '  Node CPU', unit, ...target(node) },
    { metric: 'redis', label: '  Redis CPU', unit, ...target(redis) },
  ]
}

async function inSequence(job, count) {
  for (let n = 0; n < count; n++) await job.step(['one', n], () => n)
}

async function inWidth(job) {
  for (let turn = 0; turn < scaled(190); turn++)
    await Promise.all(Array.from({ length: WIDE }, (_, n) => job.step(['one', turn, n], () => n)))
}

/** Opens a queue of jobs that call `handler(job, payload)`. */
const opened = (open, handler, options) =>
  open({
    tuned: 'latency',
    kind: (Plain) =>
      class SendEmailJob extends Plain {
        handle(payload) {
          return handler(this, payload)
        }
      },
    ...options,
  })

/**
 * Measures `jobs` jobs. Other jobs warm up the worker before, because in production a worker runs for days: a
 * step of one job alone took 49 µs of CPU in a worker that had run 10,000 steps, and 87 µs in a worker that
 * had run 1,000 steps (2026-12-03).
 */
async function cost({ open, probe }, concurrency, jobs, handler, steps) {
  const through = counter()
  const queue = await opened(open, async (job) => {
    await handler(job)
    through.add()
  })
  await queue.work(concurrency)
  let count = 0
  const all = async (more) => {
    for (let n = 0; n < more; n++) await queue.add(payload(n))
    count += more
    await through.until(count)
  }
  await all(Math.max(concurrency, Math.ceil(WARM_STEPS / steps)))
  const redis = await probe?.cpu()
  const node = process.cpuUsage()
  const began = performance.now()
  await all(jobs)
  const took = performance.now() - began
  const { user, system } = process.cpuUsage(node)
  return {
    rate: (jobs * steps) / (took / 1_000),
    node: (user + system) / (jobs * steps),
    ...(probe && { redis: ((await probe.cpu()) - redis) / (jobs * steps) }),
  }
}

async function flat({ open }) {
  const at = []
  const queue = await opened(open, async (job, { warms }) => {
    for (let n = 0; n < LONG; n++) {
      if (!warms) at.push(performance.now())
      await job.step(n.toString(), () => n)
    }
    at.push(performance.now())
  })
  await queue.work(1)
  await (await queue.dispatch({ warms: true })).result({ timeout: '4m' })
  at.length = 0
  await (await queue.dispatch({})).result({ timeout: '4m' })
  const [first, last] = [at[PART] - at[0], at[LONG] - at[LONG - PART]]
  return { ratio: last / first, first, last }
}

async function replay({ open, probe }) {
  let went = 0
  const suspended = counter()
  const options = { config: { hooks: { suspended: suspended.add } } }
  const queue = await opened(open, replayed, options)
  async function replayed(job) {
    await Promise.all(Array.from({ length: LONG }, (_, n) => job.step(n.toString(), () => n)))
    await job.waitFor(signalled)
    went = performance.now()
  }
  await queue.work(1)
  let metrics
  // The first of the two jobs is for warming up.
  for (let n = 1; n <= 2; n++) {
    const handle = await queue.dispatch(payload(n))
    await suspended.until(n)
    await pause(scaled(200))
    const redis = await probe?.cpu()
    const node = process.cpuUsage()
    const sent = performance.now()
    await handle.send(signalled)
    await handle.result({ timeout: '4m' })
    const { user, system } = process.cpuUsage(node)
    metrics = {
      all: went - sent,
      node: (user + system) / LONG,
      ...(probe && { redis: ((await probe.cpu()) - redis) / LONG }),
    }
  }
  return metrics
}

async function signals({ open, samples }) {
  const took = []
  const suspended = counter()
  const options = { config: { hooks: { suspended: suspended.add } } }
  const waiting = async (job) => {
    const { value } = await job.waitFor(signalled)
    took.push(now() - value)
  }
  const [queue, sender] = [await opened(open, waiting, options), await opened(open, waiting)]
  await queue.work(50)
  const handles = []
  const count = WARM_SIGNALS + samples
  for (let n = 0; n < count; n++) handles.push(await sender.dispatch(payload(n)))
  await suspended.until(count)
  await pause(scaled(500))
  for (const [n, handle] of handles.entries()) {
    await handle.send(signalled, now())
    while (took.length <= n) await pause(1)
    await pause(scaled(5 + Math.random() * 10))
  }
  const warm = took.slice(WARM_SIGNALS)
  return { p50: percentile(warm, 50), p99: percentile(warm, 99) }
}

/**
 * The first jobs are not counted, because the server, the file and the worker make one-time allocations for
 * them.
 */
async function sleepers({ open, probe, file }) {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  const size = async () => (probe ? probe.memory() : statSync(file).size)
  /**
   * Suspends `few` jobs and then `more` jobs. Returns by how many bytes the heap of the worker grew for each
   * of the last `more` jobs.
   */
  const sleep = async (few, more, idles) => {
    const suspended = counter()
    const options = { config: { hooks: { suspended: suspended.add } } }
    const queue = await opened(open, (job) => job.sleep('long', '1d'), options)
    await queue.work(1_000)
    const heap = async (first, all) => {
      for (let n = first; n < all; n += 1_000)
        await queue.addMany(payloads(Math.min(all - n, 1_000), () => undefined))
      await suspended.until(all)
      await pause(scaled(2_000))
      collect()
      return process.memoryUsage().heapUsed
    }
    const before = await heap(0, few)
    const after = await heap(few, few + more)
    const idle = idles && (await share(probe, scaled(10_000)))
    // The file contains all data only after the last process has closed it.
    await queue.close()
    await pause(scaled(500))
    return { heap: (after - before) / more, ...idle }
  }
  const few = scaled(1_000)
  await sleep(few, few)
  const before = await size()
  const slept = await sleep(few, SLEEPERS, true)
  return { bytes: ((await size()) - before) / (few + SLEEPERS), ...slept }
}

/**
 * Waits some milliseconds, and returns how much CPU this process and Redis used meanwhile, in percent of a
 * core.
 */
async function share(probe, milliseconds) {
  const [redis, node] = [await probe?.cpu(), process.cpuUsage()]
  await pause(milliseconds)
  const { user, system } = process.cpuUsage(node)
  const percent = (microseconds) => microseconds / (milliseconds * 10)
  return { node: percent(user + system), ...(probe && { redis: percent((await probe.cpu()) - redis) }) }
}

/**
 * Measures how late jobs go on after a sleep. The ends of the sleeps are spread evenly over one minute. One
 * worker with 100 slots runs all jobs.
 */
async function due({ open }) {
  const late = []
  const [suspended, woken] = [counter(), counter()]
  const options = { config: { hooks: { suspended: suspended.add } } }
  const asleep = async (job, { until }) => {
    await job.sleep('until', Math.max(until - Date.now(), 0))
    late.push(Date.now() - until)
    woken.add()
  }
  const queue = await opened(open, asleep, options)
  await queue.work(100)
  // Leave enough time, so that all jobs sleep before the first sleep ends.
  const first = Date.now() + Math.max(scaled(90_000), 2_000)
  const lot = Math.min(SLEEPERS, 1_000)
  for (let n = 0; n < SLEEPERS; n += lot) {
    await queue.addMany(
      payloads(lot, (k) => ({ until: Math.round(first + ((n + k) / SLEEPERS) * scaled(60_000)) })),
    )
    await suspended.until(n + lot)
  }
  if (Date.now() > first)
    throw new Error('The first sleep ended before the last job was asleep: this machine is too slow.')
  await woken.until(SLEEPERS)
  return { p50: percentile(late, 50), p99: percentile(late, 99), max: percentile(late, 100) }
}

function counter() {
  let [count, wanted, enough] = [0, 0, () => {}]
  return {
    add() {
      count++
      if (count >= wanted) enough()
    },
    until: (many) =>
      new Promise((resolve) => {
        ;[wanted, enough] = [many, resolve]
        if (count >= many) resolve()
      }),
  }
}
