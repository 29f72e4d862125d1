import { Job } from '@s18i/lark-jobs'
import { send } from '../mailer'

export class SendEmailJob extends Job {
  queueName = 'emails'
  // A server that uses greylisting accepts the second attempt, so the pause is short.
  backoff = '200ms'

  async handle(payload: { to: string; subject: string; body: string }) {
    this.info(`Sending to ${payload.to}`)
    await send({ ...payload, id: this.id! })
    return true
  }
}
