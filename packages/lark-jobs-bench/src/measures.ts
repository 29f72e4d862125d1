/**
 * The measures of a store, in the order in which they run: each measure uses the jobs that the measures
 * before it have left in the queue.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Job, type JobConstructor, type WorkerReport } from '@s18i/lark-jobs'
import { operate } from '@s18i/lark-jobs/operate'
import { type Figure, limitOf, ProcessTimer, percentile } from './figure.ts'
import type { BenchPlace } from './place.ts'

/**
 * `HEAP`: the queue whose jobs wait until a measure processes them. The other queue has the jobs for an idle
 * worker.
 */
const HEAP = 'bench'
const IDLE = 'idle'
export const queues = [HEAP, IDLE]

/** The share of the jobs and of the time that is for warming up and does not count. */
const WARM_UP = 1 / 5
/**
 * How many jobs are dispatched to an idle worker, and after how many milliseconds each of them must have
 * started.
 */
const DISPATCHES = 300
const PATIENCE = 10_000

export interface Stage extends Pick<BenchPlace, 'here' | 'there' | 'isEmbedded'> {
  /** The approximate number of jobs for each figure. */
  jobs: number
  /** The longest time in seconds that the measurement of each figure may take. */
  seconds: number
  signal: AbortSignal
  warn: (text: string) => void
  /** The milliseconds of a round trip to the store. The first measure sets this value. */
  roundTrip: number
}

export const measures: readonly ((stage: Stage) => Promise<Figure>)[] = [
  measureRoundTrip,
  (stage) =>
    dispatching(stage, 'dispatch, one at a time', 1, ([payload]) => stage.here.dispatch(newJob(), payload!)),
  (stage) =>
    dispatching(stage, 'dispatch, Promise.all of 100', 100, (payloads) =>
      Promise.all(payloads.map((payload) => stage.here.dispatch(newJob(), payload))),
    ),
  (stage) =>
    dispatching(stage, 'dispatchMany of 1,000', 1_000, (payloads) =>
      stage.here.dispatchMany(newJob(), payloads),
    ),
  (stage) => processing(stage, 50),
  (stage) => processing(stage, 1),
  idle,
]

/** A payload of about 60 bytes of JSON, a typical size in a web application. */
interface Payload {
  userId: number
  to: string
  /** When the job was dispatched, by `performance.now()`. */
  at: number
}

class BenchJob extends Job {
  static started: (payload: Payload) => void = () => {}
  override readonly key = 'lark-bench'
  override queueName = HEAP
  handle(payload: Payload) {
    BenchJob.started(payload)
  }
}

const newJob = () => new BenchJob()

function newPayloads(count: number): Payload[] {
  return Array.from({ length: count }, (_, n) => ({ userId: n, to: `user${n}@example.com`, at: 0 }))
}

/** Measures the smallest call that a store has. */
async function measureRoundTrip(stage: Stage): Promise<Figure> {
  const operating = operate(stage.here)
  const { calls } = await repeat(stage, 1, () => operating.ping())
  stage.roundTrip = percentile(calls, 50) ?? 0
  return { name: 'round trip', p50: stage.roundTrip, p99: percentile(calls, 99) }
}

async function dispatching(
  stage: Stage,
  name: string,
  size: number,
  dispatch: (payloads: Payload[]) => Promise<unknown>,
): Promise<Figure> {
  const payloads = newPayloads(size)
  const { calls, elapsed, isBusy } = await repeat(stage, size, () => dispatch(payloads))
  const p50 = percentile(calls, 50)
  return {
    name,
    p50,
    p99: percentile(calls, 99),
    rate: (calls.length * size) / (elapsed / 1_000),
    limit: limitOf(isBusy, p50, stage.roundTrip),
  }
}

/**
 * Makes one call after the other: first some calls for warming up, and then at least one call that is
 * measured.
 */
