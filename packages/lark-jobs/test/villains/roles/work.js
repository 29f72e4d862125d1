/** The worker of all classes. */
import '../../chaos/roles/leash.js'
import { Jobs } from '@s18i/lark-jobs'
import { honestJobs } from './honest-jobs.js'
import * as isolated from './isolated-classes.js'
import { write } from './journal.js'

const worker = await Jobs.work({
  jobs: [...honestJobs, ...Object.values(isolated)],
  concurrency: 20,
  lease: Number(process.env.VILLAINS_LEASE),
})
write('ready')

process.once('SIGTERM', async () => {
  await worker.stop()
  await Jobs.close()
  write('stopped')
})
