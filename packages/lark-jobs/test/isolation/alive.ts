import { readFileSync } from 'node:fs'

/**
 * Whether a process runs. One that has ended stays in the table of the system until its parent asks for it.
 */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
