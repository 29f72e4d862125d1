/**
 * What people do to a flow by hand: cancel it, start again what did not complete, add to it. At any time after its dispatch
 * has begun, so also while a batch is filled, and several of it at once.
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Jobs } from '@s18i/lark-jobs'
import { addTo } from './adding.js'
import { mendedBy } from './jobs.js'
import { chance } from './random.js'
import { touch } from './touch.js'

/** Milliseconds after the dispatch has begun, at most. A flow that fails has mostly failed in the longer time. */
const SOON = 1_500
const LATER = 4_000

/**
 * @param plan of the flow
 * @param signal when nothing more is to be begun
 * @returns what is done: it never rejects
 */
export function handsOn({ flow, kind, mends = false }, signal) {
  const acts = []
  // Mostly early: small flows have soon ended.
  const at = (ms, act) => acts.push(sleep(ms * Math.random() ** 2, undefined, { signal }).then(act, () => {}))
  const handle = Jobs.flow(flow)
  const retry = () => {
    writeFileSync(mendedBy(flow), '')
    return touch('retry', flow, {}, () => handle.retry())
  }
  if (chance(10)) at(SOON, () => touch('cancel', flow, {}, () => handle.cancel('chaos')))
  if (chance(8)) at(SOON, () => addTo(handle, kind, `${flow}/by-hand-`))
  if (mends || chance(6)) at(LATER, retry)
  if (mends || chance(30)) at(2 * LATER, retry)
  return acts
}
