// New projects: an empty folder gets the packed packages, `lark init` writes the first job, and what README.md says
// next is done: the job runs, its test passes, the dashboard opens. Each package manager on another Node.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Failure } from '../harness/process.js'

/** @typedef {import('../harness/row.js').Row} Row */

/** The test in README.md, with its path. */
const [, title, test] = /```ts title="(test\/\S+)" run\n([\s\S]*?)```/.exec(
  readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8'),
)

/**
 * @typedef {object} Manager
 * @property {string} called what a user types for `lark`, as `lark init` says it
 * @property {string[]} add the words that add packages
 * @property {string[]} bin the words that start a program of the project
 *
 * @param {string} name
 * @param {string} node
 * @param {(trial: import('../harness/row.js').Trial, write: (name: string, text: string) => void, core: string) =>
 * Manager} manager core: where the packed @s18i/lark is, which the other packages need: docs/versions.md
 * @param {Partial<Row>} [row]
 * @returns {Row}
 */
const project = (name, node, manager, row = {}) => ({
  kind: 'New project',
  name: `${name}, Node ${node}`,
  fixture: 'managers',
  node,
  text: test,
  ...row,
  async run(trial) {
    const folder = join(trial.out, 'shop')
    mkdirSync(folder)
    const write = (/** @type {string} */ file, /** @type {string} */ text) =>
      writeFileSync(join(folder, file), text)
    const packed = ['lark', 'lark-jobs', 'lark-dashboard'].map((name) =>
      trial.tarballs.find((file) => file.includes(`s18i-${name}-0`)),
    )
    const { called, add, bin } = manager(trial, write, `file:${packed[0]}`)
    const run = async (/** @type {string[]} */ words, /** @type {RegExp} */ expected) => {
      const { output } = await trial.run(words, { cwd: folder })
      if (!expected.test(output)) throw new Failure(`${words.join(' ')} did not say ${expected}`, output)
    }
    if (row.version === undefined) trial.version = (await trial.run([add[0], '--version'])).stdout.trim()
    await trial.run([...add, ...packed, 'tsx@4'], { cwd: folder })
    await run([...bin, 'lark', 'init'], new RegExp(`Next:\n *${called} welcome ada@example.com\n`))
    await run([...bin, 'lark', 'welcome', 'user@example.com'], /Queued a welcome to user@example[.]com/)
    await run([...bin, 'lark', 'jobs:work', '--stop-when-empty'], /Sending "Welcome!" to user@example[.]com/)
    mkdirSync(join(folder, 'test'))
    write(title, test)
    await run([...bin, 'tsx', '--test', title], /pass 1\n/)
    const dashboard = await trial.start([...bin, 'lark', 'jobs:dashboard', '--port', '0'], { cwd: folder })
    const [link] = await dashboard.says(/http:\S+/)
    const { status, headers } = await fetch(link, { redirect: 'manual' })
    trial.expect(status, 303, 'the link of the dashboard: ')
    const cookie = headers.getSetCookie().map((each) => each.split(';')[0])
    const page = await fetch(new URL(headers.get('location'), link), {
      headers: { cookie: cookie.join('; ') },
    })
    trial.expect(/<title>(.*)<\/title>/.exec(await page.text())?.[1], 'Lark', 'the dashboard: ')
    await dashboard.stop()
    return 'lark init, the first job, its test, the dashboard'
  },
})

/** @param {import('../harness/row.js').Trial} trial @param {string} file of a package of the fixture */
const tool = (trial, file) => ['node', join(trial.folder, 'node_modules', file)]

export const rows = [
  project('npm', '20', () => ({ called: 'npx lark', add: ['npm', 'install'], bin: ['npx', '--no'] })),
  project(
    'pnpm',
    '22',
    (trial, write, core) => {
      // The second line is for tsx: it needs no script of esbuild.
      write('pnpm-workspace.yaml', `overrides:\n  '@s18i/lark': ${core}\nallowBuilds:\n  esbuild: false\n`)
      const pnpm = tool(trial, 'pnpm/bin/pnpm.mjs')
      return { called: 'pnpm lark', add: [...pnpm, 'add'], bin: pnpm }
    },
    { version: 'pnpm' },
  ),
  project(
    'Yarn',
    '24',
    (trial, write, core) => {
      write('package.json', JSON.stringify({ resolutions: { '@s18i/lark': core } }))
      write('yarn.lock', '')
      const yarn = tool(trial, '@yarnpkg/cli-dist/bin/yarn.js')
      return { called: 'yarn lark', add: [...yarn, 'add'], bin: yarn }
    },
    { version: '@yarnpkg/cli-dist' },
  ),
  project(
    'Bun',
    '26',
    (trial, write, core) => {
      write('package.json', JSON.stringify({ resolutions: { '@s18i/lark': core } }))
      const bun = trial.binary('@oven', 'bun')
      return { called: 'bunx lark', add: [bun, 'add'], bin: [bun, 'x'] }
    },
    { version: 'bun', fixture: 'runtimes' },
  ),
]
