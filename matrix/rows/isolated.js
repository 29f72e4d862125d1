// Isolated classes in TypeScript without a build: their processes compile them again, whatever runs the program.
import { join } from 'node:path'

/** @typedef {import('../harness/row.js').Row} Row */

/** @type {(name: string, version: string, folder: string, words: (tools: string) => string[], row?: Partial<Row>) => Row} */
const row = (name, version, folder, words, row = {}) => ({
  kind: 'Isolated class',
  name,
  fixture: 'isolated',
  version,
  ...row,
  async run(trial) {
    const cwd = join(trial.folder, folder)
    const tools = join(trial.folder, 'node_modules')
    for (const store of await trial.stores()) {
      const { output } = await trial.run(words(tools), {
        cwd,
        env: { LARK_JOBS_URL: store.url, RESULT: trial.result },
      })
      trial.finds({ isolated: 'another process, then JOB_TIMED_OUT' }, `${store.name}: `, output)
    }
    return 'Redis, SQLite: in another process, and killed'
  },
})

/** The same on the oldest and on a new Node. */
const twice = (name, ...rest) => ['20', '24'].map((node) => row(`${name}, Node ${node}`, ...rest, { node }))

export const rows = [
  ...twice('tsx, ES module', 'tsx', 'esm', (tools) => ['node', `${tools}/tsx/dist/cli.mjs`, 'main.ts']),
  ...twice('tsx, CommonJS', 'tsx', 'commonjs', (tools) => ['node', `${tools}/tsx/dist/cli.mjs`, 'main.ts']),
  ...twice('node --import tsx', 'tsx', 'esm', () => ['node', '--import', 'tsx', 'main.ts']),
  ...twice('ts-node', 'ts-node', 'commonjs', (tools) => ['node', `${tools}/ts-node/dist/bin.js`, 'main.ts']),
  ...twice('Jest, ts-jest', 'ts-jest', 'commonjs', (tools) => [
    ...['node', `${tools}/jest/bin/jest.js`, '--config', 'jest.config.json'],
  ]),
  row('ts-node, ES module, Node 20', 'ts-node', 'esm', () => ['node', '--loader', 'ts-node/esm', 'main.ts'], {
    node: '20',
  }),
  row(
    'Jest, ts-jest, ES module',
    'ts-jest',
    'esm',
    (tools) => [
      ...['node', '--experimental-vm-modules', `${tools}/jest/bin/jest.js`, '--config', 'jest.config.json'],
    ],
    { node: '24' },
  ),
  row(
    'vitest',
    'vitest',
    'esm',
    (tools) => ['node', `${tools}/vitest/vitest.mjs`, 'run', '--globals', '--testTimeout=60000'],
    { node: '24' },
  ),
]
