// Frameworks: a small application of each, in production as in development. A request dispatches a job, a worker runs it,
// and another request shows its result: `POST /greet` and `GET /greet/ID`.

/** @typedef {import('../harness/row.js').Row} Row */
/** @typedef {import('../harness/row.js').Trial} Trial */

const lark = 'node_modules/@s18i/lark/bin/lark.js'
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
 * A server that dispatches, and how its job is run.
 *
 * @param {Trial} trial
 * @param {readonly string[]} words
 * @param {Partial<import('../harness/process.js').Options>} options
 */
async function serve(trial, words, { env, ...options }) {
  const port = await trial.port()
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

  /** @returns {Promise<string>} the id of the job that a request has dispatched */
  async dispatches() {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ name: 'matrix' })
    const answer = await this.#answer(this.url, { method: 'POST', headers, body })
    this.trial.expect(answer.status, 202, 'POST /greet: ', await this.#said(answer))
    return (await answer.json()).id
  }

  /** The state and the result of a job, as a request shows them. */
  async shows(id) {
    const answer = await this.#answer(`${this.url}/${id}`)
    this.trial.expect(answer.status, 200, 'GET /greet/ID: ', await this.#said(answer))
    return answer.json()
  }

  /** `lark jobs:work` runs the job. */
  async isServedByLark() {
    const id = await this.dispatches()
    this.trial.expect((await this.shows(id)).state, 'waiting', 'before the worker: ')
    await this.trial.run(['node', lark, 'jobs:work', '--stop-when-empty'], { env: this.env })
    this.#expect(await this.shows(id), 'Hello, matrix')
  }

  /** A worker that runs already runs the job. */
  async isServed(greeting = 'Hello, matrix') {
    const id = await this.dispatches()
    this.#expect(await this.until(async () => ended(await this.shows(id))), greeting)
  }

  /** Its process ends by itself, and well. */
  async ends() {
    this.program.child.kill('SIGTERM')
    await this.program.succeeds()
  }

  /** What `check` resolves to, as soon as that is something. */
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

  /** As soon as the server listens. */
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

/** On each store, the server as web server, and `lark jobs:work` as worker. */
const besideLark = (words, build) => async (trial) => {
  await build?.(trial)
  for (const { url } of await trial.stores()) {
    const server = await serve(trial, words, { env: { LARK_JOBS_URL: url } })
    await server.isServedByLark()
    await server.ends()
  }
}

export const rows = [
  row('Express', 'express', 'express', async (trial) => {
    const build = () => trial.tool('typescript:tsc', [])
    await besideLark(['node', 'dist/server.js'], build)(trial)
    return 'compiled by tsc, lark jobs:work; Redis, SQLite'
  }),
  row('Fastify', 'fastify', 'fastify', async (trial) => {
    for (const { url } of await trial.stores()) {
      const server = await serve(trial, ['node', 'server.js'], { env: { LARK_JOBS_URL: url } })
      await server.isServed()
      await server.ends()
    }
    return 'a worker in the server; Redis, SQLite'
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
      const worker = await serve(trial, ['node', 'dist/worker.js'], { env })
      await server.isServed()
      await worker.ends()
      await server.ends()
    }
    return 'nest build, a worker with the providers of the application; Redis, SQLite'
  }),
]
