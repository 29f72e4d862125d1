/** The job of an order. The job writes a line when it begins and when it ends. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Job } from '@s18i/lark-jobs'
import { write } from './journal.js'

export class OrderJob extends Job {
  key = 'order'

  /**
   * @param {{ n: number, i: number }} payload `n`: the number of the order. `i`: the number of the job,
   * because an order may have several jobs
   */
  async handle({ n, i }) {
    write('begin', { n, i })
    await sleep(n % 8)
    write('end', { n, i })
  }
}
