/**
 * The short form of a chaos run: each fault occurs once on each kind of store. The test prints the schedules
 * of the faults and the accounts. Three stores are tested at the same time, because each test mostly waits
 * until leases are over. With two at the same time, the four stores took 83 s, and 147 s of CPU (2026-12-01).
 * The test also passed on two busy cores with a load of 15 to 20.
 *
 * `CHAOS_SEED=7 npx vitest run chaos/chaos` runs the faults in another order.
 */
import { describe, expect, test } from 'vitest'
import { chaos } from './conductor.ts'
import { summaryOf, tableOf } from './table.ts'

const seed = Number(process.env.CHAOS_SEED ?? 1)
/**
 * Jobs per second of each dispatcher: half of the default of `npm run chaos`. The test took 132 s of CPU with
 * the default, and 90 s with this rate (2026-12-03). With the default, three stores used all of two cores, so
 * jobs waited for a processor more often than for a fault. Each fault still meets some hundred jobs.
 */
const rate = 35

/** The lists are tested at the same time, and the stores of one list one after the other. */
const lines = [['redis'], ['sentinel'], ['sqlite', 'cluster']] as const

describe.concurrent.each(lines.map((stores) => [stores] as const))('on %j', (stores) => {
  test.sequential.each(stores)(
    'on %s every job is accounted for, and no promise is broken',
    { timeout: 240_000 },
    async (store) => {
      const said = [`chaos on ${store}, seed ${seed}`]
      try {
        const account = await chaos({ store, seed, rate, say: (line) => said.push(line) })
        said.push('', ...tableOf(account.rows), '', ...summaryOf(account))
        expect(account.findings).toEqual([])
        // A run in which only a few jobs complete would prove nothing.
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
