/**
 * Dispatches one large batch, and ends when it is asked to.
 */
import './leash.js'
import { batch, Jobs } from '@s18i/lark-jobs'
import { CallbackJob } from './jobs.js'
import { write } from './journal.js'
import { noteMemory } from './memory.js'
import { MemberJob } from './tally.js'

const count = Number(process.env.CHAOS_COUNT)
const flow = process.env.CHAOS_FLOW
const queues = process.env.CHAOS_QUEUES.split(',')

function* members() {
  for (let i = 0; i < count; i++) {
    const job = new MemberJob()
    job.queueName = queues[i % queues.length]
    yield job.with({ i })
  }
}

function callback(on) {
  const job = new CallbackJob()
  job.queueName = queues[0]
  return job.with({ n: `${flow}/on-${on}` })
}
const callbacks = ['ended', 'completed', 'failed'].map((on) => ({ n: `${flow}/on-${on}`, on }))
const [ended, completed, failed] = callbacks.map(({ on }) => callback(on))
noteMemory()
write('ready')
write('flow asked', { plan: { flow, kind: 'batch', stem: '', count, bad: 0, allowed: 0, callbacks } })
batch(members())
  .withId(flow)
  .onEnded(ended)
  .onCompleted(completed)
  .onFailed(failed)
  .dispatch()
  .then(
    () => write('flow accepted', { flow }),
    ({ message }) => write('flow uncertain', { flow, message }),
  )

process.once('SIGTERM', async () => {
  await Jobs.close()
  write('stopped')
  process.exit()
})
