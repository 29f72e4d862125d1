/**
 * A process of an earlier Lark: `node older.mjs <bundle> <connection> <prefix>`. It dispatches jobs and works on them,
 * and writes a line of JSON for each thing that happens. It stops when its input ends.
 */
const [bundle, connection, prefix] = process.argv.slice(2)
const { createJobs, Job } = await import(bundle)

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`)
const jobs = createJobs({ connection, ...(prefix && { prefix }) })

class CountJob extends Job {
  key = 'count'
  async handle({ n }) {
    say({ ran: n })
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const report = {
  wrote() {},
  info() {},
  ended: ({ lease, outcome }) => say({ ended: lease.id, how: outcome.kind }),
  warn: (text) => say({ warned: text }),
}
await jobs.dispatchMany(
  new CountJob(),
  Array.from({ length: 400 }, (_, n) => ({ n })),
)
const worker = await jobs.work({ jobs: [CountJob], report, lease: 1_000 })
process.stdin.resume().on('end', () => worker.stop(500))
const { completed } = await worker.done
say({ completed })
await jobs.close()
