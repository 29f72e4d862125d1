// A class whose jobs run in processes of their own. In a bundle, this file is an entry of its own.
import { isolated, Job } from '@s18i/lark-jobs'

export class AwayJob extends Job {
  key = 'away'
  queueName = 'greetings'
  isolate = isolated({ file: import.meta.url, memory: '500mb', grace: 100 })
  timeout = '2s'
  tries = 1

  async handle({ spins }) {
    // A bundler would remove a loop that does nothing.
    while (spins) process.uptime()
    this.info('is away')
    return { pid: process.pid }
  }
}
