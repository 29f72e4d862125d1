/**
 * The health thread: answers health checks and Prometheus for a worker, even while a handler blocks the
 * worker's event loop. The worker reports its condition every second (`Vitals`); a worker that reports
 * nothing counts as not live. If an answer needs the store, the thread asks the worker for it. The worker's
 * side is `health-server.ts`.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { inTime } from '../../waiting/bounded-wait.ts'
import { readable } from '../../words/duration.ts'
import type { Vitals } from '../../worker/vitals.ts'
import { answerAlone, type HttpAnswer } from './endpoints.ts'
import { HEALTH_THREAD, type HealthMessage, type HealthOrder, PATIENCE } from './health-server.ts'
import { HttpServer } from './http-server.ts'

/**
 * The thread stops waiting for an answer if the worker has been silent for this many milliseconds. A worker
 * reports every second, and a client may give up before `PATIENCE` is over.
 */
const SILENT = 3_000
/** Milliseconds between two checks for a silent worker. */
const LOOK = 250

const order = workerData as HealthOrder | undefined

// The order is checked because a bundler may put this file into one bundle with code that runs in other
// threads.
if (order?.kind === HEALTH_THREAD) void serve(order)

async function serve({ address }: HealthOrder): Promise<void> {
  const port = parentPort!
  const asked = new Map<number, (answer: HttpAnswer) => void>()
  let vitals: Vitals | undefined
  let heardAt = performance.now()
  let number = 0
  port.on('message', (message: HealthMessage) => {
    if (message.kind === 'vitals') {
      vitals = message.vitals
      heardAt = performance.now()
    } else if (message.kind === 'answer') asked.get(message.number)?.(message.answer)
  })
  const ask = async (path: string): Promise<HttpAnswer> => {
    const mine = ++number
    const answer = new Promise<HttpAnswer>((resolve) => asked.set(mine, resolve))
    port.postMessage({ kind: 'ask', number: mine, path } satisfies HealthMessage)
    for (let waited = 0; waited < PATIENCE; waited += LOOK) {
      const found = await inTime(LOOK, answer, () => undefined)
      const silence = performance.now() - heardAt
      if (found !== undefined || silence > SILENT) {
        asked.delete(mine)
        const text = `The worker has not run its event loop for ${readable(silence)}: a handler blocks it\n`
        return found ?? { status: 503, text }
      }
    }
    asked.delete(mine)
    return { status: 503, text: 'The store of the worker does not answer\n' }
  }
  try {
    const server = new HttpServer(address, async (path) => {
      const patient = { name: 'The worker', vitals, age: performance.now() - heardAt }
      return answerAlone(path, [patient]) ?? ask(path)
    })
    await server.start()
    port.postMessage({ kind: 'listening', url: server.url } satisfies HealthMessage)
  } catch (error) {
    port.postMessage({ kind: 'failed', text: (error as Error).message } satisfies HealthMessage)
  }
}
