/**
 * The layout of a Redis store. When a process opens a store with an earlier layout, it brings the store
 * forward in steps, while other processes wait. When a step is done in all partitions, the process writes the
 * name of the layout that the store has now. So another process can continue if this process is killed.
 *
 * Workers of an earlier version that are already running do not check the layout again, and go on working. So
 * a step must keep everything that these workers need. A process that was frozen may repeat a step much
 * later, so a step must also be safe to repeat while workers are running.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { inLots } from '../../contract/rules/in-lots.ts'
import { type Layout, type Way, wayFrom } from '../../contract/rules/layout.ts'
import { LAYOUT } from '../client/keys.ts'
import type { Scripts } from '../client/script.ts'

/** Converts a partition to the next layout, in calls of limited size. */
export type LayoutStep = (scripts: Scripts, partition: string) => Promise<void>
export type RedisLayout = Layout<LayoutStep>

const present: RedisLayout = { name: LAYOUT, steps: [] }

/**
 * The lease of the process that brings a store forward, in milliseconds. The process renews this lease. If
 * the process is killed, other processes wait until the lease ends.
 */
const LEASE_MS = 2_000
/**
 * The pause, in milliseconds, after which a waiting process checks again whether the other process is done.
 */
const LOOK = 50
/** How many partitions are brought forward at the same time. */
const TOGETHER = 100

/**
 * Writes the layout of a new store, brings a store with an earlier layout forward, or waits until another
 * process has brought it forward.
 *
 * @throws LAYOUT_UNKNOWN
 */
export async function settleLayout(scripts: Scripts, layout = present): Promise<void> {
  const { keys } = scripts
  while ((await wayIn(scripts, layout)).length > 0) {
    if (!(await takeTurn(scripts, 'NX'))) {
      await pause(LOOK)
      continue
    }
    // The steps are determined again, because another process may have brought the store forward before this
    // process got the lease.
    for (const next of await wayIn(scripts, layout)) {
      const partitions = (await scripts.send(['SMEMBERS', keys.meta('partitions')])) as string[]
      for (const some of inLots(partitions, TOGETHER)) {
        await takeTurn(scripts, 'XX')
        await Promise.all(some.map((each) => next.step(scripts, each)))
      }
      await scripts.send(['SET', keys.meta('layout'), next.layout])
    }
    await scripts.send(['DEL', keys.meta('migration')])
  }
}

async function wayIn(scripts: Scripts, layout: RedisLayout): Promise<Way<LayoutStep>> {
  const key = scripts.keys.meta('layout')
  let found = await scripts.send(['GET', key])
  if (found === null) {
    await scripts.send(['SET', key, layout.name, 'NX'])
    found = await scripts.send(['GET', key])
  }
  const other = `another database or prefix (the layout is kept in ${key})`
  return wayFrom(scripts.transport.name, String(found), layout, other)
}

/** Takes the lease (`NX`), or renews it (`XX`). @returns whether this process now has the lease */
async function takeTurn(scripts: Scripts, when: 'NX' | 'XX'): Promise<boolean> {
  const key = scripts.keys.meta('migration')
  return (await scripts.send(['SET', key, '1', when, 'PX', String(LEASE_MS)])) !== null
}
