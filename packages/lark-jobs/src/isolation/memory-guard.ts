/**
 * The guard thread of an isolated process. The guard thread can end the process even if the job runs an
 * endless loop, a native call or `Atomics.wait`, because these block only the main thread. The guard thread
 * kills the process, with everything that the job has started, when the worker has ended, or when the process
 * uses more memory than the job may use.
 */
import { Socket } from 'node:net'
import { parentPort } from 'node:worker_threads'

/**
 * The file descriptor of a pipe. Only the worker has the other end of the pipe, so the pipe closes when the
 * worker ends.
 */
export const LIFELINE = 4
/** Milliseconds between two checks of the memory. */
const LOOK = 100

/**
 * Kills this process and everything that it has started. All these processes can be killed together, because
 * this process leads its own process group.
 */
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
    .on('error', () => {}) // After an error the socket closes.
    .on('close', killGroup)
    .resume()
  /** @param limit the maximum memory in bytes. 0 means no limit */
  parentPort!.on('message', (limit: number) => {
    clearInterval(timer)
    if (limit === 0) return
    timer = setInterval(() => {
      const has = process.memoryUsage.rss()
      if (has <= limit) return
      clearInterval(timer)
      // The worker adds this number to the error of the job.
      lifeline.write(`${has}\n`, killGroup)
    }, LOOK)
  })
}
