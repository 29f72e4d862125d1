/**
 * A thread of a supervised worker process, which makes sure that the process does not outlive its supervisor.
 * The main thread notices the supervisor's end itself and stops in order, but not while a handler blocks it.
 * Then this thread kills the process. A process that needs longer, for example to tell the store how its jobs
 * ended, tells this thread.
 */
import { Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'

const { lifeline, within } = workerData as { lifeline: number; within: number }

let isOver = false
let timer: NodeJS.Timeout | undefined
let patience = within
function arm(): void {
  clearTimeout(timer)
  if (isOver) timer = setTimeout(() => process.kill(process.pid, 'SIGKILL'), patience)
}

new Socket({ fd: lifeline, readable: true, writable: false })
  .on('error', () => {}) // and then it closes
  .on('close', () => {
    isOver = true
    arm()
  })
  .resume()
parentPort!.on('message', (ms: number) => {
  patience = ms
  arm()
})
