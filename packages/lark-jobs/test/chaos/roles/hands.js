/**
 * What people do to a flow by hand: cancel it, start again what did not complete, add to it. At any time
 * after its dispatch has begun, so also while a batch is filled, and several of it at once.
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Jobs } from '@s18i/lark-jobs'
import { addTo } from './adding.js'
import { mendedBy } from './jobs.js'
import { chance } from './random.js'
import { touch } from './touch.js'

/**
 * Milliseconds after the dispatch has begun, at most. A flow that fails has mostly failed in the longer time.
 */
const SOON = 1_500
const LATER = 4_000
/** Milliseconds between two looks. */
const PAUSE = 100

/**
 * @param plan of the flow
 * @param signal when nothing more is to be begun
 * @returns what is done: it never rejects
 */
export function handsOn({ flow, kind, mends = false }, signal) {
  const acts = []
  // Mostly early: small flows have soon ended.
  const at = (ms, act) => acts.push(sleep(ms * Math.random() ** 2, undefined, { signal }).then(act, () => {}))
  if (chance(10)) at(SOON, () => cancel(flow))
  if (chance(8)) at(SOON, () => add(flow, kind))
  if (mends || chance(6)) at(LATER, () => retry(flow))
  if (mends || chance(30)) at(2 * LATER, () => retry(flow))
  return acts
}

/**
 * Does each of it once, as soon as it can: what chance brings may be nothing. It takes a second, if no fault
 * comes.
 *
 * @param begin dispatches a chain that fails until it is started again. Resolves to its id; undefined if
 *   nobody knows whether there is one
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

/** It is not `done` if the flow has ended otherwise, or if a failover has lost it. */
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
