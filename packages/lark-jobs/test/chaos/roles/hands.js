/**
 * Changes a flow as people do: cancels the flow, retries its failed parts, or adds jobs. The changes come at
 * any time after the dispatch has begun, also while a batch is filled. Several changes may come at the same
 * time.
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Jobs } from '@s18i/lark-jobs'
import { addTo } from './adding.js'
import { mendedBy } from './jobs.js'
import { chance } from './random.js'
import { touch } from './touch.js'

/**
 * The maximum number of milliseconds between the beginning of the dispatch and a change: for early changes,
 * and for late changes, when a failing flow has usually failed.
 */
const SOON = 1_500
const LATER = 4_000
/** Milliseconds between two checks. */
const PAUSE = 100

/**
 * @param plan the plan of the flow
 * @param signal when nothing more is to be begun
 * @returns a promise of all changes, which never rejects
 */
export function handsOn({ flow, kind, mends = false }, signal) {
  const acts = []
  // Small flows end soon, so most changes come early.
  const at = (ms, act) => acts.push(sleep(ms * Math.random() ** 2, undefined, { signal }).then(act, () => {}))
  if (chance(10)) at(SOON, () => cancel(flow))
  if (chance(8)) at(SOON, () => add(flow, kind))
  if (mends || chance(6)) at(LATER, () => retry(flow))
  if (mends || chance(30)) at(2 * LATER, () => retry(flow))
  return acts
}

/**
 * Makes each change once, as soon as possible, because random changes may not include each kind. Without a
 * fault, all changes take a second.
 *
 * @param begin dispatches a chain that fails until somebody retries it, and resolves to its id, or to
 *   undefined if the answer to the dispatch was lost
 * @param signal when nothing more is to be begun
 */
export async function eachOnce(begin, signal) {
  const acts = { add: (flow) => add(flow, 'chain'), retry: (flow) => retryWhenFailed(flow, signal), cancel }
  const owed = new Set(Object.keys(acts))
  for (; owed.size > 0 && !signal.aborted; await sleep(PAUSE)) {
    const flow = await begin()
    if (flow === undefined) continue
    for (const act of owed) if ((await acts[act](flow)) === 'done') owed.delete(act)
  }
}

/** The answer is not `done` if the flow has ended in another state, or if a failover has lost the flow. */
async function retryWhenFailed(flow, signal) {
  for (; !signal.aborted; await sleep(PAUSE)) {
    const found = await Jobs.flow(flow)
      .status({ nodes: false })
      .catch(() => 'away')
    if (found?.state === 'failed') return await retry(flow)
    if (found === undefined || found.state === 'completed' || found.state === 'cancelled') break
  }
  return 'nothing'
}

function retry(flow) {
  writeFileSync(mendedBy(flow), '')
  return touch('retry', flow, {}, () => Jobs.flow(flow).retry())
}

function cancel(flow) {
  return touch('cancel', flow, {}, () => Jobs.flow(flow).cancel('chaos'))
}

function add(flow, kind) {
  return addTo(Jobs.flow(flow), kind, `${flow}/by-hand-`)
}
