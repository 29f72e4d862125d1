import { randomBytes } from 'node:crypto'
import { readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, inject, test } from 'vitest'
import { parseLocation } from '../../lark-jobs/src/store/redis/client/location.ts'
import { openTransport } from '../../lark-jobs/src/store/redis/client/open-transport.ts'
import { App } from '../../lark-jobs/test/processes/app.ts'
import { newPrefix, removeKeys } from '../../lark-jobs/test/redis/place.ts'

const files = {
  'package.json': JSON.stringify({
    type: 'module',
    dependencies: { '@s18i/lark': '*', '@s18i/lark-jobs': '*', '@s18i/lark-jobs-bench': '*' },
  }),
  'lark.config.js': `
    const told = (what) => (_, next) => {
      console.log('the user\\'s ' + what)
      return next?.()
    }
    export default {
      jobs: { prefix: process.env.PREFIX, middleware: [told('middleware')], hooks: { started: told('hook') } },
    }`,
  'greet.js': `
    import { Job } from '@s18i/lark-jobs'
    class GreetJob extends Job { handle() {} }
    await new GreetJob().dispatch()`,
}

const figures = [
  'round trip',
  'dispatch, one at a time',
  'dispatch, Promise.all of 100',
  'dispatchMany of 1,000',
  'process, 50 at a time',
  'process, 1 at a time',
  'idle dispatch to start',
]
const few = ['--jobs=300', '--seconds=1']

describe.concurrent.each<[string, () => string | undefined]>([
  ['the embedded store', () => undefined],
  ['Redis', () => inject('redisUrl')],
])('on %s, jobs:bench leaves nothing behind, and touches no other jobs', (_, url) => {
  test.sequential('jobs:bench prints one figure on each line, and leaves the store unchanged', async () => {
    await using place = await greetedStore(url())
    const { app, contents } = place
    const before = await contents()
    const status = await statusOf(app)
    const { code, stdout, stderr } = await app.run('jobs:bench', '--verbose', ...few)
    expect(code).toBe(0)
    expect(stderr).toMatch(/^i Measuring \S+ in .* of its own \(.*\), removed afterwards\n/)
    expect(stderr).toMatch(/^\W*7\/7 figures$/m)
    expect(stdout + stderr).not.toContain("the user's")
    const [head, ...lines] = stdout.trimEnd().split('\n')
    expect(head).toMatch(/^FIGURE +P50 MS +P99 MS +JOBS\/S +LIMITED BY$/)
    for (const [i, name] of figures.entries()) expect(lines[i]).toMatch(new RegExp(`^${name} +[\\d.,]+ `))
    expect(await contents()).toEqual(before)
    expect(await statusOf(app)).toEqual(status)
  })

  test.sequential('jobs:bench --json prints one object; --quiet prints only the table and warnings', async () => {
    await using place = await greetedStore(url())
    const { app } = place
    const { store, ...rest } = JSON.parse((await app.run('jobs:bench', '--json', ...few)).stdout)
    expect(store).toBe(JSON.parse((await app.run('jobs:status', '--json')).stdout).store)
    expect(rest.figures.map(({ name }: { name: string }) => name)).toEqual(figures)
    const [roundTrip, ...others] = rest.figures
    expect(roundTrip.p99).toBeGreaterThanOrEqual(roundTrip.p50)
    for (const { p50, rate, limit } of others) {
      expect(p50 ?? rate).toBeGreaterThan(0)
      expect(['this process', 'round trip', 'the store']).toContain(limit)
    }
    const quiet = await app.run('jobs:bench', '--quiet', ...few)
    expect(quiet.stdout).toMatch(/^FIGURE /)
    expect(quiet.stderr).not.toMatch(/^[i✓]/m)
  })

  test.sequential('Ctrl-C ends jobs:bench while it measures any of its figures, and no data of the command is left', async () => {
    await using place = await greetedStore(url())
    const { app, contents } = place
    const before = await contents()
    for (const moment of ['Measuring', '2/7 figures', '4/7 figures']) {
      const bench = app.lark('jobs:bench', '--verbose', '--jobs=10000', '--seconds=2')
      await bench.says(moment)
      // At this moment, the store contains data of the command, which the command must remove.
      expect(await contents(), moment).not.toEqual(before)
      bench.child.kill('SIGINT')
      const { code, stdout, stderr } = await bench.result
      expect({ code, stdout }, moment).toEqual({ code: 130, stdout: '' })
      expect(stderr).toMatch(/! Interrupted\n$/)
      expect(await contents(), moment).toEqual(before)
    }
  })

  test.sequential('an error of jobs:bench is printed as one line, and no data of the command is left', async () => {
    await using place = await greetedStore(url())
    const { app, contents } = place
    const before = await contents()
    const { code, stdout, stderr } = await place.fail()
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr.match(/^✗ .*/gm)).toHaveLength(1)
    expect(stderr).toMatch(url() === undefined ? /^✗ sqlite:.*package\.json/m : /^✗ .*'evalsha'/m)
    expect(stderr).not.toContain('    at ')
    expect(await contents()).toEqual(before)
    for (const flag of ['--jobs=0', '--seconds=1.5']) {
      const refused = await app.run('jobs:bench', flag)
      expect(refused.code).toBe(2)
      expect(refused.stderr).toMatch(/must be a whole number from 1, got/)
    }
  })
})

