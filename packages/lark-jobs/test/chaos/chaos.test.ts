/**
 * The short form: each fault once on each kind of store. The schedules and the accounts are printed. Two stores are
 * tested at a time: the test of one takes 15 % of two cores, because it mostly waits for leases to end.
 * `CHAOS_SEED=7 npx vitest run chaos/chaos` makes another schedule.
 */
import { describe, expect, test } from 'vitest'
import { chaos } from './conductor.ts'
import { summaryOf, tableOf } from './table.ts'

const seed = Number(process.env.CHAOS_SEED ?? 1)

/** Those of a line are tested one after the other, and the lines side by side. */
const lines = [
  ['sqlite', 'redis'],
  ['sentinel', 'cluster'],
] as const

describe.concurrent.each(lines)('on %s, and then on %s,', (...stores) => {
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
