/** Limits how many bytes the browser loads, compressed with gzip: at first, and in all. */
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { files, script, style } from '../src/server/page.generated.ts'

const KB = 1_000
const size = (names: Iterable<string>) =>
  [...names].reduce((sum, name) => sum + gzipSync(files[name]!).length, 0)

/** A script, and all scripts that it imports statically. */
function withImports(name: string, found = new Set<string>()): Set<string> {
  if (found.has(name)) return found
  found.add(name)
  for (const [, other] of files[name]!.matchAll(/(?:from|import)\s*["']\.\/([\w.-]+)["']/g))
    withImports(other!, found)
  return found
}

test('the first load is less than 60 KB, without the library of charts, and all is less than 110 KB', () => {
  const overview = Object.keys(files).filter((name) => /^overview-.*\.js$/.test(name))
  expect(overview).toHaveLength(1)
  const scripts = new Set([...withImports(script), ...withImports(overview[0]!)])
  expect(scripts.size).toBeGreaterThan(2)
  const isChart = (name: string) => files[name]!.includes('u-over')
  expect([...scripts].filter(isChart)).toEqual([])
  expect(Object.keys(files).filter((name) => name.endsWith('.js') && isChart(name))).toHaveLength(1)
  expect(size([...scripts, style, 'icon.svg'])).toBeLessThan(60 * KB)
  expect(size(Object.keys(files))).toBeLessThan(110 * KB)
})
