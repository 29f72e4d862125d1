import { Job } from '@s18i/lark-jobs'
import { findBlock } from '../registry'
import { SendEmailJob } from './SendEmailJob'
import { UpdateStatsJob } from './UpdateStatsJob'

/** Confirms an order and counts it. Orders run before all other jobs. */
export class ProcessOrderJob extends Job {
  queueName = 'high-priority'

  async handle(payload: { orderId: string; to: string }) {
    const order = findBlock(payload.orderId)

    await new SendEmailJob().dispatch({
      to: payload.to,
      subject: 'Order confirmed',
      body: `The block ${order.id} with its ${order.size.toLocaleString('en')} addresses is ${order.registrant}'s.`,
    })
    await new UpdateStatsJob().dispatch({ type: 'order_completed', orderId: order.id })
    return true
  }
}
