// Frameworks: a small application of each, in production and in development. A request (`POST /greet`) dispatches a
// job, a worker runs it, and another request (`GET /greet/ID`) shows the result.

import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** @typedef {import('../harness/row.js').Row} Row */
/** @typedef {import('../harness/row.js').Trial} Trial */

const lark = 'node_modules/@s18i/lark/bin/lark.js'
const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url))
const production = { NODE_ENV: 'production' }

/** @type {(name: string, fixture: string, version: string, run: Row['run'], more?: Partial<Row>) => Row} */
const row = (name, fixture, version, run, more = {}) => ({
  kind: 'Framework',
  name,
  fixture,
  version,
  node: '24',
  run,
  ...more,
})

/**
 * Starts a server that dispatches, and returns functions that check how its job is run.
 *
 * @param {Trial} trial
 * @param {readonly string[]} words
 * @param {Partial<import('../harness/process.js').Options>} options
 */
async function serve(trial, words, { env, port: given, ...options }) {
  const port = given ?? (await trial.port())
  const all = { HOST: '127.0.0.1', ...production, ...env, PORT: `${port}` }
  const program = await trial.start(words, { ...options, env: all })
  return new Server(trial, program, port, all)
}

class Server {
  constructor(trial, program, port, env) {
    this.trial = trial
    this.program = program
    this.url = `http://127.0.0.1:${port}/greet`
    this.env = env
  }

  /** @returns {Promise<string>} the id of the job that a request dispatched */
  async dispatches(payload = {}) {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ name: 'matrix', ...payload })
    const answer = await this.#answer(this.url, { method: 'POST', headers, body })
    this.trial.expect(answer.status, 202, 'POST /greet: ', await this.#said(answer))
    return (await answer.json()).id
  }

  /** The state and result of a job, as a request shows them. */
  async shows(id) {
    const answer = await this.#answer(`${this.url}/${id}`)
    this.trial.expect(answer.status, 200, 'GET /greet/ID: ', await this.#said(answer))
    return answer.json()
  }

  /** Checks that `lark jobs:work` runs the job. */
  async isServedByLark() {
    const id = await this.dispatches()
    this.trial.expect((await this.shows(id)).state, 'waiting', 'before the worker: ')
    await this.lark('jobs:work', '--stop-when-empty')
    this.#expect(await this.shows(id), 'Hello, matrix')
  }

  /** Checks that a running worker runs the job. */
  async isServed(greeting = 'Hello, matrix') {
    const id = await this.dispatches()
    this.#expect(await this.until(async () => ended(await this.shows(id))), greeting)
  }

  /** Checks that SIGTERM ends the process with exit code 0. */
  async ends() {
    this.program.child.kill('SIGTERM')
    await this.program.succeeds()
  }

  /** Checks that the worker in the server has found its lease thread. */
  hasThread() {
    this.trial.expect(/.*lease thread.*/.exec(this.program.output)?.[0], undefined)
  }

  /** Checks that after SIGTERM a running job ends before the process does. */
  async endsItsJob() {
    const id = await this.dispatches({ wait: 3_000 })
    await this.until(async () => ((await this.shows(id)).state === 'active' ? true : undefined))
    await this.ends()
    const { stdout } = await this.lark('jobs:show', id, '--json')
    this.#expect(JSON.parse(stdout), 'Hello, matrix')
  }

  /** Runs `lark` with the environment of the server. */
  lark(...words) {
    return this.trial.run(['node', lark, ...words], { env: this.env })
  }

  /** The living workers. */
  async workers() {
    return JSON.parse((await this.lark('jobs:status', '--json')).stdout).workers
  }

  /** Checks that, after the file of a job has changed while the server runs, there is one worker with the new class. */
  async followsEdits(path) {
    const file = join(this.trial.folder, path)
    const text = readFileSync(file, 'utf8')
    for (const greeting of ['Re: Hello, matrix', 'Re: Re: Hello, matrix']) {
      const before = greeting.slice(0, -'Hello, matrix'.length)
      writeFileSync(file, text.replace('return ', `return '${before}' + `))
      await this.until(async () => {
        const id = await this.dispatches()
        const { result } = await this.until(async () => ended(await this.shows(id)))
        return result === greeting ? true : undefined
      })
      // The replaced worker ends as soon as its running jobs have ended.
      await this.until(async () => ((await this.workers()).length === 1 ? true : undefined))
      for (let time = 0; time < 5; time++) await this.isServed(greeting)
    }
    writeFileSync(file, text)
  }

  /** Repeats `check` until it resolves to a value other than undefined. */
  async until(check, seconds = 60) {
    const end = Date.now() + seconds * 1_000
    for (;;) {
      const found = await check()
      if (found !== undefined) return found
      if (this.program.isOver || Date.now() > end) break
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw Object.assign(new Error(`it did not come about in ${seconds} s`), { output: this.program.output })
  }

  /** Sends a request, as soon as the server listens. */
  #answer(url, options) {
    return this.until(() =>
      fetch(url, options).catch((error) => {
        if (error.cause?.code !== 'ECONNREFUSED') throw error
      }),
    )
  }

  async #said(answer) {
    return `${this.program.output}\n${await answer.clone().text()}`
  }

  #expect({ state, result }, greeting) {
    this.trial.expect(state, 'completed', '', this.program.output)
    this.trial.expect(result, greeting, '', this.program.output)
  }
}

