import { Job } from '@s18i/lark-jobs'
import { send } from '../mailer'

export class MailJob extends Job {
  key = 'mail'
  queueName = 'mails'

  handle({ to }: { to: string }) {
    return send(to)
  }
}
