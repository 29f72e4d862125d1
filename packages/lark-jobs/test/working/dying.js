/**
 * Runs a worker that dies in the middle of a job: `node dying.js CONNECTION [PREFIX]`. The program uses the
 * built package.
 */
import { createJobs, Job } from '../../dist/index.js'

class DyingJob extends Job {
  key = 'dying'
  handle() {
    process.kill(process.pid, 'SIGKILL')
    return new Promise(() => {})
  }
}

const [connection, prefix] = process.argv.slice(2)
await createJobs({ connection, ...(prefix && { prefix }) }).work({ jobs: [DyingJob], lease: 300 })
