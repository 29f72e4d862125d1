/**
 * A job that writes a trace to disk when it starts and when it ends, so that tests know what happened even if
 * processes died.
 */
import type { App } from './app.ts'

export const traceFiles = {
  'lark.config.js': `export default { jobs: { queues: ['default', 'other'], prefix: process.env.PREFIX || 'lark' } }`,
  'jobs/TraceJob.js': `
    import { appendFileSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    import { Job } from '@s18i/lark-jobs'
    export class TraceJob extends Job {
      key = 'trace'
      async handle({ n, ms }) {
        appendFileSync(process.env.TRACE, \`start \${process.pid} \${n}\\n\`)
        if (ms) await sleep(ms)
        appendFileSync(process.env.TRACE, \`end \${process.pid} \${n}\\n\`)
      }
    }`,
  'fill.js': `
    import { TraceJob } from './jobs/TraceJob.js'
    const [count, ms] = process.argv.slice(2).map(Number)
    await new TraceJob().dispatchMany(Array.from({ length: count }, (_, n) => ({ n: n + Number(process.env.FROM ?? 0), ms })))`,
  // The lease is one second instead of 15 seconds, so that the test is short.
  'work.js': `
    import { Jobs } from '@s18i/lark-jobs'
    const worker = await Jobs.work({ concurrency: 20, lease: 1000, stopWhenEmpty: true })
    console.log('working')
    const { completed, failed } = await worker.done
    console.log(JSON.stringify({ completed, failed }))
    await Jobs.close()`,
}

export interface Trace {
  starts: { pid: number; n: number }[]
  ends: { pid: number; n: number }[]
}

export async function readTrace(app: App): Promise<Trace> {
  const trace: Trace = { starts: [], ends: [] }
  for (const line of (await app.read('trace.txt')).split('\n').filter(Boolean)) {
    const [what, pid, n] = line.split(' ')
    if (what === 'start') trace.starts.push({ pid: Number(pid), n: Number(n) })
    if (what === 'end') trace.ends.push({ pid: Number(pid), n: Number(n) })
  }
  return trace
}

/** Returns how often each number occurs. */
export function times(runs: { n: number }[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const { n } of runs) counts.set(n, (counts.get(n) ?? 0) + 1)
  return counts
}
