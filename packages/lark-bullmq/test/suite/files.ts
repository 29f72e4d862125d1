/**
 * Lists the files of BullMQ's tests, and the skipped tests. `skipped.json` has each skipped test with its
 * reason.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * BullMQ does not run these files on its own client of Redis, because they test other clients and servers.
 */
const others = /^tests\/(?:adapter-conformance|bun-|node-redis|valkey-glide|postgres|cluster\.)/

const skipped: Record<string, string | Record<string, string>> = JSON.parse(
  readFileSync(new URL('skipped.json', import.meta.url), 'utf8'),
)

export function filesOf(folder: string): string[] {
  return readdirSync(join(folder, 'tests'))
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `tests/${name}`)
    .filter((file) => !others.test(file))
    .sort()
}

/** Returns why a test is skipped. A name that ends in `*` means all tests that begin so. */
export function skippedTest(file: string, name: string): string | undefined {
  const found = skipped[file]
  if (found === undefined || typeof found === 'string') return found
  const isNamed = (key: string) => (key.endsWith('*') ? name.startsWith(key.slice(0, -1)) : key === name)
  return found[Object.keys(found).find(isNamed) ?? '']
}
