/**
 * The short form: each fault once on each kind of store. The schedules and the accounts are printed. The stores are
 * tested one after the other, so that they do not compete for the machine. `CHAOS_SEED=7 npx vitest run chaos/chaos`
 * makes another schedule.
 */
import { expect, test } from 'vitest'
import { chaos } from './conductor.ts'
import { summaryOf, tableOf } from './table.ts'

const seed = Number(process.env.CHAOS_SEED ?? 1)

test.each(['sqlite', 'redis', 'sentinel', 'cluster'] as const)(
  'on %s every job is accounted for, and no promise is broken',
  { timeout: 240_000 },
  async (store) => {
    const lines = [`chaos on ${store}, seed ${seed}`]
    try {
      const account = await chaos({ store, seed, say: (line) => lines.push(line) })
      lines.push('', ...tableOf(account.rows), '', ...summaryOf(account))
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
      console.log(lines.join('\n'))
    }
  },
)
