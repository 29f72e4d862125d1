// The program of the matrix: it dispatches a job, works until there is none, and writes the result. With MODE=block the
// job blocks the event loop for three leases, while another worker takes back jobs whose lease has ended. With ISOLATED
// another job runs in a process of its own.
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { Job, Jobs } from '@s18i/lark-jobs'
import { AwayJob } from './isolated-jobs.mjs'

const { ISOLATED, MODE, RESULT } = process.env
const lease = 1_000
let runs = 0
let other

class GreetJob extends Job {
  key = 'greet'
  queueName = 'greetings'

  async handle({ name }) {
    runs += 1
    if (MODE === 'block' && runs === 1) block()
    return `Hello, ${name}`
  }
}

async function main() {
  const job = new GreetJob()
  await job.dispatch({ name: 'matrix' })
  const jobs = ISOLATED ? [GreetJob, AwayJob] : [GreetJob]
  const away =
    ISOLATED && (await Jobs.dispatch([new AwayJob().with({}), new AwayJob().with({ spins: true })]))
  const worker = await Jobs.work({ jobs, queues: 'greetings', stopWhenEmpty: true, lease })
  await worker.done
  other?.kill()
  const { result, state } = await Jobs.find(job.id)
  const isolated = away && (await endOf(away))
  await Jobs.close()
  writeFileSync(RESULT, JSON.stringify({ greeting: result, state, runs, isolated }))
}

/** How the isolated jobs have ended, in words. */
async function endOf([worked, spun]) {
  const { result } = await Jobs.find(worked.id)
  const { errors } = await Jobs.find(spun.id)
  const isOther = result.pid > 0 && result.pid !== process.pid
  return `${isOther ? 'another' : 'the same'} process, then ${errors[0]?.code}`
}

/** Blocks the event loop, from before the other worker runs until long after the lease would have ended. */
function block() {
  const ready = `${RESULT}.ready`
  const env = { ...process.env, MODE: 'other', READY: ready }
  other = spawn(process.execPath, process.argv.slice(1), { env, stdio: 'ignore' })
  while (!existsSync(ready)) pause(50)
  pause(3 * lease)
}

function pause(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** Starts the other worker. It serves another queue, so that it never runs the job. */
async function watch() {
  await Jobs.work({ jobs: [GreetJob], queues: 'others', lease })
  writeFileSync(process.env.READY, '')
}

if (MODE === 'other') watch()
else main()
