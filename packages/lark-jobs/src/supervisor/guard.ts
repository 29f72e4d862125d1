/**
 * A thread of a supervised worker process, which makes sure that the process does not outlive its supervisor. The main
 * thread notices the supervisor's end itself and stops in order, but not while a handler blocks it. Then this thread
 * kills the process.
 */
import { Socket } from 'node:net'
import { workerData } from 'node:worker_threads'

const { lifeline, within } = workerData as { lifeline: number; within: number }

new Socket({ fd: lifeline, readable: true, writable: false })
  .on('error', () => {}) // and then it closes
  .on('close', () => setTimeout(() => process.kill(process.pid, 'SIGKILL'), within))
  .resume()
