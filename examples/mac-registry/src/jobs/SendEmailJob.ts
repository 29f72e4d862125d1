import { Job } from '@s18i/lark-jobs'
import { send } from '../mailer'

export class SendEmailJob extends Job {
  queueName = 'emails'
  // A server that greylists wants to be asked once more, soon.
  backoff = '200ms'

  async handle(payload: { to: string; subject: string; body: string }) {
    this.info(`Sending to ${payload.to}`)
    await send({ ...payload, id: this.id! })
    return true
  }
}
