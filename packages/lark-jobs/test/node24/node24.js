/**
 * A Node whose `node:sqlite` the embedded store prefers: the running Node, or a Node that is installed in
 * this folder. Node 24 cannot be a package of the repository, because `npm run` would start every program
 * with it.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))

const [major, minor, patch] = (process.versions.sqlite ?? '0.0.0').split('.').map(Number)

/**
 * Whether the embedded store prefers the `node:sqlite` of the running Node: its SQLite is 3.51.3 or newer.
 */
export const isSound = major * 1e6 + minor * 1e3 + patch >= 3_051_003

/**
 * Returns the path of the installed Node. The first call installs it.
 *
 * @returns {string}
 */
export function node24() {
  if (isSound) return process.execPath
  const path = `${folder}node_modules/node-${process.platform}-${process.arch}/bin/node`
  if (existsSync(path)) return path
  const words = ['ci', '--ignore-scripts', '--no-audit', '--no-fund']
  const { stderr } = spawnSync('npm', words, { cwd: folder, encoding: 'utf8' })
  if (existsSync(path)) return path
  throw new Error(
    `There is no Node 24 at ${path}: run the tests on Node 24 or later, or see why npm ci fails in ${folder}\n${stderr}`,
  )
}
