/**
 * The objects that a measure uses: the peer, its store, and helpers. All of these objects belong to one
 * process.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { load } from './peers/index.js'
import { Application } from './program.js'
import { Probe } from './redis.js'

export class Stage {
  seconds
  samples
  /** A separate connection to Redis, with which a measure asks for CPU time and memory. */
  probe
  /** The address of the store: a URL or the path of a file. */
  place
  /** The file of the store, if the store is a file. */
  file
  #task
  #peer
  #queues = []
  #partners = []
  #applications = []

  /**
   * @param {{ peer: string, place: object, near?: object, folder: string, seconds: number, samples: number }}
   *   task
   */
  static async make(task) {
    const stage = new Stage()
    stage.#task = task
    stage.seconds = task.seconds
    stage.place = task.place
    stage.file = task.place.file
    stage.samples = task.samples
    stage.#peer = await load(task.peer)
    const { connection } = task.near ?? task.place
    if (stage.#peer.store === 'redis') stage.probe = await Probe.open(connection)
    return stage
  }

  open = (options) => this.#open(this.#task.place, options)

  /** Opens the peer without the network delay of the measure (`delay`). */
  near = (options) => this.#open(this.#task.near ?? this.#task.place, options)

  async #open(place, options) {
    const queue = await this.#peer.open(place, options)
    this.#queues.push(queue)
    return queue
  }

  /** An application on disk that runs the jobs that this peer dispatches. See program.js. */
  application = (files) => {
    const made = new Application(this.#task.folder, this.#task.place.connection, files)
    this.#applications.push(made)
    return made
  }

  /** Starts a worker in another process, and resolves when the worker is ready. See partner.js. */
  partner = async (work) => {
    const { peer, place } = this.#task
    const child = fork(new URL('partner.js', import.meta.url), [JSON.stringify({ peer, place, ...work })])
    this.#partners.push(child)
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

  /** Kills the other processes without waiting for them, because this process may be about to exit. */
  end() {
    for (const child of this.#partners) child.kill('SIGKILL')
    for (const application of this.#applications) application.end()
  }

  /** Kills the other processes, and closes all connections of this process, which goes on. */
  async close() {
    this.end()
    this.probe?.close()
    for (const queue of this.#queues) await queue.close()
  }
}
