/**
 * The cost of a job that uses a feature. Jobs are dispatched in groups of 100 (`Promise.all`) and run with
 * concurrency 50, as in `cpu.js`. Each cost is compared with the cost of a plain job, which is measured in
 * the same round. No limit is ever reached, so only the check of the limits is measured. Jobs of a queue with
 * a limit are not prefetched, so their cost should also be compared with the cost under the preset `spread`,
 * which does not prefetch either.
 */
import { group, limiter, unique } from '../../packages/lark-jobs/dist/index.js'
import { scaled } from '../scale.js'
import { dispatch, spent, work } from './cpu.js'

const JOBS = scaled(30_000)
/**
 * How many jobs run before the measurement. A process that has just started is slow, and the measured CPU
 * time would include the time of its just-in-time compiler.
 */
const WARM_UP = scaled(10_000)

let count = 0

/**
 * `queue`: the configuration of the queue. `kind`: takes the class of the plain job, and returns a subclass
 * with the feature.
 */
const features = {
  plain: {},
  spread: { label: 'plain, preset spread', preset: 'spread' },
  unique: {
    kind: (Plain) =>
      class SendEmailJob extends Plain {
        // Every job has a different unique key, so no job is refused.
        unique = unique(() => ++count)
      },
  },
  group: {
    label: 'in ten groups',
    kind: (Plain) =>
      class SendEmailJob extends Plain {
        group = group(({ userId }) => userId % 10)
      },
  },
  groups: {
    label: 'in 10,000 groups',
    kind: (Plain) =>
      class SendEmailJob extends Plain {
        group = group(() => ++count % 10_000)
      },
  },
  limiter: {
    label: 'with a limiter of the class',
    kind: (Plain) =>
      class SendEmailJob extends Plain {
        limiter = limiter({ concurrency: 1_000 })
      },
  },
  expires: {
    label: 'with expiresIn',
    kind: (Plain) =>
      class SendEmailJob extends Plain {
        expiresIn = '1h'
      },
  },
  middleware: {
    label: 'with a middleware that does nothing',
    kind: (Plain) =>
      class SendEmailJob extends Plain {
        middleware() {
          return [(_job, next) => next()]
        }
      },
  },
  bounded: { label: 'in a bounded queue', queue: { max: 10_000_000 } },
  concurrency: { label: 'in a queue of limited concurrency', queue: { concurrency: 100_000 } },
  sliding: { label: 'with a sliding rate', queue: { rate: { limit: 10_000, per: 10, kind: 'sliding' } } },
  window: { label: 'with a rate by the clock', queue: { rate: { limit: 10_000_000, kind: 'window' } } },
  bucket: { label: 'with a token bucket', queue: { rate: { limit: 10_000_000, kind: 'bucket' } } },
}

export const measures = Object.entries(features).map(([name, { label = name, ...options }]) => ({
  name: `feature-${name}`,
  peers: ['lark'],
  rows: [
    { metric: 'rate', label: `${label}: process, concurrency 50`, unit: 'jobs/s' },
    { metric: 'redisIn', label: '  Redis CPU a job, dispatch', unit: 'µs' },
    { metric: 'redisOut', label: '  Redis CPU a job, processing', unit: 'µs' },
    { metric: 'nodeIn', label: '  Node CPU a job, dispatch', unit: 'µs' },
    { metric: 'nodeOut', label: '  Node CPU a job, processing', unit: 'µs' },
  ],
  async run({ open, probe }) {
    const queue = await open(options)
    await dispatch(queue, WARM_UP)
    const warming = work(queue)
    await warming.until(WARM_UP)
    await warming.stop()
    const into = await spent(probe, () => dispatch(queue, JOBS), JOBS)
    const began = performance.now()
    const out = await spent(probe, () => work(queue).until(JOBS), JOBS)
    return {
      rate: JOBS / ((performance.now() - began) / 1_000),
      redisIn: into.redis,
      redisOut: out.redis,
      nodeIn: into.node,
      nodeOut: out.node,
    }
  },
}))
