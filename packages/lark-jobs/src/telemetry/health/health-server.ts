/**
 * The worker's side of the health thread (`health-thread.ts`), and the messages between the two.
 *
 * The thread starts before the worker, which is passed to `watch` later. Until then, the thread answers that
 * the worker is starting.
 */
import { Worker as Thread } from 'node:worker_threads'
import type { Operated } from '../../operate/operated.ts'
import { Part } from '../../worker/part.ts'
import { threadFile } from '../../worker/thread-file.ts'
import type { Vitals } from '../../worker/vitals.ts'
import { answerAlone, answerOfStore, type HttpAnswer } from './endpoints.ts'
import { type HttpAddress, HttpServer, unavailable } from './http-server.ts'

/** The `workerData.kind` that makes a thread the health thread. */
export const HEALTH_THREAD = '@s18i/lark-jobs: health thread'
/**
 * How long the worker may take to answer a request that needs the store, in milliseconds. The worker itself
 * waits a little less for the store.
 */
export const PATIENCE = 6_000
/** Milliseconds between two reports about the worker. */
const SIGN = 1_000

export interface HealthOrder {
  kind: typeof HEALTH_THREAD
  address: HttpAddress
}

export type HealthMessage =
  | { kind: 'vitals'; vitals: Vitals }
  | { kind: 'ask'; number: number; path: string }
  | { kind: 'answer'; number: number; answer: HttpAnswer }
  | { kind: 'listening'; url: string }
  | { kind: 'failed'; text: string }

/** A worker that reports its condition. */
export interface SaysVitals {
  readonly vitals: Vitals
}

export class HealthServer extends Part {
  /** The address of the server, once it has started. */
  url = ''
  readonly #address: HttpAddress
  readonly #jobs: Operated
  readonly #warn: (text: string) => void
  #tell: (vitals: Vitals) => void = () => {}
  #end = () => {}
  #timer: NodeJS.Timeout | undefined

  /** @param jobs the instance of `Jobs` whose store `/slo` and `/metrics` read */
  constructor(address: HttpAddress, jobs: Operated, warn: (text: string) => void) {
    super()
    this.#address = address
    this.#jobs = jobs
    this.#warn = warn
  }

  /** Reports the condition of the worker every second. */
  watch(worker: SaysVitals): void {
    if (this.isStopped) return
    const tell = () => this.#tell(worker.vitals)
    tell()
    this.#timer ??= setInterval(tell, SIGN).unref()
  }

  /** @throws HTTP_UNAVAILABLE */
  protected override async onStart(): Promise<void> {
    const file = threadFile('health-thread')
    if (file !== undefined) return this.#startThread(file)
    this.#warn(
      'The health thread is not there: while a handler blocks the event loop, health checks get no answer',
    )
    let vitals: Vitals | undefined
    const startedAt = performance.now()
    const server = new HttpServer(this.#address, async (path) => {
      const age = vitals === undefined ? performance.now() - startedAt : 0
      return answerAlone(path, [{ name: 'The worker', vitals, age }]) ?? answerOfStore(path, this.#jobs)
    })
    await server.start()
    this.url = server.url
    this.#end = () => void server.stop()
    this.#tell = (said) => {
      vitals = said
    }
  }

  protected override onStop(): void {
    clearInterval(this.#timer)
    this.#end()
  }

  #startThread(file: string): Promise<void> {
    const order: HealthOrder = { kind: HEALTH_THREAD, address: this.#address }
    const thread = new Thread(file, { workerData: order, execArgv: [], stderr: false })
    const tell = (message: HealthMessage) => thread.postMessage(message)
    this.#tell = (vitals) => tell({ kind: 'vitals', vitals })
    this.#end = () => void thread.terminate()
    return new Promise((resolve, reject) => {
      thread.once('error', reject)
      thread.on('message', async (message: HealthMessage) => {
        if (message.kind === 'listening') {
          thread.unref()
          this.url = message.url
          resolve()
        }
        if (message.kind === 'failed') {
          void thread.terminate()
          reject(unavailable(message.text))
        }
        if (message.kind !== 'ask') return
        const { number, path } = message
        tell({ kind: 'answer', number, answer: await answerOfStore(path, this.#jobs) })
      })
    })
  }
}
