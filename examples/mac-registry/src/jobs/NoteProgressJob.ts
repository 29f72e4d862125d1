import { every, Job } from '@s18i/lark-jobs'
import { operate } from '@s18i/lark-jobs/operate'
import { progress } from '../progress'
import { searchIndex } from '../search-index'

/** Records the progress of the application every two seconds. */
export class NoteProgressJob extends Job {
  schedule = every('2s', { overlap: 'skip' })
  // In the queue with the high priority, so that the job runs on time even if there are many orders.
  queueName = 'high-priority'
  priority = 100

  async handle() {
    const { queues } = await operate().status()
    const left = queues.reduce((sum, { counts }) => sum + counts.waiting + counts.delayed + counts.active, 0)
    const blocks = (await searchIndex.read()).length
    // The instant of the tick is the same in each attempt, so a second attempt changes nothing.
    const id = this.scheduledFor!.toISOString()
    await progress.write({ id, left, blocks })
    return { left, blocks }
  }
}