/** A store with one job, and an application that uses it. */
async function greetedStore(url: string | undefined) {
  const prefix = newPrefix()
  const app = await App.make(files, { LARK_JOBS_URL: url, PREFIX: prefix })
  if (url !== undefined) app.atEnd(() => removeKeys(url, prefix))
  const here = fileURLToPath(new URL('..', import.meta.url))
  await symlink(here, join(app.folder, 'node_modules/@s18i/lark-jobs-bench'))
  await app.start(['greet.js']).result
  const bench = (connection: string) => {
    const bin = join(app.folder, 'node_modules/@s18i/lark/dist/bin.js')
    return app.start([bin, 'jobs:bench'], '.', { LARK_JOBS_URL: connection }).result
  }
  return {
    app,
    /** The contents of the store: the names of its keys, or of its files. */
    async contents(): Promise<string[]> {
      if (url === undefined) return (await readdir(join(app.folder, '.lark'))).sort()
      const keys = (await ask(url, ['KEYS', `${prefix}:*`])) as string[]
      // Keys that expire do not count: a store keeps the record of a call for a minute.
      return keys.filter((key) => key.includes(':bench-') || !key.includes(':call:')).sort()
    },
    /**
     * Makes the next run of the command fail. On Redis, the run fails half-way, because the Redis user may
     * not run scripts. On the embedded store, the run fails at once, because it cannot create its file.
     */
    async fail() {
      if (url === undefined) return bench('sqlite:package.json/jobs.db')
      const user = `lark-test-${randomBytes(6).toString('hex')}`
      await ask(url, ['ACL', 'SETUSER', user, 'on', '>secret', '~*', '&*', '+@all', '-@scripting'])
      try {
        const its = new URL(url)
        its.username = user
        its.password = 'secret'
        return await bench(its.href)
      } finally {
        await ask(url, ['ACL', 'DELUSER', user])
      }
    },
    [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
  }
}

async function ask(url: string, command: string[]): Promise<unknown> {
  const route = openTransport(parseLocation(url), {})
  try {
    return await route.send(command)
  } finally {
    route.close()
  }
}

/**
 * Returns the output of jobs:status without the age of the oldest job, because this age grows all the time.
 */
async function statusOf(app: App): Promise<unknown> {
  const { stdout } = await app.run('jobs:status', '--json')
  return JSON.parse(stdout, (name, value) => (name === 'oldest' ? 'for a while' : value))
}
