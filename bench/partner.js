/**
 * A worker in another process than the one that dispatches. Started by child.js; says when it works, and where it is
 * to (`tells`) how many jobs have started. Asked to report, it says how long each was on its way, what CPU it has spent
 * (microseconds), when a job began to block the process, and when those started that stood behind it.
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
// Whoever asked may be killed itself.
process.on('disconnect', () => process.exit())
// Some peers say that they work before they wait for jobs.
await pause(300)
process.send({ ready: true })

/** @param {number} ms in which the event loop does not turn */
function blockFor(ms) {
  seen.blockedAt = now()
  while (now() - seen.blockedAt < ms);
}
