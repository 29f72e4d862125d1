// Test runners: a user's test dispatches a job, runs a worker, and checks the result, on Redis and on SQLite.
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** @typedef {import('../harness/row.js').Row} Row */

const babel = { presets: [['@babel/preset-env', { targets: { node: 20 } }], '@babel/preset-typescript'] }
const swc = { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'commonjs' } }
const tsconfig = {
  target: 'es2022',
  module: 'nodenext',
  types: ['node', 'jest'],
  strict: true,
  skipLibCheck: false,
}

/**
 * Runs the test that docs/testing.md shows for a runner.
 *
 * @param {import('../harness/row.js').Trial} trial
 * @param {string[]} words
 */
const signUp = async (trial, words) => {
  if (!trial.isQuick) await trial.run(words, { cwd: join(trial.folder, 'sign-up') })
}

/** @returns {Row} */
const jest = (name, version, extension, transform, row = {}) => ({
  kind: 'Test runner',
  name: `Jest, ${name}`,
  fixture: 'jest',
  version,
  ...row,
  async run(trial) {
    // A separate project without other settings than those of the row.
    const folder = join(trial.folder, name.replace(/\W+/g, '-'))
    mkdirSync(folder, { recursive: true })
    copyFileSync(
      join(trial.folder, `program/tests/greet.test.${extension === 'js' ? 'cjs' : extension}`),
      join(folder, `greet.test.${extension}`),
    )
    // Jest does not load an ES module without a transformation. Lark can import it anyway.
    writeFileSync(
      join(folder, `lark.config.${extension === 'js' ? 'mjs' : extension}`),
      'export default { jobs: { queues: { greetings: {}, mails: {} } } }\n',
    )
    if (extension === 'ts') cpSync(join(trial.folder, 'program/tests/mocked'), folder, { recursive: true })
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({ name: 'tests', jest: { testTimeout: 60_000, ...(transform && { transform }) } }),
    )
    const words = ['node', join(trial.folder, 'node_modules/jest/bin/jest.js')]
    for (const store of await trial.stores()) await trial.works(words, store, { cwd: folder })
    if (extension === 'js') await signUp(trial, [...words, 'sign-up'])
    return 'Redis, SQLite'
  },
})

export const rows = [
  jest('default settings', 'jest', 'js', undefined),
  jest('Babel', '@babel/core', 'ts', { '\\.ts$': ['babel-jest', babel] }),
  jest('ts-jest', 'ts-jest', 'ts', { '\\.ts$': ['ts-jest', { tsconfig }] }),
  jest('@swc/jest', '@swc/jest', 'ts', { '\\.ts$': ['@swc/jest', swc] }),
  {
    kind: 'Test runner',
    name: 'vitest',
    fixture: 'vitest',
    version: 'vitest',
    node: '24',
    async run(trial) {
      const words = ['node', join(trial.folder, 'node_modules/vitest/vitest.mjs'), 'run']
      const cwd = join(trial.folder, 'program/tests')
      for (const store of await trial.stores())
        await trial.works([...words, '--globals', 'greet.test.ts'], store, { cwd })
      await signUp(trial, words)
      return 'Redis, SQLite'
    },
  },
  {
    kind: 'Test runner',
    name: 'bun test',
    fixture: 'runtimes',
    version: 'bun',
    async run(trial) {
      const words = [trial.binary('@oven', 'bun'), 'test']
      const cwd = join(trial.folder, 'program/tests')
      for (const store of await trial.stores())
        await trial.works([...words, './greet.test.ts'], store, { cwd })
      await signUp(trial, words)
      return 'Redis, SQLite'
    },
  },
  {
    kind: 'Test runner',
    name: 'node:test',
    fixture: 'plain',
    async run(trial) {
      trial.version = process.versions.node
      for (const store of await trial.stores())
        await trial.works(['node', '--test', 'program/tests/node-test.mjs'], store)
      await signUp(trial, ['node', '--test', 'test/signUp.test.js'])
      return 'Redis, SQLite'
    },
  },
]
