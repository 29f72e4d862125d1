import { mkdir, writeFile } from 'node:fs/promises'
import { Job } from '@s18i/lark-jobs'
import { FOLDER } from '../journal'
import { sales } from '../stats'

/** Writes `var/report.csv`: for each country, how many orders and addresses it has so far. */
export class GenerateReportJob extends Job {
  queueName = 'low-priority'
  // With a low priority, so that the statistics in the same queue run first.
  priority = -100

  async handle() {
    const rows = new Map<string, { orders: number; addresses: number }>()
    for (const { country, size } of await sales.read()) {
      const row = rows.get(country) ?? { orders: 0, addresses: 0 }
      rows.set(country, { orders: row.orders + 1, addresses: row.addresses + size })
    }
    const sorted = [...rows].sort(([, a], [, b]) => b.orders - a.orders)
    const lines = sorted.map(([country, { orders, addresses }]) => `${country},${orders},${addresses}\n`)
    const text = `country,orders,addresses\n${lines.join('')}`
    await mkdir(FOLDER, { recursive: true })
    await writeFile(new URL('report.csv', FOLDER), text)
    return { countries: rows.size, text }
  }
}
