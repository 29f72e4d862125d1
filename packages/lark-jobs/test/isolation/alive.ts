import { readFileSync } from 'node:fs'

/**
 * Whether a process runs. A process that has ended stays in the process table until its parent has asked for
 * its exit code.
 */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
