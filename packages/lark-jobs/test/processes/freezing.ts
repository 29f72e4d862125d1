/** A worker whose process is stopped (SIGSTOP) for longer than a lease while it holds jobs. */
import { expect, test } from 'vitest'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App } from './app.ts'
import { readTrace, times, traceFiles } from './trace.ts'
import { until } from './traced-app.ts'

const files = {
  ...traceFiles,
  'trace.txt': '',
  'jobs/FreezeJob.js': `
    import { existsSync, writeFileSync } from 'node:fs'
    import { Job } from '@s18i/lark-jobs'
    export class FreezeJob extends Job {
      handle() {
        if (existsSync('frozen')) return
        writeFileSync('frozen', '')
        process.kill(process.pid, 'SIGSTOP')
      }
    }`,
  'put.js': `
    import { FreezeJob } from './jobs/FreezeJob.js'
    import { TraceJob } from './jobs/TraceJob.js'
    await new FreezeJob().dispatch()
    await new TraceJob().dispatchMany(Array.from({ length: 9 }, (_, n) => ({ n })))`,
  'work.js': `
    import { Jobs } from '@s18i/lark-jobs'
    const worker = await Jobs.work({ concurrency: 10, lease: 500, stopWhenEmpty: true })
    await worker.done
    await Jobs.close()`,
}

/** @param url the URL of a store; undefined for the embedded store */
export function freezing(url: () => string | undefined): void {
  test('a stopped worker that goes on after its leases have ended starts none of its claimed jobs', async () => {
    const prefix = newPrefix()
    const server = url()
    await using app = await App.make(files, { LARK_JOBS_URL: server, PREFIX: prefix, TRACE: 'trace.txt' })
    if (server !== undefined) app.atEnd(() => removeKeys(server, prefix))
    expect(await app.start(['put.js']).result).toMatchObject({ code: 0 })
    // The worker claims all ten jobs with one call, and is stopped while it starts the first job.
    const frozen = app.start(['work.js'])
    await until(() =>
      app.read('frozen').then(
        () => true,
        () => false,
      ),
    )
    const other = await app.start(['work.js']).result
    expect(other.code).toBe(0)
    expect((await readTrace(app)).ends).toHaveLength(9)
    frozen.child.kill('SIGCONT')
    expect(await frozen.result).toMatchObject({ code: 0 })
    const { starts } = await readTrace(app)
    expect([...times(starts).values()]).toEqual(Array(9).fill(1))
    expect(starts.every(({ pid }) => pid !== frozen.child.pid)).toBe(true)
  })
}
