/**
 * A worker: serves its queues in turn until SIGTERM. The worker notes when its event loop stood still for any
 * reason. Without these notes, the delays of a busy machine would count as broken promises.
 */
import './leash.js'
import './retention.js'
import { Jobs } from '@s18i/lark-jobs'
import { AddingJob } from './adding.js'
import { jobs } from './jobs.js'
import { write } from './journal.js'

const LOOK = 50
const STANDSTILL = 250

const worker = await Jobs.work({
  jobs: [...jobs, AddingJob],
  concurrency: 10,
  lease: Number(process.env.CHAOS_LEASE),
})
write('ready')

let last = Date.now()
const watch = setInterval(() => {
  const now = Date.now()
  if (now - last > STANDSTILL) write('stood', { from: last })
  last = now
}, LOOK)

process.once('SIGTERM', async () => {
  await worker.stop()
  clearInterval(watch)
  await Jobs.close()
  write('stopped')
})
