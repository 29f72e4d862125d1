/** Mistakes that a command refuses before it uses the store. The messages do not depend on the store. */
import { expect, test } from 'vitest'
import type { App } from './app.ts'
import { greetingApp } from './greeting.ts'

async function appWithoutStore(): Promise<App> {
  const app = await greetingApp(undefined)
  app.env.LARK_JOBS_URL = 'redis://127.0.0.1:1'
  return app
}

const toRetry =
  'Which jobs? Give their ids, or --all, --job, --state, --group, --tag, --kind, --since, --until or --where'
const toCancel =
  'Which jobs? Give their ids, or --job, --queue, --state, --group, --tag, --kind, --since, --until, --where or --all'
const toWhere = "--where is 'tenant'; it must be a path of the payload, =, and a JSON value"

test('a command with an unknown word prints one line, and exits with 2', async () => {
  await using app = await appWithoutStore()
  for (const [args, line] of [
    [['jobs:work', '--concurrency=0'], '✗ --concurrency must be a whole number from 1, got "0"'],
    [['jobs:work', '--max-jobs=1.5'], '✗ --max-jobs must be a whole number from 1, got "1.5"'],
    [['jobs:work', '--preset=fast'], '✗ --preset must be one of balanced, throughput, spread, got "fast"'],
    [['jobs:retry'], `✗ ${toRetry}`],
    [['jobs:retry', '--queue=emails'], `✗ ${toRetry}`],
    [['jobs:cancel'], `✗ ${toCancel}`],
    [['jobs:cancel', '--where=tenant'], `✗ ${toWhere}`],
    [['jobs:cancel', '--queue='], "✗ --queue is ''; it must be the name of a queue, or a list of these"],
    [
      ['jobs:cancel', '--all', '--queue=emails'],
      '✗ --all must be the only condition, but --queue came with it',
    ],
    [
      ['jobs:retry', '--all', '--queue='],
      "✗ --queue is ''; it must be the name of a queue, or a list of these",
    ],
    [
      ['jobs:pause', 'default', '--group='],
      "✗ --group is ''; it must be the name of a group: a text that is not empty, or a number",
    ],
    [['jobs:cancel', 'a', '--job=greet'], '✗ Give ids or a filter, not both'],
    [['jobs:failed', '--queue='], "✗ --queue is ''; it must be the name of a queue"],
    [
      ['jobs:pause', 'default', '--group=a', '--for=soon'],
      "✗ --for is 'soon'; it must be milliseconds, or a text like '30s', '5m', '2h' or '1d', above 0",
    ],
    [
      ['jobs:resume', 'default', '--group=a', `--group-hash=#${'a'.repeat(43)}`],
      '✗ --group and --group-hash each name a group; give one of them',
    ],
    [['jobs:status', '--jsno'], '✗ Unknown flag --jsno'],
    [['jobs:failed', '--limit=0'], '✗ --limit must be a whole number from 1, got "0"'],
    [['jobs:wrok'], '✗ Unknown command "jobs:wrok"'],
  ] as const) {
    const { code, stderr } = await app.run(...args)
    expect(code, args.join(' ')).toBe(2)
    expect(stderr.split('\n')[0]).toBe(line)
    expect(stderr).not.toContain('    at ')
  }
  expect((await app.run('jobs:status', '--jsno')).stderr).toContain('\n  Did you mean --json?\n')
})

test('a wrong configuration causes one line that names the key', async () => {
  await using app = await appWithoutStore()
  for (const [config, line] of [
    [
      `export default { jobs: { queue: ['default'] } }`,
      /lark.config.js: jobs.queue is not an option\n {2}Did you mean queues\?/,
    ],
    [
      `export default { jobs: { queues: [] } }`,
      /lark.config.js: jobs.queues is \[\]; it must be a list of names/,
    ],
    [
      `export default { jobs: { queues: ['a b'] } }`,
      /lark.config.js: jobs.queues is \[ 'a b' \]; it must be a list of names/,
    ],
    [
      `export default { jobs: { queues: { default: { rate: { limit: -1 } } } } }`,
      /lark.config.js: jobs.queues.default.rate.limit is -1; it must be a whole number from 1\n$/,
    ],
    [
      `export default { jobs: { connection: 5 } }`,
      /lark.config.js: jobs.connection is a number; it must be a text/,
    ],
    [
      `export default { jobs: { connection: 'mysql://x' } }`,
      /The connection is 'mysql:\/\/…', which names no store that Lark knows/,
    ],
    [`export default { job: {} }`, /lark.config.js has an unknown key "job"\n {2}Did you mean jobs\?/],
    ['export default 5', /lark.config.js must export an object by default/],
    [`throw new Error('oh')`, /lark.config.js failed to load: oh/],
  ] as const) {
    await app.write({ 'lark.config.js': config })
    // A configured connection comes before LARK_JOBS_URL.
    const { code, stderr } = await app.run('jobs:status')
    expect(code, config).toBe(1)
    expect(stderr).toMatch(line)
    expect(stderr).not.toContain('    at ')
  }
})
