// Package managers: a new project installs the packed packages, and runs the program and `lark`.
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../harness/process.js'

/** @typedef {import('../harness/row.js').Row} Row */

/**
 * @param {string} name
 * @param {(trial: import('../harness/row.js').Trial, folder: string, packages: Record<string, string>) =>
 * Promise<string[]>} install returns the command that starts Node in the project
 * @param {Partial<Row>} row
 * @returns {Row}
 */
const manager = (name, install, row = {}) => ({
  kind: 'Package manager',
  name,
  fixture: 'managers',
  ...row,
  async run(trial) {
    const folder = join(trial.out, 'project')
    mkdirSync(folder)
    cpSync(join(trial.folder, 'program'), join(folder, 'program'), { recursive: true })
    const packages = Object.fromEntries(
      trial.tarballs.flatMap((file) => {
        const name = /s18i-(lark|lark-jobs)-\d/.exec(file)?.[1]
        return name === undefined ? [] : [[`@s18i/${name}`, `file:${file}`]]
      }),
    )
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({
        name: 'project',
        private: true,
        type: 'module',
        dependencies: packages,
        resolutions: packages,
      }),
    )
    const { node, lark } = await install(trial, folder, packages)
    for (const store of await trial.stores())
      await trial.works([...node, 'program/main.mjs'], store, { cwd: folder, mode: 'block' })
    const { stdout } = await trial.run([...lark, 'list'], { cwd: folder })
    if (!stdout.includes('jobs:work')) throw new Failure('lark list has no jobs:work', stdout)
    return 'Redis, SQLite, lark list'
  },
})

const installed = { node: ['node'], lark: ['node', 'node_modules/@s18i/lark/bin/lark.js'] }

export const rows = [
  manager('npm', async (trial, folder) => {
    const { stdout } = await trial.run(['npm', '--version'])
    trial.version = stdout.trim()
    await trial.run(['npm', 'install', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: folder })
    return { node: ['node'], lark: ['npx', '--no', 'lark'] }
  }),
  manager(
    'pnpm',
    async (trial, folder, packages) => {
      const lines = Object.entries(packages).map(([name, file]) => `  '${name}': '${file}'`)
      writeFileSync(join(folder, 'pnpm-workspace.yaml'), `overrides:\n${lines.join('\n')}\n`)
      await trial.tool('pnpm', ['install', '--no-frozen-lockfile'], { cwd: folder })
      return installed
    },
    { version: 'pnpm', node: '24' },
  ),
  manager(
    'Yarn, Plug’n’Play',
    async (trial, folder) => {
      writeFileSync(
        join(folder, '.yarnrc.yml'),
        'nodeLinker: pnp\nenableTelemetry: false\nenableGlobalCache: true\n',
      )
      writeFileSync(join(folder, 'yarn.lock'), '')
      await trial.tool('@yarnpkg/cli-dist:yarn', ['install', '--no-immutable'], { cwd: folder })
      const yarn = ['node', join(trial.folder, 'node_modules/@yarnpkg/cli-dist/bin/yarn.js')]
      return { node: [...yarn, 'node'], lark: [...yarn, 'lark'] }
    },
    { version: '@yarnpkg/cli-dist', node: '24' },
  ),
]
