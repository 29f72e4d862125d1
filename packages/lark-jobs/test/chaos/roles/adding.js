/** Adds jobs to running flows: members to a batch, steps to a chain, a node to a workflow. */
import { ChaosJob, InstantJob, WaitingJob } from './jobs.js'
import { between, pick } from './random.js'
import { touch } from './touch.js'

const queues = process.env.CHAOS_QUEUES.split(',')

/**
 * @param flow a handle, or `this.flow`
 * @param kind the kind of the flow (`FlowPlan`)
 * @param stem the beginning of the numbers of the added jobs
 * @returns the answer (`touch`)
 */
export function addTo(flow, kind, stem) {
  const numbers = (most) => Array.from({ length: between(1, most) }, (_, i) => `${stem}${i}`)
  switch (kind) {
    case 'batch': {
      const members = numbers(5).map(make)
      const plan = { stem, count: members.length, bad: 0 }
      return touch('add', flow.id, plan, () => flow.add(members.map(({ draft }) => draft)))
    }
    case 'chain': {
      const steps = numbers(2).map(make)
      const nodes = steps.map(({ n, key }) => ({ n, kind: key, after: [], got: [] }))
      return touch('add', flow.id, { nodes }, () => flow.add(steps.map(({ draft }) => draft)))
    }
    default: {
      const { n, key, draft } = make(`${stem}0`)
      const nodes = [{ n, kind: key, after: [`${flow.id}/top`], got: [] }]
      return touch('add', flow.id, { nodes }, () => flow.add(draft, { after: 'top' }))
    }
  }
}

function make(n) {
  const job = new (pick([InstantJob, WaitingJob]))()
  job.queueName = pick(queues)
  return { n, key: job.key, draft: job.with({ n, ms: between(0, 60) }) }
}

/** A job of a flow that adds jobs to its own flow. Each run adds new jobs. */
export class AddingJob extends ChaosJob {
  key = 'adding'
  /** The job fails for as long as the store is away, so it needs many tries. */
  tries = 100
  async act({ kind }, serial) {
    const what = await addTo(this.flow, kind, `${this.flow.id}/${serial}-`)
    if (what !== 'done' && what !== 'nothing') throw new Error('nothing was added')
  }
}
