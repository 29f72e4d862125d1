/** Describes the machine and the versions with which the figures were measured. */
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'

export function describeMachine() {
  const [{ model }] = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} × ${model.trim()}, ${memory} GiB, ${process.platform} ${process.arch}`
}

/**
 * Returns the versions of Node, of the servers and of the compared packages. @param {Record<string, string |
 * undefined>} servers
 */
export function versions(servers) {
  const packages = [
    'bullmq',
    'ioredis',
    'bee-queue',
    'groupmq',
    'plainjob',
    'better-sqlite3',
    'graphile-worker',
    '@dbos-inc/dbos-sdk',
  ].map((name) => [name, versionIn(`node_modules/${name}`)])
  const all = { lark: versionIn('../packages/lark-jobs'), node: process.versions.node, ...servers }
  return Object.fromEntries(
    [...Object.entries(all), ...packages].filter(([, version]) => version !== undefined),
  )
}

function versionIn(folder) {
  try {
    return JSON.parse(readFileSync(new URL(`${folder}/package.json`, import.meta.url), 'utf8')).version
  } catch {
    return undefined
  }
}
