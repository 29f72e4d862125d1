/**
 * The base class of honest jobs. At its start, an honest job writes how much time has passed since its
 * dispatch. Then the job works, and writes another line at its end.
 */
import { Job } from '@s18i/lark-jobs'
import { write } from './journal.js'

export class HonestJob extends Job {
  async handle({ n, at }) {
    write('start', { n, late: Date.now() - at })
    await this.act(n)
    write('end', { n })
  }
}

/** @param {number} ms */
export function spin(ms) {
  const end = performance.now() + ms
  while (performance.now() < end);
}
