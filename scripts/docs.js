/**
 * `npm run docs`: builds the manual as a site, and serves it. First it installs missing packages, also those of site/.
 *
 * - `--build` only writes static files, which any host can serve.
 * - `--base /lark/` is the path under which the files are served. Default: `/`.
 * - `--url https://example.com` is the address of the site, for the canonical links and the site map.
 * - `--out DIR` is the folder into which the files are written. Default: `site/build`.
 * - `--port 3000` is the port on which the files are served.
 *
 * The build fails if a link or an anchor leads nowhere, or if a page of docs/ is in no section.
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
// Docusaurus must not search for a newer version of itself.
process.env.NO_UPDATE_NOTIFIER = '1'

checkContents()
installPackages()
installPackages('site')
const modules = join(root, 'site', 'node_modules')
// The folder may contain pages about exports that no longer exist, so it is removed first.
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
