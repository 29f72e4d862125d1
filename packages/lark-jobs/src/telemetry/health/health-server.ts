/**
 * The worker's side of the health thread (`health-thread.ts`), and what both say to each other.
 *
 *   starting (the thread listens, and the worker is not there yet) → watching (a worker) → closed
 */
import { Worker as Thread } from 'node:worker_threads'
import type { Operated } from '../../operate/operations.ts'
import { threadFile } from '../../worker/thread-file.ts'
import type { Vitals } from '../../worker/vitals.ts'
import { answerAlone, answerOfStore, type HttpAnswer } from './endpoints.ts'
import { type HttpPlace, type Listening, listen, unavailable } from './http-server.ts'

/** The `workerData.kind` that makes a thread the health thread. */
export const HEALTH_THREAD = '@s18i/lark-jobs: health thread'
/** Milliseconds that the worker gets to answer what needs the store. It waits for the store itself for a little less. */
export const PATIENCE = 6_000
/** Milliseconds between two messages of how the worker is. */
const SIGN = 1_000

export interface HealthOrder {
  kind: typeof HEALTH_THREAD
  place: HttpPlace
}

export type HealthMessage =
  | { kind: 'vitals'; vitals: Vitals }
  | { kind: 'ask'; number: number; path: string }
  | { kind: 'answer'; number: number; answer: HttpAnswer }
  | { kind: 'listening'; url: string }
  | { kind: 'failed'; text: string }

/** A worker that says how it is. */
export interface SaysVitals {
  readonly vitals: Vitals
}

export class HealthServer {
  readonly url: string
  readonly #end: () => void
  readonly #tell: (vitals: Vitals) => void
  #timer: NodeJS.Timeout | undefined

  private constructor(url: string, tell: (vitals: Vitals) => void, end: () => void) {
    this.url = url
    this.#tell = tell
    this.#end = end
  }

  /** @param jobs whose store `/slo` and `/metrics` look at @throws HTTP_UNAVAILABLE */
  static async start(place: HttpPlace, jobs: Operated, warn: (text: string) => void): Promise<HealthServer> {
    const file = threadFile('health-thread')
    if (file !== undefined) return HealthServer.#inThread(file, place, jobs)
    warn('The health thread is not there: while a handler blocks the event loop, health checks get no answer')
    let vitals: Vitals | undefined
    const startedAt = performance.now()
    const { url, close }: Listening = await listen(place, async (path) => {
      const age = vitals === undefined ? performance.now() - startedAt : 0
      return answerAlone(path, [{ name: 'The worker', vitals, age }]) ?? answerOfStore(path, jobs)
    })
    const tell = (said: Vitals) => {
      vitals = said
    }
    return new HealthServer(url, tell, close)
  }

  static #inThread(file: string, place: HttpPlace, jobs: Operated): Promise<HealthServer> {
    const order: HealthOrder = { kind: HEALTH_THREAD, place }
    const thread = new Thread(file, { workerData: order, execArgv: [], stderr: false })
    const tell = (message: HealthMessage) => thread.postMessage(message)
    return new Promise((resolve, reject) => {
      thread.once('error', reject)
      thread.on('message', async (message: HealthMessage) => {
        if (message.kind === 'listening') {
          thread.unref()
          const end = () => void thread.terminate()
          resolve(new HealthServer(message.url, (vitals) => tell({ kind: 'vitals', vitals }), end))
        }
        if (message.kind === 'failed') {
          void thread.terminate()
          reject(unavailable(message.text))
        }
        if (message.kind !== 'ask') return
        const { number, path } = message
        tell({ kind: 'answer', number, answer: await answerOfStore(path, jobs) })
      })
    })
  }

  /** Says each second how the worker is. */
  watch(worker: SaysVitals): void {
    const tell = () => this.#tell(worker.vitals)
    tell()
    this.#timer = setInterval(tell, SIGN).unref()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#end()
  }
}
