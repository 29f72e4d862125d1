/**
 * One run of one measure for one peer, with an empty store, in a new process, and with a network delay if the
 * measure has the field `delay`.
 */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { startProxy } from './proxy.js'

/**
 * `seconds`: for how long a rate is measured. `samples`: how many jobs are dispatched to an idle worker to
 * measure the latency.
 */
export const FULL = { seconds: 2, samples: 300 }
export const QUICK = { seconds: 0.7, samples: 100 }
/** The longest time in milliseconds that a measurement may take. */
const PATIENCE = 300_000

let files = 0

export class Measurement {
  #measure
  #name
  #peer
  #context

  constructor(measure, name, peer, context) {
    this.#measure = measure
    this.#name = name
    this.#peer = peer
    this.#context = context
  }

  /**
   * @param {(task: any) => Promise<Record<string, number>>} [how] runs the measurement; default: in a
   *   separate process
   * @returns the metrics, by name
   */
  async run(how = inChild) {
    const { probe, amount } = this.#context
    if (this.#peer.store === 'redis') await probe.ask(['FLUSHDB', 'SYNC'])
    const near = this.#place()
    await this.#peer.clear?.(near)
    const { delay } = this.#measure
    const proxy = delay && (await startProxy(near.connection, delay))
    const task = {
      measure: this.#measure.name,
      peer: this.#name,
      near,
      place: proxy ? { connection: proxy.url } : near,
      folder: this.#context.folder,
      ...amount,
    }
    try {
      return await how(task)
    } finally {
      proxy?.stop()
    }
  }

  #place() {
    const { places, folder } = this.#context
    if (this.#peer.store !== 'file') return { connection: places[this.#peer.store] }
    const file = join(folder, `${++files}.db`)
    return { file, connection: `sqlite:${file}` }
  }
}

function inChild(task) {
  return new Promise((resolve, reject) => {
    const child = fork(new URL('child.js', import.meta.url), [JSON.stringify(task)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const timer = setTimeout(() => {
      // SIGTERM and not SIGKILL, because the child must end the processes that it has started.
      child.kill()
      setTimeout(() => child.kill('SIGKILL'), 5_000).unref()
    }, PATIENCE)
    child.on('message', ({ metrics, error }) => (metrics ? resolve(metrics) : reject(new Error(error))))
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      reject(new Error(`its process ended with ${signal ?? code} and said nothing`))
    })
  })
}
