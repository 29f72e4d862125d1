/**
 * Makes flows of every kind, each with a plan, from which the accountant derives how the flow must end. The
 * number of a job of a flow is the id of the flow and a name: `d0_1-7/top`. A job that gets the results of
 * other jobs has them in `got`, by the numbers of these jobs.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { batch, chain, workflow } from '@s18i/lark-jobs'
import { AddingJob } from './adding.js'
import * as kinds from './jobs.js'
import { between, chance, pick } from './random.js'

/** The number of members of a large batch. */
const MANY = 10_000
/** In the long form, one in this many flows is a large batch. */
const RARE = 150
/** The number of steps of a long chain. In the long form, one in this many chains is a long chain. */
const LONG = 50
const SOME = 8
/**
 * How long jobs run at most, in milliseconds. Jobs that listen to their signal run longer, so that they still
 * run when somebody cancels the flow.
 */
const SHORT = 60
const HEEDFUL = 600

const good = [
  kinds.InstantJob,
  kinds.InstantJob,
  kinds.WaitingJob,
  kinds.ShakyJob,
  kinds.HeedfulJob,
  kinds.BookingJob,
]
/**
 * The classes of jobs that do not complete. Jobs of the first class fail only until somebody retries their
 * flow.
 */
const bads = [kinds.MendingJob, kinds.HopelessJob, kinds.SagaJob]

/**
 * @param id the id of the flow
 * @param queues the queues of its jobs
 * @param form the form of the run, short or long
 * @returns the draft and the plan of the flow (`FlowPlan`)
 */
export function makeFlow(id, queues, form) {
  const flow = new Flow(id, queues)
  if (form === 'long' && chance(RARE)) return flow.batch(MANY, 0)
  return pick([
    () => flow.chain(form === 'long' && chance(SOME) ? LONG : between(2, 6)),
    () => flow.diamond(),
    () => flow.batch(between(0, 15), 0),
    () => flow.batch(between(40, 120), pick([0, 0, 10])),
  ])()
}

/** Makes a chain that fails until somebody retries it. */
export function makeFailing(id, queues) {
  return new Flow(id, queues).chain(2, kinds.MendingJob)
}

class Flow {
  constructor(id, queues) {
    this.id = id
    this.queues = queues
  }

  /**
   * A chain in which each step gets the result of the previous step.
   *
   * @param Bad the class of the last step, if that step must not complete
   */
  chain(length, Bad) {
    const nodes = []
    let draft = chain([])
    const bad = Bad || chance(6) ? between(1, length - 1) : undefined
    const adds = chance(4) ? between(0, length - 1) : undefined
    for (let step = 0; step < length; step++) {
      const Kind = step === bad ? this.bad(Bad) : step === adds ? AddingJob : pick(good)
      const [node, make] = this.job(`step${step}`, Kind, 'chain')
      const before = nodes.at(-1)?.n
      nodes.push({ ...node, after: before ? [before] : [], got: before ? [before] : [] })
      draft = draft.next((results) => make(before && { [before]: results.at(-1) }))
    }
    return this.called(draft, { kind: 'chain', nodes })
  }

  /**
   * A workflow in the shape of a diamond. Its sides are in several queues, and one of them is a batch. The
   * bottom gets the results of the sides that have one.
   */
  diamond() {
    const [top, makeTop] = this.job('top', chance(4) ? AddingJob : pick(good), 'diamond')
    const bad = chance(4) ? 'side1' : undefined
    const sides = ['side0', 'side1', 'side2'].map((name) => {
      const [side, make] = this.job(name, name === bad ? this.bad() : pick(good))
      return { name, make, plan: { ...side, after: [top.n], got: [top.n] } }
    })
    const { plan, drafts } = this.members('side3', between(1, 4), 0)
    const inner = { ...plan, n: `${this.id}/side3`, kind: 'batch', after: [top.n], got: [] }
    const [bottom, makeBottom] = this.job('bottom', pick(good))
    const got = sides.map((side) => side.plan.n)
    const rule = chance(2) ? { ifFailed: 'run' } : {}
    const draft = workflow('diamond', (w) => {
      const first = w.add(makeTop(), { name: 'top' })
      const added = sides.map(({ name, make }) => w.add(make({ [top.n]: first.result }), { name }))
      const after = [...added, w.add(batch(drafts()), { name: 'side3', after: first })]
      const results = Object.fromEntries(got.map((n, i) => [n, added[i].result]))
      w.add(makeBottom(results), { name: 'bottom', after, ...rule })
    })
    const nodes = [
      { ...top, after: [], got: [] },
      ...sides.map((side) => side.plan),
      inner,
      { ...bottom, after: [...got, inner.n], got, ...rule },
    ]
    return this.called(draft, { kind: 'diamond', nodes })
  }

  /**
   * @param pause milliseconds between two members, so that the dispatcher may be killed while it fills the
   * batch
   */
  batch(count, pause) {
    const { plan, drafts } = this.members('m', count, chance(3) ? between(1, 4) : 0, chance(4))
    async function* slowly() {
      for (const draft of drafts()) {
        yield draft
        await sleep(pause)
      }
    }
    const draft = batch(pause > 0 ? slowly() : drafts())
    const allowed = chance(3) ? 0 : count
    return this.called(draft.allowFailures(allowed), { kind: 'batch', ...plan, allowed })
  }

  called(draft, plan) {
    const callbacks = ['ended', 'completed', 'failed'].map((on) => ({ n: `${this.id}/on-${on}`, on }))
    const [ended, completed, failed] = callbacks.map(({ n }) => {
      const job = new kinds.CallbackJob()
      job.queueName = pick(this.queues)
      return job.with({ n })
    })
    return {
      draft: draft.withId(this.id).onEnded(ended).onCompleted(completed).onFailed(failed),
      plan: { flow: this.id, ...plan, callbacks, ...(this.mends && { mends: true }) },
    }
  }

  bad(Kind = pick(bads)) {
    this.mends ||= Kind === kinds.MendingJob
    return Kind
  }

  /** @param kind the kind of the flow, for a job that adds jobs to its flow */
  job(name, Kind, kind) {
    const n = `${this.id}/${name}`
    const make = (got) => {
      const job = new Kind()
      job.queueName = pick(this.queues)
      const ms = between(0, Kind === kinds.HeedfulJob ? HEEDFUL : SHORT)
      return job.with({ n, ms, ...(got && { got }), ...(Kind === AddingJob && { kind }) })
    }
    return [{ n, kind: new Kind().key }, make]
  }

  /** The members of a batch. The first `bad` members fail, and the last member may add others. */
  members(name, count, bad, adds = false) {
    const stem = `${this.id}/${name}-`
    const flow = this
    const Bad = bad > 0 ? this.bad() : undefined
    function* drafts() {
      for (let i = 0; i < count; i++) {
        const isLast = adds && i === count - 1
        const Kind = i < bad ? Bad : isLast ? AddingJob : count === MANY ? kinds.InstantJob : pick(good)
        const [, make] = flow.job(`${name}-${i}`, Kind, 'batch')
        yield make()
      }
    }
    return { plan: { stem, count, bad: Math.min(bad, count) }, drafts }
  }
}
