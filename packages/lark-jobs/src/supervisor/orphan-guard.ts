/**
 * A thread of a supervised worker process that makes sure that the process does not outlive its supervisor.
 * Normally the main thread itself notices the supervisor's end and stops in an orderly way. While a handler
 * blocks the main thread, this is not possible, so this thread kills the process. If the process
 * needs more time, for example to report to the store how its jobs ended, it tells this thread.
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
  .on('error', () => {}) // After an error the socket closes.
  .on('close', () => {
    isOver = true
    arm()
  })
  .resume()
parentPort!.on('message', (ms: number) => {
  patience = ms
  arm()
})