async function repeat(
  { jobs, seconds, signal, isEmbedded }: Stage,
  size: number,
  act: () => Promise<unknown>,
) {
  const during = async (part: number) => {
    const calls: number[] = []
    const watch = new ProcessTimer(isEmbedded)
    const most = Math.ceil((jobs * part) / size)
    do {
      signal.throwIfAborted()
      const began = performance.now()
      await act()
      calls.push(performance.now() - began)
    } while (calls.length < most && watch.elapsed < seconds * 1_000 * part)
    return { calls, elapsed: watch.elapsed, isBusy: watch.isBusy }
  }
  await during(WARM_UP)
  return during(1)
}

/** Measures the jobs per second, from the start of a job after the warm-up to the start of the last job. */
async function processing(stage: Stage, concurrency: number): Promise<Figure> {
  const { jobs, seconds, isEmbedded } = stage
  await fill(stage)
  let count = 0
  let last = 0
  let warm: { at: number; count: number; watch: ProcessTimer } | undefined
  let isBusy = false
  const watch = new ProcessTimer(isEmbedded)
  const enough = new Promise<void>((resolve) => {
    BenchJob.started = () => {
      last = performance.now()
      count++
      const passed = watch.elapsed / 1_000
      if (warm === undefined && (count > jobs * WARM_UP || passed > seconds * WARM_UP))
        warm = { at: last, count, watch: new ProcessTimer(isEmbedded) }
      if (count < jobs && passed < seconds * (1 + WARM_UP)) return
      isBusy = warm?.watch.isBusy ?? false
      resolve()
    }
  })
  await working(stage, HEAP, concurrency, () => atMost(seconds * 1_000 + PATIENCE, enough, stage.signal))
  const rate = warm && last > warm.at ? (count - warm.count) / ((last - warm.at) / 1_000) : undefined
  return { name: `process, ${concurrency} at a time`, rate, limit: limitOf(isBusy) }
}

/** Fills the queue, so that there are enough jobs to process. */
async function fill({ here, jobs, signal }: Stage): Promise<void> {
  const { queues } = await operate(here).status()
  const { waiting } = queues.find(({ queue }) => queue === HEAP)!.counts
  for (let missing = jobs - waiting; missing > 0; missing -= 1_000) {
    signal.throwIfAborted()
    await here.dispatchMany(newJob(), newPayloads(Math.min(1_000, missing)))
  }
}

/** Measures the time from the call of `dispatch()` to the start of the handler, in an idle worker. */
async function idle(stage: Stage): Promise<Figure> {
  const { here, jobs, seconds, signal, isEmbedded } = stage
  const took: number[] = []
  const watch = new ProcessTimer(isEmbedded)
  const dispatches = Math.min(DISPATCHES, jobs)
  await working(stage, IDLE, 10, async () => {
    while (took.length < dispatches && (took.length < 2 || watch.elapsed < seconds * 1_000)) {
      const started = new Promise<void>((resolve) => {
        BenchJob.started = ({ at }) => {
          took.push(performance.now() - at)
          resolve()
        }
      })
      const job = newJob()
      job.queueName = IDLE
      await here.dispatch(job, { ...newPayloads(1)[0]!, at: performance.now() })
      await atMost(PATIENCE, started, signal)
      // Pause long enough for the worker to be idle again.
      await pause(5 + Math.random() * 10, undefined, { signal })
    }
  })
  const warm = took.slice(Math.floor(took.length * WARM_UP))
  const p50 = percentile(warm, 50)
  const limit = limitOf(false, p50, stage.roundTrip)
  return { name: 'idle dispatch to start', p50, p99: percentile(warm, 99), limit }
}

async function working(stage: Stage, queue: string, concurrency: number, act: () => Promise<void>) {
  const report: WorkerReport = { wrote() {}, ended() {}, info() {}, warn: stage.warn }
  const jobs = [BenchJob as JobConstructor]
  const worker = await stage.there.work({ jobs, queues: queue, concurrency, report })
  try {
    await act()
  } finally {
    await worker.stop()
  }
}

/** Waits for a promise, but not longer than `ms` milliseconds. */
async function atMost(ms: number, promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const over = new AbortController()
  try {
    await Promise.race([promise, pause(ms, undefined, { signal: AbortSignal.any([signal, over.signal]) })])
  } finally {
    over.abort()
  }
}
