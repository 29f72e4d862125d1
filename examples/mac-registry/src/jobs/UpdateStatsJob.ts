import { Job } from '@s18i/lark-jobs'
import { findBlock } from '../registry'
import { sales } from '../stats'

export class UpdateStatsJob extends Job {
  queueName = 'low-priority'

  async handle(payload: { type: 'order_completed'; orderId: string }) {
    const { id, country, size } = findBlock(payload.orderId)
    if (!country) throw new Error(`The registry names no country for ${id}`)
    await sales.write({ id, country, size })
    return true
  }
}
