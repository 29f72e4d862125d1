// `npm run version`: sets the next version of all packages according to the changesets, and writes the
// changelogs.
//
// Some packages have the queue as a peer dependency with the same minor version. Changesets treats a change
// of this range as a breaking change, and would set the version to 1.0.0 when the queue gets its first minor
// version after 0.1.0. So this script renames the field `peerDependencies` while Changesets runs, and updates
// the ranges afterwards.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

// This page of the manual has the section `Until It Is on npm` until the first release (CONTRIBUTING.md,
// "Releases").
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
