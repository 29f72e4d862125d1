/**
 * Measures the CPU time of each test file in seconds, including the processes that the file has started and
 * waited for. `npm test` uses all of two cores, so it names the most expensive files.
 */
import { readFileSync } from 'node:fs'
import { afterAll } from 'vitest'

declare module 'vitest' {
  interface TaskMeta {
    cpu?: number
  }
}

/** In a process that several files share, each file counts from the end of the file before it. */
const shared = globalThis as { larkCpuTime?: number }

// biome-ignore lint/correctness/noEmptyPattern: Vitest accepts no other name for fixtures that nobody uses.
afterAll(({}, file) => {
  const total = own() + ofChildren()
  file.meta.cpu = total - (shared.larkCpuTime ?? 0)
  shared.larkCpuTime = total
})

function own(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** `cutime` and `cstime` of proc(5), which only Linux has, in ticks of 10 ms. */
function ofChildren(): number {
  if (process.platform !== 'linux') return 0
  const [, fields = ''] = readFileSync('/proc/self/stat', 'utf8').split(') ')
  const [user, system] = fields.split(' ').slice(13, 15).map(Number)
  return (user! + system!) / 100
}
