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
import { LAYOUT } from '../client/keys.ts'
import type { Scripts } from '../client/script.ts'

/** The layouts that are brought forward. */
const EARLIER: readonly unknown[] = ['4', '5']
/** Milliseconds for which a process may do it, from each step on. If it is killed, others wait for so long. */
const LEASE = 2_000
/** Milliseconds between two looks at whether it is done. */
const LOOK = 50
/** How many partitions are brought forward together. */
const TOGETHER = 100

export class Layout {
  readonly #scripts: Scripts

  constructor(scripts: Scripts) {
    this.#scripts = scripts
  }

  /**
   * Writes the layout of a new store, brings an earlier one forward, or waits until another process has done so.
   *
   * @throws LAYOUT_UNKNOWN
   */
  async settle(): Promise<void> {
    const key = this.#scripts.keys.meta('layout')
    for (;;) {
      const layout = await this.#scripts.send(['GET', key])
      if (layout === LAYOUT) return
      if (layout === null) await this.#scripts.transport.send(['SET', key, LAYOUT, 'NX'])
      else if (!EARLIER.includes(layout)) throw this.#unknown(layout, key)
      else if (await this.#lease('NX')) await this.#bringForward(String(layout))
      else await pause(LOOK)
    }
  }

  async #bringForward(layout: string): Promise<void> {
    const partitions = (await this.#scripts.send([
      'SMEMBERS',
      this.#scripts.keys.meta('partitions'),
    ])) as string[]
    for (let i = 0; i < partitions.length; i += TOGETHER) {
      await this.#lease('XX')
      await Promise.all(partitions.slice(i, i + TOGETHER).map((each) => this.#migrate(each, layout)))
    }
    await this.#scripts.transport.send(['SET', this.#scripts.keys.meta('layout'), LAYOUT])
    await this.#scripts.send(['DEL', this.#scripts.keys.meta('migration')])
  }

  async #migrate(partition: string, layout: string): Promise<void> {
    while ((await this.#scripts.run('migrate', partition, [layout])) === 1);
  }

  /** @returns whether this process may bring the store forward */
  async #lease(when: 'NX' | 'XX'): Promise<boolean> {
    const key = this.#scripts.keys.meta('migration')
    return (await this.#scripts.send(['SET', key, '1', when, 'PX', String(LEASE)])) !== null
  }

  #unknown(layout: unknown, key: string): JobsError {
    const message = `${this.#scripts.transport.name} has layout ${layout}; this Lark knows ${LAYOUT}`
    return new JobsError('LAYOUT_UNKNOWN', message, {
      hint: `Use the version of Lark that made it, or another database or prefix (the layout is kept in ${key})`,
    })
  }
}
