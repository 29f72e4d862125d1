/**
 * A thread of a worker process that sees to it that the process does not outlive its supervisor. The main thread
 * hears of the supervisor's end itself, and stops in order; but one that a handler blocks hears nothing.
 */
import { Socket } from 'node:net'
import { workerData } from 'node:worker_threads'

const { lifeline, within } = workerData as { lifeline: number; within: number }

new Socket({ fd: lifeline, readable: true, writable: false })
  .on('error', () => {}) // and then it closes
  .on('close', () => setTimeout(() => process.kill(process.pid, 'SIGKILL'), within))
  .resume()
