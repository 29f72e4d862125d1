/**
 * Each page that installs a package of Lark must link to the section that explains how to get the package
 * until it is on npm.
 */
import { expect, test } from 'vitest'
import { filesBelow, read } from './source.ts'

const pages = [
  'README.md',
  ...filesBelow('docs', '.md').map((file) => `docs/${file}`),
  ...['lark', 'lark-jobs', 'lark-dashboard', 'lark-bullmq', 'lark-jobs-bench'].map(
    (name) => `packages/${name}/README.md`,
  ),
]

test('each page that installs Lark links to the section that explains how to get it today', () => {
  const installing = pages.filter((page) =>
    /^(npm|pnpm|yarn|bun) (install|i|add) .*@s18i\//m.test(read(page)),
  )
  expect(installing.length).toBeGreaterThan(8)
  expect(installing.filter((page) => !read(page).includes('versions.md#until-it-is-on-npm'))).toEqual([])
})
