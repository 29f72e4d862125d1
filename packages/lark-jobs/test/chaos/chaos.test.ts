/**
 * The short form: each fault once on each kind of store. The schedules and the accounts are printed. Three
 * stores are tested at a time, because each mostly waits for leases to end: the four took 83 s two at a time,
 * and 147 s of a processor (2026-12-01). On two cores that others kept busy, with a load of 15 to 20, this
 * seed passed all the same.
 *
 * `CHAOS_SEED=7 npx vitest run chaos/chaos` makes another schedule.
 */
import { describe, expect, test } from 'vitest'
import { chaos } from './conductor.ts'
import { summaryOf, tableOf } from './table.ts'

const seed = Number(process.env.CHAOS_SEED ?? 1)

/** Those of a line are tested one after the other, and the lines side by side. */
const lines = [['redis'], ['sentinel'], ['sqlite', 'cluster']] as const

describe.concurrent.each(lines.map((stores) => [stores] as const))('on %j', (stores) => {
  test.sequential.each(stores)(
    'on %s every job is accounted for, and no promise is broken',
    { timeout: 240_000 },
    async (store) => {
      const said = [`chaos on ${store}, seed ${seed}`]
      try {
        const account = await chaos({ store, seed, say: (line) => said.push(line) })
        said.push('', ...tableOf(account.rows), '', ...summaryOf(account))
        expect(account.findings).toEqual([])
        // A run in which nothing happened would prove nothing.
        expect(account.kept.completed).toBeGreaterThan(500)
        for (const act of ['cancel', 'retry', 'add'] as const)
          expect(account.flows.touched[act]).toBeGreaterThan(0)
        expect(account.limits.map(({ most, highest }) => most - highest)).toEqual([0])
        const bit = account.rows.filter(
          ({ again, refused, uncertain }) => Object.keys(again).length + refused + uncertain > 0,
        )
        expect(bit).not.toEqual([])
      } finally {
        console.log(said.join('\n'))
      }
    },
  )
})
