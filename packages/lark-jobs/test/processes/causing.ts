import { expect, test } from 'vitest'
import { greetingApp } from './greeting.ts'

/**
 * Tests how the causes of an error, and thrown values that are not errors, are shown. @param url undefined:
 * the embedded store
 */
export function causing(url: () => string | undefined): void {
  test('jobs:work, jobs:failed, jobs:show and their JSON show the cause of an error, and a thrown value that is not an error', async () => {
    await using app = await greetingApp(url(), {
      'src/jobs/FetchJob.ts': `
        import { Job } from '@s18i/lark-jobs'
        export class FetchJob extends Job {
          tries = 1
          async handle(payload: { what: string }) {
            if (payload.what === 'object') throw { code: 42, why: 'odd' }
            const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' })
            throw new TypeError('fetch failed', { cause: new AggregateError([refused, 'no luck'], 'all failed') })
          }
        }`,
      'src/commands/Fetch.ts': `
        import { Command } from '@s18i/lark'
        import { FetchJob } from '../jobs/FetchJob'
        export class Fetch extends Command {
          readonly key = 'fetch'
          async handle() {
            const jobs = [new FetchJob(), new FetchJob()]
            await jobs[0]!.dispatch({ what: 'object' })
            await jobs[1]!.dispatch({ what: 'cause' })
            this.line(jobs.map(({ id }) => id).join(' '))
          }
        }`,
    })
    const ids = (await app.run('fetch')).stdout.trim().split(' ')
    const line = 'fetch failed (cause: all failed (connect ECONNREFUSED 127.0.0.1:1; no luck))'
    const object = "{ code: 42, why: 'odd' }"
    const worked = await app.run('jobs:work', '--stop-when-empty', '--concurrency=1')
    expect(worked.stdout).toContain(`attempt 1 of 1, failed for good: ${line}\n`)
    expect(worked.stdout).toContain(`attempt 1 of 1, failed for good: ${object}\n`)
    const { stdout: failed } = await app.run('jobs:failed')
    expect(failed).toContain(object)
    expect(failed).toContain('fetch failed (cause: all failed (connect')
    const { stdout: shown } = await app.run('jobs:show', ids[1]!)
    expect(shown).toMatch(
      new RegExp(
        [
          '\\nErrors',
          '  Run 1, after .+: TypeError: fetch failed',
          '      at .*FetchJob.*',
          '    Caused by: AggregateError: all failed',
          '        at .*FetchJob.*',
          '      1 of 2: Error ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:1',
          '          at .*FetchJob.*',
          '      2 of 2: Error: no luck\\n',
        ].join('\\n(?:.*\\n)?'),
      ),
    )
    const json = JSON.parse((await app.run('jobs:show', ids[1]!, '--json')).stdout)
    expect(json.errors[0]).toMatchObject({
      message: 'fetch failed',
      cause: { message: 'all failed', errors: [{ code: 'ECONNREFUSED' }, { message: 'no luck' }] },
    })
    const { jobs } = JSON.parse((await app.run('jobs:failed', '--json')).stdout)
    expect(jobs.map((job: { errors: { message: string }[] }) => job.errors[0]?.message).sort()).toEqual([
      'fetch failed',
      object,
    ])
    await app.run('jobs:retry', ids[1]!)
    const again = await app.run('jobs:work', '--stop-when-empty', '--json')
    const event = again.stdout.split('\n').find((each) => each.includes('"event":"job"'))
    expect(JSON.parse(event!).error.cause.errors[0].code).toBe('ECONNREFUSED')
  })
}
