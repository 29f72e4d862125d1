import { Job } from '@s18i/lark-jobs'
import { emailAddress } from '../address'
import { findUser } from '../registry'
import { ProcessOrderJob } from './ProcessOrderJob'
import { SendEmailJob } from './SendEmailJob'

/** Sends a registrant an e-mail with its statement, and processes the first order of the registrant. */
export class ProcessUserJob extends Job {
  // Another attempt with the same data would fail in the same way.
  tries = 1

  async handle(payload: { userId: number }) {
    const user = findUser(payload.userId)
    const to = emailAddress(user)
    const addresses = user.orders.reduce((sum, order) => sum + order.size, 0)

    await new SendEmailJob().dispatch({
      to,
      subject: 'Your statement',
      body: `${user.name}\nBlocks: ${user.orders.length}\nAddresses: ${addresses.toLocaleString('en')}`,
    })
    await new ProcessOrderJob().dispatch({ orderId: user.orders[0]!.id, to })
    return true
  }
}
