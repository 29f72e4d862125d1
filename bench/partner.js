/**
 * A worker in a separate process. child.js starts it. The worker reports that it is ready and, with `tells`,
 * how many jobs have started. When it is asked for a report, it returns the latency of each job, its own CPU
 * time in microseconds, when a job began to block the process, and when the jobs behind that one started.
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
// This process ends with the process that started it, also if that process is killed.
process.on('disconnect', () => process.exit())
// Some peers report that they work before they wait for jobs.
await pause(300)
process.send({ ready: true })

/** @param {number} ms for which the event loop is blocked */
function blockFor(ms) {
  seen.blockedAt = now()
  while (now() - seen.blockedAt < ms);
}
