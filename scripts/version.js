// `npm run version`: the next version of all packages, from the changesets, and their changelogs.
//
// Some packages need the queue as a peer, in the same minor version. Changesets takes a change of that range for a
// breaking one, and would make 1.0.0 of the first minor version after 0.1.0. So it does not see the ranges: their field
// has another name meanwhile, and they follow the version afterwards.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

// The manual has this section until then (CONTRIBUTING.md, "Releases").
const page = 'docs/versions.md'
if (existsSync(page) && readFileSync(page, 'utf8').includes('## Until It Is on npm')) {
  console.error('0.1.0 is not published: change its section in CHANGELOG.md, and remove the changesets')
  process.exit(1)
}

const files = readdirSync('packages').map((name) => join('packages', name, 'package.json'))
const shown = '"peerDependencies": {'
const hidden = '"peersOfVersion": {'

for (const file of files) change(file, (text) => text.replace(shown, hidden))
execFileSync(process.execPath, ['node_modules/@changesets/cli/bin.js', 'version'], { stdio: 'inherit' })
for (const file of files)
  change(file, (text) =>
    text
      .replace(hidden, shown)
      .replace(/("peerDependencies": {[^}]*"@s18i\/lark-jobs": ")[^"]*/, `$1^${JSON.parse(text).version}`),
  )

/** @param {string} file @param {(text: string) => string} make */
function change(file, make) {
  writeFileSync(file, make(readFileSync(file, 'utf8')))
}
