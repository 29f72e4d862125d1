/**
 * A dispatcher: dispatches jobs in every possible way until SIGTERM, and notes each dispatch and its answer.
 * The dispatcher does not wait for an answer before its next dispatch.
 */
import './leash.js'
import './retention.js'
import { setMaxListeners } from 'node:events'
import { Jobs } from '@s18i/lark-jobs'
import { makeFailing, makeFlow } from './flows.js'
import { eachOnce, handsOn } from './hands.js'
import * as kinds from './jobs.js'
import { name, write } from './journal.js'
import { between, pick } from './random.js'

/** The largest number of dispatches without an answer. */
const MOST = 60
const lease = Number(process.env.CHAOS_LEASE)
const queues = process.env.CHAOS_QUEUES.split(',')
/** Milliseconds between two batches, of 2.6 jobs on average. */
const pause = 2_600 / Number(process.env.CHAOS_RATE)
/** Milliseconds between two flows: one flow for every 20 jobs. */
const flowPause = 20_000 / Number(process.env.CHAOS_RATE)

/**
 * The share of jobs that run longer than a lease. Each of these jobs occupies a slot of a worker for this
 * time, so the share is smaller if leases are longer.
 */
const few = Math.min(1, 2_500 / lease)
/** How many of about a hundred jobs belong to each kind, and how long the jobs of the kind run. */
const mix = [
  [55, kinds.InstantJob, () => 0],
  [30, kinds.WaitingJob, () => between(5, 200)],
  [2, kinds.BlockingJob, () => between(50, 250)],
  [process.env.CHAOS_FORM === 'long' ? 0.1 * few : 0, kinds.BlockingJob, () => lease * 1.2],
  [8, kinds.ShakyJob, () => 0],
  [3, kinds.HopelessJob, () => 0],
  [few, kinds.HeedfulJob, () => between(lease / 4, lease * 1.5)],
  [10, kinds.UniqueJob, () => between(0, 300)],
  [6, kinds.StrictJob, () => between(0, 50)],
  [6, kinds.MeteredJob, () => between(0, 100)],
  [4, kinds.SteppedJob, () => between(0, 2_500)],
  [2, kinds.SagaJob, () => between(0, 2_500)],
  [few / 2, kinds.DeafJob, () => between(lease, lease * 2.5)],
]
const total = mix.reduce((sum, [share]) => sum + share, 0)

let count = 0
let flows = 0
let isEnding = false
const underway = new Set()
/** The changes of flows that have begun and not ended. */
const hands = new Set()
const handsOff = new AbortController()
setMaxListeners(0, handsOff.signal)

function make() {
  let chance = Math.random() * total
  const [, Kind, ms] = mix.find(([share]) => {
    chance -= share
    return chance <= 0
  })
  const job = new Kind()
  job.queueName = pick(queues)
  return [job, () => ({ n: `${name}-${++count}`, ms: ms(), user: between(1, 3) })]
}

async function track(job, payloads, dispatch) {
  const ns = payloads.map(({ n }) => n)
  const lock = job.unique && { lock: `${job.queueName}:${payloads[0].user}` }
  const group = job.group && { group: `${job.queueName}:${payloads[0].user}` }
  write('asked', { ns, kind: job.key, queue: job.queueName, ...lock, ...group })
  try {
    const isQueued = await dispatch()
    if (lock && job.rejection?.reason === 'unique') return write('met', { ns, other: job.rejection.by })
    if (job.key === 'stepped') sendLater(job, ns)
    write(isQueued ? 'accepted' : 'odd', { ns, ids: [...job.ids], message: `dispatch said ${isQueued}` })
  } catch (error) {
    const { code, message } = error
    write(failureOf(error), { ns, code, message, ids: error.ids })
  }
}

/** Sends each job its signal, before or after the job waits for the signal. */
function sendLater({ ids, queueName: queue }, ns) {
  for (const [i, id] of ids.entries()) {
    const handle = Jobs.handle(kinds.SteppedJob, id, { queue })
    const send = async () => {
      const isKept = await handle.send(kinds.go, undefined, { id: ns[i] }).catch(() => false)
      if (isKept) write('signal kept', { n: ns[i] })
    }
    setTimeout(() => isEnding || note(send()), between(0, 4_000)).unref()
  }
}

function failureOf({ code }) {
  if (code === 'STORE_UNREACHABLE' || code === 'STORE_REFUSED') return 'refused'
  return code === 'DISPATCH_UNCERTAIN' ? 'uncertain' : 'odd'
}

/** @returns the id of the flow if it is accepted */
async function trackFlow(make = makeFlow, touchedBy = handsOn) {
  const flow = `${name.replace('.', '_')}-${++flows}`
  const { draft, plan } = make(flow, queues, process.env.CHAOS_FORM)
  write('flow asked', { plan })
  for (const hand of touchedBy(plan, handsOff.signal)) note(hand, hands)
  try {
    const { isNew } = await draft.dispatch()
    write(isNew ? 'flow accepted' : 'flow odd', { flow, message: `isNew is ${isNew}` })
    return flow
  } catch (error) {
    const { code, message } = error
    write(`flow ${failureOf(error)}`, { flow, code, message })
  }
}

/** Returns one dispatch. `change` may change the job before. */
function single(change = () => {}) {
  const [job, payload] = make()
  change(job)
  const one = payload()
  return [track(job, [one], () => job.dispatch(one))]
}

const ways = [
  () => single(),
  () => single(),
  () => single((job) => (job.delay = between(50, lease))),
  () => single((job) => (job.priority = between(-5, 5))),
  // Several dispatches in one tick are sent in one call, and each dispatch has its own answer.
  () => Array.from({ length: between(2, 8) }, () => single()[0]),
  () => {
    let [job, payload] = make()
    // dispatchMany would not report which unique jobs were queued, and its jobs cannot have different groups.
    while (job.unique || job.group) [job, payload] = make()
    const payloads = Array.from({ length: between(2, 8) }, payload)
    return [track(job, payloads, () => job.dispatchMany(payloads))]
  },
]

function note(promise, list = underway) {
  list.add(promise)
  promise.finally(() => list.delete(promise))
}

const timer = setInterval(() => {
  if (isEnding || underway.size > MOST) return
  for (const promise of pick(ways)()) note(promise)
}, pause)
const flowTimer = setInterval(() => {
  if (!isEnding && underway.size <= MOST) note(trackFlow())
}, flowPause)
note(
  eachOnce(() => trackFlow(makeFailing, () => []), handsOff.signal),
  hands,
)
write('ready')

process.once('SIGTERM', async () => {
  isEnding = true
  clearInterval(timer)
  clearInterval(flowTimer)
  handsOff.abort()
  await Promise.all([...underway, ...hands])
  await Jobs.close()
  write('stopped')
})
