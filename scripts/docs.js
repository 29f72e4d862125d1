/**
 * `npm run docs`: builds the manual as a site, and serves it. First it installs missing packages, also those of site/.
 *
 * - `--build` only writes the files: static ones, for any host.
 * - `--base /lark/` is the path under which they are served; `/` otherwise.
 * - `--url https://example.com` is the host, for the canonical links and the site map.
 * - `--out DIR` is where they are written; `site/build` otherwise.
 * - `--port 3000` is where they are served.
 *
 * It fails if a link or an anchor leads nowhere, and if a page of docs/ is in no section.
 */
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { checkContents } from '../site/contents.mjs'
import { installPackages, root, run } from './steps.js'

const { values } = parseArgs({
  options: {
    build: { type: 'boolean', default: false },
    base: { type: 'string', default: '/' },
    url: { type: 'string' },
    out: { type: 'string', default: join(root, 'site', 'build') },
    port: { type: 'string', default: '3000' },
  },
})
const base = `/${values.base.replace(/^\/+|\/+$/g, '')}/`.replace('//', '/')
const out = resolve(values.out)
process.env.SITE_BASE = base
if (values.url !== undefined) process.env.SITE_URL = values.url
// Docusaurus does not ask for a newer version of itself.
process.env.NO_UPDATE_NOTIFIER = '1'

checkContents()
installPackages()
installPackages('site')
const modules = join(root, 'site', 'node_modules')
// Pages of what is no longer exported would stay.
rmSync(join(root, 'site', 'api'), { recursive: true, force: true })
run('Writing the reference', process.execPath, [
  join(modules, 'typedoc/bin/typedoc'),
  '--options',
  join(root, 'site/typedoc.json'),
])
const docusaurus = join(modules, '@docusaurus/core/bin/docusaurus.mjs')
const site = join(root, 'site')
run('Building the site', process.execPath, [docusaurus, 'build', site, '--out-dir', out])
if (values.build) console.log(`${out}: to be served under ${base}`)
else {
  const serve = [docusaurus, 'serve', site, '--dir', out, '--port', values.port]
  process.exitCode = spawnSync(process.execPath, serve, { stdio: 'inherit' }).status ?? 1
}
