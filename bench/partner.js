/**
 * A worker in a separate process. child.js starts it. The worker reports that it is ready and, with `tells`,
 * how many jobs have started. When another process asks for a report, the worker sends the latency of each
 * job, its own CPU time in microseconds, the time at which a job began to block the event loop, and the times
 * at which the jobs behind that job started.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { now } from './clock.js'
import { load } from './peers/index.js'

/** @type {{ peer: string, place: object, work: number, tells?: boolean, hang?: boolean }} */
const { peer, place, work, tells, hang } = JSON.parse(process.argv[2])
let seen = { took: [], behind: [] }

const queue = await (await load(peer)).open(place, { tuned: 'latency' })
await queue.work(work, async ({ at, block, isBehind }) => {
  if (at !== undefined) seen.took.push(now() - at)
  if (isBehind) seen.behind.push(now())
  if (tells) process.send({ started: seen.took.length })
  if (block) blockFor(block)
  if (hang) await new Promise(() => {})
})
process.on('message', (question) => {
  if (question === 'forget') seen = { took: [], behind: [] }
  const { user, system } = process.cpuUsage()
  process.send({ ...seen, cpu: user + system })
})
// This process ends when its parent process ends, even if the parent is killed.
process.on('disconnect', () => process.exit())
// With some peers, `work` resolves before the worker waits for jobs.
await pause(300)
process.send({ ready: true })

/** @param {number} ms for how many milliseconds the event loop is blocked */
function blockFor(ms) {
  seen.blockedAt = now()
  while (now() - seen.blockedAt < ms);
}