const ended = (job) => (['completed', 'failed', 'cancelled'].includes(job.state) ? job : undefined)

/** On each store: the server dispatches, and `lark jobs:work` is the worker. */
const besideLark = (words, build) => async (trial) => {
  await build?.(trial)
  for (const { url } of await trial.stores()) {
    const server = await serve(trial, words, { env: { LARK_JOBS_URL: url } })
    await server.isServedByLark()
    await server.ends()
  }
}

const next = 'node_modules/next/dist/bin/next'
const quiet = { NEXT_TELEMETRY_DISABLED: '1' }

/**
 * A server that the framework builds: first `lark jobs:work` runs its jobs, and then a worker in the server itself.
 *
 * @param {Trial} trial
 * @param {readonly string[]} words
 */
async function servesBothWays(trial, words) {
  for (const { url } of await trial.stores()) {
    const server = await serve(trial, words, { env: { LARK_JOBS_URL: url } })
    await server.isServedByLark()
    await server.ends()
    const both = await serve(trial, words, { env: { LARK_JOBS_URL: url, WORKER: '1' } })
    await both.isServed()
    both.hasThread()
    await both.endsItsJob()
  }
}

/** @param {'Turbopack' | 'webpack'} bundler @returns {Row[]} */
const nextRows = (bundler) => {
  const flag = `--${bundler.toLowerCase()}`
  const nextRow = (name, run) => row(`Next, ${bundler}, ${name}`, 'next', 'next', run)
  /** Restores the fixture, because rows change it. */
  const fresh = (trial) => {
    rmSync(join(trial.folder, '.next'), { recursive: true, force: true })
    for (const name of ['src', 'next.config.ts', 'tsconfig.json']) {
      rmSync(join(trial.folder, name), { recursive: true, force: true })
      cpSync(join(fixtures, 'next', name), join(trial.folder, name), { recursive: true })
    }
  }
  const build = (trial) => trial.run(['node', next, 'build', flag], { env: { ...production, ...quiet } })
  return [
    nextRow('dev', async (trial) => {
      fresh(trial)
      const dev = ['node', next, 'dev', flag]
      const development = { ...quiet, NODE_ENV: undefined }
      for (const { url } of await trial.stores()) {
        const server = await serve(trial, dev, { env: { ...development, LARK_JOBS_URL: url } })
        await server.isServedByLark()
        await server.program.stop()
      }
      const { url } = await trial.redis()
      const env = { ...development, LARK_JOBS_URL: url, WORKER: '1' }
      const server = await serve(trial, dev, { env })
      await server.isServed()
      await server.followsEdits('src/jobs/GreetJob.ts')
      return 'lark jobs:work; a worker in the server follows edits; Redis, SQLite'
    }),
    nextRow('build and start', async (trial) => {
      fresh(trial)
      await build(trial)
      for (const { url } of await trial.stores()) {
        const env = { ...quiet, NEXT_MANUAL_SIG_HANDLE: 'true', LARK_JOBS_URL: url }
        const server = await serve(trial, ['node', next, 'start'], { env })
        await server.isServedByLark()
        await server.ends()
        const both = await serve(trial, ['node', next, 'start'], { env: { ...env, WORKER: '1' } })
        await both.isServed()
        both.hasThread()
        await both.endsItsJob()
      }
      return 'lark jobs:work; a worker in the server ends its job at SIGTERM; Redis, SQLite'
    }),
    nextRow('standalone', async (trial) => {
      fresh(trial)
      cpSync(join(trial.folder, 'standalone'), trial.folder, { recursive: true })
      await build(trial)
      const cwd = join(trial.out, 'deployed')
      cpSync(join(trial.folder, '.next/standalone'), cwd, { recursive: true, verbatimSymlinks: true })
      for (const { url } of await trial.stores()) {
        const env = { ...quiet, NEXT_MANUAL_SIG_HANDLE: 'true', LARK_JOBS_URL: url, WORKER: '1' }
        const server = await serve(trial, ['node', 'server.js'], { cwd, env })
        await server.isServed()
        server.hasThread()
        await server.endsItsJob()
      }
      return 'configured in code; a worker in the server ends its job at SIGTERM; Redis, SQLite'
    }),
  ]
}

