/** Reads the store at the end: every job and every flow in it, whatever its state. */

import { FlowRecords } from '../../src/flow/flow-records.ts'
import type { NodeState } from '../../src/model/flow.ts'
import { type JobRecord, states } from '../../src/model/record.ts'
import { type FlowContents, infoOf } from '../../src/operate/flows/flow-info.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { type Kept, type KeptFlow, type KeptNode, numberOf } from './evidence.ts'

const PAGE = 500

export async function readLedger(store: Store, queues: readonly string[]): Promise<Kept[]> {
  const kept = new Map<string, Kept>()
  for (const queue of queues) {
    for (const state of states) {
      let cursor: string | undefined
      do {
        const page = await store.list(queue, { state, limit: PAGE, ...(cursor !== undefined && { cursor }) })
        for (const job of page.jobs) take(kept, queue, job)
        cursor = page.cursor
      } while (cursor !== undefined)
    }
  }
  return [...kept.values()]
}

function take(kept: Map<string, Kept>, queue: string, job: JobRecord): void {
  const { id, state, runs, failures, crashes, releases, finishedAt, result, errors } = job
  // After a failover, a batch can give its next members the ids of members that were lost, but in other
  // queues.
  const key = `${queue} ${id}`
  const known = kept.get(key)
  if (known !== undefined) return void known.states.push(state)
  kept.set(key, {
    id,
    n: numberOf(numberIn(job.payload), id),
    states: [state],
    ...{ runs, failures, crashes, releases },
    ...(finishedAt !== undefined && { finishedAt }),
    ...(result !== undefined && { result: JSON.parse(result) as string }),
    errors: errors.map(({ code }) => code),
  })
}

/** Jobs that have not ended. */
export async function unended(store: Store, queues: readonly string[]): Promise<number> {
  const all = await Promise.all(queues.map((queue) => store.counts(queue)))
  return all.reduce(
    (sum, { waiting, delayed, blocked, active }) => sum + waiting + delayed + blocked + active,
    0,
  )
}

/** Reads all flows, including flows that are nodes of other flows. @param queues with one partition each */
export async function readFlows({ flows }: Store, queues: readonly string[]): Promise<KeptFlow[]> {
  const records = new FlowRecords({ flows } as Store)
  const kept: KeptFlow[] = []
  for (const home of queues) {
    let before: string | undefined
    do {
      const page = await flows.list(home, PAGE, before)
      before = page.at(-1)?.id
      for (const each of page) {
        const contents = records.parse(home, { ...each, news: [] }, 0)
        const { id, parent, state, reason, endedAt, counts, runs } = infoOf(contents)
        kept.push({
          ...{ id, isNested: parent !== undefined, state, counts, runs, nodes: nodesOf(contents) },
          ...(reason !== undefined && { reason }),
          ...(endedAt !== undefined && { endedAt }),
        })
      }
    } while (before !== undefined)
  }
  return kept
}

function nodesOf({ id, definition: { nodes }, state }: FlowContents): KeptNode[] {
  const numbers = nodes.map(({ job, name }) =>
    job === undefined ? `${id}/${name}` : numberIn(job.job.payload),
  )
  return nodes.map(({ after, on }, node) => ({
    ...{ n: numbers[node]!, after: after.map((each) => numbers[each]!) },
    ...{ state: state.nodes[node] as NodeState, generation: state.generations?.[node] ?? 0 },
    ...(on !== undefined && { on }),
  }))
}

/** Returns the number of a job from its payload. */
function numberIn(payload: string): string {
  return (JSON.parse(payload) as { n: string }).n
}

/** Whether a flow and its callbacks have ended. */
export function isOver({ state, runs }: KeptFlow): boolean {
  return (state === 'completed' || state === 'failed' || state === 'cancelled') && runs.length === 0
}
