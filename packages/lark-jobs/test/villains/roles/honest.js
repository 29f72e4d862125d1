/**
 * The base class of honest jobs. Such a job writes how long after its dispatch it begins, works, and writes
 * that it ends.
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
