// The program of the matrix: it dispatches a job, works until there is none, and writes what came of it. With MODE=block
// the job blocks the event loop for three leases, while another worker looks after jobs whose lease has ended.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { Job, Jobs } from '@s18i/lark-jobs'

const lease = 1_000
let runs = 0

class GreetJob extends Job {
  key = 'greet'
  queueName = 'greetings'

  async handle({ name, blocks }) {
    runs += 1
    if (blocks && runs === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * lease)
    return `Hello, ${name}`
  }
}

async function main() {
  const blocks = process.env.MODE === 'block'
  const other = blocks ? await startOther() : undefined
  const job = new GreetJob()
  await job.dispatch({ name: 'matrix', blocks })
  const worker = await Jobs.work({ jobs: [GreetJob], queues: 'greetings', stopWhenEmpty: true, lease })
  await worker.done
  const { result, state } = await Jobs.find(job.id)
  other?.kill()
  await Jobs.close()
  writeFileSync(process.env.RESULT, JSON.stringify({ greeting: result, state, runs }))
}

/** Another worker, in a process of its own: of another queue, so that it never has the job. */
async function startOther() {
  const child = spawn(process.execPath, process.argv.slice(1), {
    env: { ...process.env, MODE: 'other' },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout, 'data')
  return child
}

async function other() {
  await Jobs.work({ jobs: [GreetJob], queues: 'others', lease })
  console.log('ready')
}

if (process.env.MODE === 'other') other()
else main()
