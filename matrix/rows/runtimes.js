// Runtimes: the program without a build, with the packages as npm installs them.

import { Failure } from '../harness/process.js'

/** @typedef {import('../harness/row.js').Row} Row */

const program = ['program/main.mjs']

/** @type {Row[]} */
const nodes = ['20', '22', '24', '26'].map((major) => ({
  kind: 'Runtime',
  name: `Node ${major}`,
  fixture: 'plain',
  node: major,
  async run(trial) {
    trial.version = (await trial.run(['node', '-p', 'process.versions.node'])).stdout.trim()
    for (const store of await trial.stores()) await works(trial, ['node'], store)
    const { stdout } = await trial.run(['node', 'node_modules/@s18i/lark/bin/lark.js', 'list'])
    if (!stdout.includes('jobs:work')) throw new Failure('lark list has no jobs:work', stdout)
    return 'Redis, SQLite, lark list'
  },
}))

/** @type {(name: string, packages: string, binary: string, words: string[]) => Row} */
const other = (name, scope, words) => ({
  kind: 'Runtime',
  name,
  fixture: 'runtimes',
  version: name.toLowerCase(),
  async run(trial) {
    for (const store of await trial.stores())
      await works(trial, [trial.binary(scope, name.toLowerCase()), ...words], store)
    return 'Redis, SQLite'
  },
})

/** @type {Row[]} */
const bullmq = ['20', '24'].map((major) => ({
  kind: 'Runtime',
  name: `BullMQ's classes on Node ${major}`,
  fixture: 'plain',
  node: major,
  async run(trial) {
    trial.version = (await trial.run(['node', '-p', 'process.versions.node'])).stdout.trim()
    for (const { name, url } of await trial.stores()) {
      const { stdout } = await trial.run(['node', 'program/bullmq.mjs'], { env: { LARK_JOBS_URL: url } })
      trial.expect(stdout.trim(), 'returned 2', `${name}: `)
    }
    return 'Redis, SQLite'
  },
}))

export const rows = [
  ...nodes,
  ...bullmq,
  other('Bun', '@oven', []),
  other('Deno', '@deno', ['run', '--allow-all']),
]

async function works(trial, words, store) {
  const mode = trial.isQuick ? 'once' : 'block'
  const { runs, stderr } = await trial.works([...words, ...program], store, { mode, isolated: true })
  trial.expect(runs, 1, `${store.name}: starts of a job that blocks: `, stderr)
  if (/warning/i.test(stderr)) throw new Failure(`${store.name}: it warned`, stderr)
}
