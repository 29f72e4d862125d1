/**
 * The thread of an isolated process that ends it whatever the job does: a loop, a native call or
 * `Atomics.wait` holds the main thread only. It kills the process, with all that the job has started, when
 * the worker is gone, or when the process has more memory than the job may have.
 */
import { Socket } from 'node:net'
import { parentPort } from 'node:worker_threads'

/** The file descriptor of a pipe whose other end only the worker has: it ends when the worker does. */
export const LIFELINE = 4
/** Milliseconds between two looks at the memory. */
const LOOK = 100

/** Kills this process, and all that it has started: it is the first of its group. */
export function killGroup(): void {
  try {
    process.kill(-process.pid, 'SIGKILL')
  } catch {
    process.kill(process.pid, 'SIGKILL')
  }
}

export function guard(): void {
  let timer: NodeJS.Timeout | undefined
  const lifeline = new Socket({ fd: LIFELINE, readable: true, writable: true })
    .on('error', () => {}) // and then it closes
    .on('close', killGroup)
    .resume()
  /** @param limit bytes; 0: none */
  parentPort!.on('message', (limit: number) => {
    clearInterval(timer)
    if (limit === 0) return
    timer = setInterval(() => {
      const has = process.memoryUsage.rss()
      if (has <= limit) return
      clearInterval(timer)
      // The worker says it of the job.
      lifeline.write(`${has}\n`, killGroup)
    }, LOOK)
  })
}
