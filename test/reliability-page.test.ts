/** The pages about promises name only tests that exist. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { read, root } from './source.ts'

it('the page names for each promise tests that exist', () => {
  const rows = ['reliability', 'who-runs-again', 'promises-of-features']
    .map((page) => read(`docs/${page}.md`))
    .join('\n')
    .match(/^\| [^|]+ \| [^|]+ \| [^|]*`.*$/gm)!
  expect(rows.length).toBeGreaterThan(20)
  const named = rows.map((row) =>
    [...row.split(' | ')[2]!.matchAll(/`([\w/.-]+)`/g)].map((match) => match[1]!),
  )
  expect(named.filter((tests) => tests.length === 0)).toEqual([])
  const missing = named.flat().filter((test) => !existsSync(join(root, 'packages/lark-jobs/test', test)))
  expect(missing).toEqual([])
})
