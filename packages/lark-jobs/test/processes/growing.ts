import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App } from './app.ts'
import { readTrace, times, traceFiles } from './trace.ts'

const files = {
  'trace.txt': '',
  'grown.config.js':
    "export default { jobs: { queues: { default: { partitions: 3 } }, prefix: process.env.PREFIX || 'lark' } }",
  'jobs/BlockJob.js': `
    import { appendFileSync } from 'node:fs'
    import { Job } from '@s18i/lark-jobs'
    export class BlockJob extends Job {
      async handle({ n, ms }) {
        appendFileSync(process.env.TRACE, \`start \${process.pid} \${n}\\n\`)
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
        appendFileSync(process.env.TRACE, \`end \${process.pid} \${n}\\n\`)
      }
    }`,
  // The jobs go to the partitions in turn.
  'grow.js': `
    import { BlockJob } from './jobs/BlockJob.js'
    import { TraceJob } from './jobs/TraceJob.js'
    for (let n = 0; n < 300; n++) await new TraceJob().dispatch({ n })
    for (let n = 300; n < 303; n++) await new BlockJob().dispatch({ n, ms: 3_500 })`,
  'serve.js': `
    import { Jobs } from '@s18i/lark-jobs'
    const worker = await Jobs.work({ concurrency: 2, lease: 1500 })
    process.once('SIGTERM', () => Jobs.close())
    console.log('working')
    console.log(JSON.stringify(await worker.done))`,
}

/**
 * A queue gets more partitions while its workers run. @param url of a store; undefined: the embedded store
 */
export function growing(url: () => string | undefined): void {
  test('workers that are configured with one partition also serve two partitions that other processes add, and renew leases there', async () => {
    const prefix = newPrefix()
    await using app = await App.make({ ...traceFiles, ...files }, { LARK_JOBS_URL: url(), PREFIX: prefix })
    const server = url()
    if (server !== undefined) app.atEnd(() => removeKeys(server, prefix))
    const traced = { TRACE: `${app.folder}/trace.txt` }
    const workers = [1, 2].map(() => app.start(['serve.js'], '.', traced))
    await Promise.all(workers.map((worker) => worker.says('working')))
    const grown = { LARK_CONFIG: `${app.folder}/grown.config.js` }
    expect(await app.start(['grow.js'], '.', grown).result).toMatchObject({ code: 0, stderr: '' })

    while ((await readTrace(app)).ends.length < 303) await pause(50)
    for (const { child } of workers) child.kill('SIGTERM')
    const results = await Promise.all(workers.map(({ result }) => result))
    expect(results.map(({ code }) => code)).toEqual([0, 0])
    const { starts } = await readTrace(app)
    const twice = [...times(starts)].filter(([, count]) => count > 1)
    const summaries = results.map(({ stdout }) => JSON.parse(stdout.split('\n')[1]!))
    expect({
      twice,
      lost: summaries.map(({ lost }) => lost),
      stderr: results.map(({ stderr }) => stderr),
    }).toEqual({
      twice: [],
      lost: [0, 0],
      stderr: [expect.any(String), expect.any(String)],
    })
    expect(times(starts).size).toBe(303)
    expect(summaries[0].completed + summaries[1].completed).toBe(303)
    const status = JSON.parse((await app.run('jobs:status', '--json')).stdout)
    const [queue] = status.queues
    expect(queue).toMatchObject({ queue: 'default', counts: { waiting: 0, active: 0, completed: 303 } })
    expect(
      queue.partitions.map(({ partition, counts }: { partition: string; counts: { completed: number } }) => [
        partition,
        counts.completed,
      ]),
    ).toEqual([
      ['default', 101],
      ['default/1', 101],
      ['default/2', 101],
    ])
  })
}
