/** Installs Nest 12 in a folder beside the Nest 11 of the repository. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** @returns the `node_modules` of the folder, which the function installs if they are missing */
export function nest12(): string {
  const folder = join(import.meta.dirname, 'nest-12')
  const found = join(folder, 'node_modules')
  const isThere = () =>
    existsSync(join(found, '@nestjs/core')) && existsSync(join(found, '@nestjs/platform-express'))
  if (isThere()) return found
  const words = ['ci', '--ignore-scripts', '--no-audit', '--no-fund']
  const { stderr } = spawnSync('npm', words, { cwd: folder, encoding: 'utf8' })
  if (isThere()) return found
  throw new Error(`npm ci fails in ${folder}:\n${stderr}`)
}
