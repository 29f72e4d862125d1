/**
 * A worker in another process than the one that dispatches. Started by child.js; says when it works, how many jobs
 * have started, and, when asked to report, how long each was on its way and what CPU it has spent (microseconds).
 */
import { setTimeout as pause } from 'node:timers/promises'
import { now } from './clock.js'
import { load } from './peers/index.js'

/** @type {{ peer: string, place: object, work: number, hang?: boolean }} */
const { peer, place, work, hang } = JSON.parse(process.argv[2])
const took = []

const queue = await (await load(peer)).open(place, { tuned: 'latency' })
await queue.work(work, async ({ at }) => {
  took.push(now() - at)
  process.send({ started: took.length })
  if (hang) await new Promise(() => {})
})
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send({ took, cpu: user + system })
})
// Whoever asked may be killed itself.
process.on('disconnect', () => process.exit())
// Some peers say that they work before they wait for jobs.
await pause(300)
process.send({ ready: true })