export const rows = [
  ...nextRows('Turbopack'),
  ...nextRows('webpack'),
  row('Awilix', 'awilix', 'awilix', async (trial) => {
    for (const { url } of await trial.stores()) {
      const env = { LARK_JOBS_URL: url }
      const id = (await trial.run(['node', 'dispatch.js'], { env })).stdout.trim()
      const worked = await trial.run(['node', lark, 'jobs:work', '--stop-when-empty'], { env })
      trial.expect(/closed/.test(worked.stderr), true, 'the scope of the run: ', worked.stderr)
      const { stdout } = await trial.run(['node', lark, 'jobs:show', id, '--json'], { env })
      trial.expect(JSON.parse(stdout).result, 'Hello, matrix')
    }
    return 'a scope for each run, lark jobs:work; Redis, SQLite'
  }),
  row('Express', 'express', 'express', async (trial) => {
    const build = () => trial.tool('typescript:tsc', [])
    await besideLark(['node', 'dist/server.js'], build)(trial)
    return 'compiled by tsc, lark jobs:work; Redis, SQLite'
  }),
  row('Fastify', 'fastify', 'fastify', async (trial) => {
    for (const { url } of await trial.stores()) {
      const server = await serve(trial, ['node', 'server.js'], { env: { LARK_JOBS_URL: url } })
      await server.isServedByLark()
      await server.ends()
      const both = await serve(trial, ['node', 'server.js'], { env: { LARK_JOBS_URL: url, WORKER: '1' } })
      await both.isServed()
      await both.ends()
    }
    return 'lark jobs:work; a worker in the server; Redis, SQLite'
  }),
  row('Hono', 'hono', 'hono', async (trial) => {
    await besideLark(['node', '--import', 'tsx', 'src/server.ts'])(trial)
    return '@hono/node-server and tsx, lark jobs:work; Redis, SQLite'
  }),
  row('Nest', 'nest', '@nestjs/core', async (trial) => {
    await trial.tool('@nestjs/cli:nest', ['build'])
    for (const { url } of await trial.stores()) {
      const env = { LARK_JOBS_URL: url }
      const server = await serve(trial, ['node', 'dist/main.js'], { env })
      await server.isServedByLark()
      const worker = await serve(trial, ['node', 'dist/worker.js'], { env })
      await server.isServed()
      await worker.ends()
      await server.ends()
    }
    return 'nest build, jobs as providers, lark jobs:work and a worker of the application; Redis, SQLite'
  }),
  row('Nest, a module of jobs', 'nest', '@nestjs/core', async (trial) => {
    await trial.tool('@nestjs/cli:nest', ['build'])
    for (const { url } of await trial.stores()) {
      await trial.run(['node', 'dist/album.js'], { env: { LARK_JOBS_URL: url, RESULT: trial.result } })
      await trial.finds({
        ran: 'Hello, ada, attempt 3, 3 of 3',
        again: 'exists',
        removed: 'true, then false',
        bad: 'JOB_FAILED',
        more: '1, 1, 1',
      })
    }
    return 'the adapter of the manual: own ids, groups, retries, progress, results, removal; Redis, SQLite'
  }),
  row('Nitro', 'nitro', 'nitro', async (trial) => {
    const nitro = 'node_modules/nitro/dist/cli/index.mjs'
    await trial.run(['node', nitro, 'build'])
    await servesBothWays(trial, ['node', '.output/server/index.mjs'])
    return 'minified; lark jobs:work; a worker in the server ends its job at SIGTERM; Redis, SQLite'
  }),
  row('SvelteKit, build and start', 'sveltekit', '@sveltejs/kit', async (trial) => {
    await trial.tool('vite', ['build'], { env: production })
    await servesBothWays(trial, ['node', 'build/index.js'])
    return '@sveltejs/adapter-node; lark jobs:work; a worker in the server ends its job at SIGTERM; Redis, SQLite'
  }),
  row('SvelteKit, dev', 'sveltekit', '@sveltejs/kit', async (trial) => {
    for (const { url } of await trial.stores()) {
      const port = await trial.port()
      const words = [
        'node',
        'node_modules/vite/bin/vite.js',
        'dev',
        '--host',
        '127.0.0.1',
        '--port',
        `${port}`,
      ]
      const env = { NODE_ENV: undefined, LARK_JOBS_URL: url, WORKER: '1' }
      const server = await serve(trial, words, { port, env })
      await server.isServed()
      await server.followsEdits('src/lib/jobs/GreetJob.ts')
      await server.program.stop()
    }
    return 'a worker in the server follows edits; Redis, SQLite'
  }),
]
