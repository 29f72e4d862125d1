// The dashboard in servers that the tests of its package do not start: its page, its right to look, a change and its stream.

/** @typedef {import('../harness/row.js').Row} Row */
/** @typedef {import('../harness/row.js').Trial} Trial */
/** @typedef {(trial: Trial) => Promise<string[]>} Words what starts the server */

const user = { 'x-user': 'ada' }

/** @type {(name: string, fixture: string, version: string, words: Words, more?: Partial<Row>) => Row} */
const row = (name, fixture, version, words, more = {}) => ({
  kind: 'Dashboard',
  name,
  fixture,
  version,
  ...more,
  async run(trial) {
    const started = await words(trial)
    for (const { url } of await trial.stores()) {
      const port = await trial.port()
      const env = { HOST: '127.0.0.1', NODE_ENV: 'production', PORT: `${port}`, LARK_JOBS_URL: url }
      const server = await trial.start(started, { env: { ...env, NEXT_TELEMETRY_DISABLED: '1' } })
      await server.says(/listening|Ready/)
      await isThere(trial, `http://127.0.0.1:${port}`)
      await server.stop()
    }
    return 'page, authorize(), a change, the stream; Redis, SQLite'
  },
})

/** @param {Trial} trial @param {string} origin */
async function isThere(trial, origin) {
  const ask = (path, options) => fetch(`${origin}/admin/jobs${path}`, { headers: user, ...options })
  trial.expect((await ask('/', { headers: {} })).status, 401, 'for nobody: ')
  const html = await (await ask('')).text()
  trial.expect(/<base href="([^"]*)">/.exec(html)?.[1], '/admin/jobs/', 'the base: ')
  const script = await ask(`/${/src="([^"]+[.]js)"/.exec(html)?.[1]}`)
  trial.expect(script.headers.get('content-type'), 'text/javascript; charset=utf-8', 'the script: ')
  await script.text()
  const headers = { ...user, 'content-type': 'application/json', origin }
  const change = { method: 'POST', headers, body: '{"queue":"default"}' }
  const changed = await ask('/api/queues.pause', change)
  trial.expect(changed.status, 200, 'a change: ', await changed.text())
  const foreign = { ...change, headers: { ...headers, origin: 'https://evil.example' } }
  trial.expect((await ask('/api/queues.pause', foreign)).status, 403, 'a change by another site: ')
  const stream = await ask('/api/live')
  const reader = stream.body.getReader()
  let text = ''
  while (!text.includes('event: snapshot')) {
    const { done, value } = await reader.read()
    trial.expect(done, false, 'the stream: ', text)
    text += new TextDecoder().decode(value)
  }
  await reader.cancel()
}

const program = 'program/dashboard.mjs'

export const rows = [
  row('Bun', 'runtimes', 'bun', async (trial) => [trial.binary('@oven', 'bun'), program]),
  row('Deno', 'runtimes', 'deno', async (trial) => [
    trial.binary('@deno', 'deno'),
    ...['run', '--allow-all', program],
  ]),
  row('Nest', 'nest', '@nestjs/core', async () => ['node', program, 'nest'], { node: '24' }),
  row(
    'Next',
    'next',
    'next',
    async (trial) => {
      const next = 'node_modules/next/dist/bin/next'
      await trial.run(['node', next, 'build'], {
        env: { NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' },
      })
      return ['node', next, 'start']
    },
    { node: '24' },
  ),
]
