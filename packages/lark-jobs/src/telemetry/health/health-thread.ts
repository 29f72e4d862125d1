/**
 * The health thread: answers health checks and Prometheus for a worker, also while a handler blocks the
 * worker's event loop. The worker says each second how it is (`Vitals`); a worker that says nothing is not
 * well. What needs the store, the thread asks the worker for. The worker's side is `health-server.ts`.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { inTime } from '../../waiting/bounded-wait.ts'
import type { Vitals } from '../../worker/vitals.ts'
import { answerAlone, type HttpAnswer } from './endpoints.ts'
import { HEALTH_THREAD, type HealthMessage, type HealthOrder, PATIENCE } from './health-server.ts'
import { HttpServer } from './http-server.ts'

const order = workerData as HealthOrder | undefined

// A bundler may put this file together with code that other threads of the program need.
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
  const ask = (path: string): Promise<HttpAnswer> => {
    const mine = ++number
    const answer = new Promise<HttpAnswer>((resolve) => asked.set(mine, resolve))
    port.postMessage({ kind: 'ask', number: mine, path } satisfies HealthMessage)
    const text = 'The event loop of the worker does not turn, or its store does not answer\n'
    return inTime(PATIENCE, answer, (): HttpAnswer => ({ status: 503, text })).finally(() =>
      asked.delete(mine),
    )
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
