/**
 * One measurement in its own process, so that nothing is warm or left from an earlier one. run.js starts it with the
 * task as its argument. It sends the metrics, or the reason why there are none, and ends.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { all } from './measures/index.js'
import { load } from './peers/index.js'
import { Application } from './program.js'
import { Probe } from './redis.js'

/**
 * @type {{ measure: string, peer: string, place: object, near?: object, folder: string, seconds: number, samples: number }}
 */
const task = JSON.parse(process.argv[2])
const measure = all.find(({ name }) => name === task.measure)
const partners = []
const applications = []

process.on('exit', () => {
  for (const each of [...partners, ...applications]) each.end()
})
for (const end of ['disconnect', 'SIGINT', 'SIGTERM']) process.on(end, () => process.exit())

try {
  const metrics = await measure.run(await stage())
  await say({ metrics })
} catch (error) {
  await say({ error: error.stack })
}
process.exit()

/** What a measure works with. */
async function stage() {
  const peer = await load(task.peer)
  const { place, near = place, folder, seconds, samples } = task
  return {
    seconds,
    samples,
    open: (options) => peer.open(place, options),
    /** Opens the peer without the network delay of the measure. */
    near: (options) => peer.open(near, options),
    /** A separate connection to Redis, which the peer does not use. */
    probe: peer.store === 'redis' ? await Probe.open(near.connection) : undefined,
    partner: (work) => startPartner({ peer: task.peer, place, ...work }),
    /** An application on disk that runs the jobs that this peer dispatches. See program.js. */
    application(files) {
      const made = new Application(folder, place.connection, files)
      applications.push(made)
      return made
    },
  }
}

/** Starts a worker in another process. Resolves when it works. See partner.js. */
async function startPartner(work) {
  const child = fork(new URL('partner.js', import.meta.url), [JSON.stringify(work)])
  partners.push({ end: () => child.kill('SIGKILL') })
  let count = 0
  let enough = () => {}
  child.on('message', (message) => {
    if (message.started === undefined) return
    count = message.started
    enough()
  })
  await once(child, 'message')
  return {
    async ask(question) {
      child.send(question)
      for (;;) {
        const [message] = await once(child, 'message')
        if (message.started === undefined) return message
      }
    },
    started: (jobs) =>
      new Promise((resolve) => {
        enough = () => count >= jobs && resolve()
        enough()
      }),
    kill: () => child.kill('SIGKILL'),
  }
}

function say(message) {
  return new Promise((resolve) => process.send(message, resolve))
}
