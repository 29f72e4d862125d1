/**
 * The layout of a store: the version of everything that is kept under its keys. A store of an earlier layout is brought
 * forward when it is opened, by one process, while others wait. Every step is safe to repeat, so that the next process
 * goes on where one was killed; the new layout is written last.
 *
 * Workers of an earlier version that are running go on, and may write in their own way at any time. The scripts take
 * that over (`lua/shared/deliver.lua`). But an earlier version does not open the store again.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { JobsError } from '../../../model/errors.ts'
import { inLots } from '../../contract/rules/in-lots.ts'
import { LAYOUT } from '../client/keys.ts'
import type { Scripts } from '../client/script.ts'

/** The layouts that are brought forward. */
const EARLIER: readonly unknown[] = ['4', '5', '6', '7', '8']
/** Milliseconds for which a process may do it, from each step on. If it is killed, others wait for so long. */
const LEASE = 2_000
/** Milliseconds between two looks at whether it is done. */
const LOOK = 50
/** How many partitions are brought forward together. */
const TOGETHER = 100

/**
 * Writes the layout of a new store, brings an earlier one forward, or waits until another process has done so.
 *
 * @throws LAYOUT_UNKNOWN
 */
export async function settleLayout(scripts: Scripts): Promise<void> {
  const key = scripts.keys.meta('layout')
  for (;;) {
    const layout = await scripts.send(['GET', key])
    if (layout === LAYOUT) return
    if (layout === null) await scripts.send(['SET', key, LAYOUT, 'NX'])
    else if (!EARLIER.includes(layout)) throw unknown(scripts.transport.name, layout, key)
    else if (await lease(scripts, 'NX')) await bringForward(scripts, String(layout))
    else await pause(LOOK)
  }
}

async function bringForward(scripts: Scripts, layout: string): Promise<void> {
  const { keys } = scripts
  const partitions = (await scripts.send(['SMEMBERS', keys.meta('partitions')])) as string[]
  for (const some of inLots(partitions, TOGETHER)) {
    await lease(scripts, 'XX')
    await Promise.all(some.map((each) => migrate(scripts, each, layout)))
  }
  await scripts.send(['SET', keys.meta('layout'), LAYOUT])
  await scripts.send(['DEL', keys.meta('migration')])
}

async function migrate(scripts: Scripts, partition: string, layout: string): Promise<void> {
  let next = ''
  do next = String(await scripts.run('migrate', partition, [layout, next]))
  while (next !== '0')
}

/** @returns whether this process may bring the store forward */
async function lease(scripts: Scripts, when: 'NX' | 'XX'): Promise<boolean> {
  const key = scripts.keys.meta('migration')
  return (await scripts.send(['SET', key, '1', when, 'PX', String(LEASE)])) !== null
}

function unknown(store: string, layout: unknown, key: string): JobsError {
  return new JobsError('LAYOUT_UNKNOWN', `${store} has layout ${layout}; this Lark knows ${LAYOUT}`, {
    hint: `Use the version of Lark that made it, or another database or prefix (the layout is kept in ${key})`,
  })
}
