/**
 * The `api.md` of each package has its exports with all signatures, so reviewers see each change of an
 * export. After the first release, a change needs a changeset.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { marksOf, surfaces } from '../scripts/api.js'
import { read, root } from './source.ts'

const built = surfaces()

test.each([...built])(
  '%s has the present exports of the package (`npm run api` writes the file)',
  (file, text) => {
    expect(read(file)).toBe(text)
  },
)

test('api.md has the members of classes that an export renames, and the words of lists', () => {
  const text = built.get('packages/lark-jobs/api.md')
  expect(text).toMatch(/^class Jobs extends Operations .*\n(?: .*\n)* {2}dispatchByKey\(/m)
  expect(text).toMatch(/^type State = ("\w+"( \| )?){7};$/m)
  expect(built.get('packages/lark/api.md')).toMatch(/^const flag: \{\n {2}string: .*description: string/m)
})

test('a package whose surface has changed since its release has a changeset', () => {
  const file = '.changeset/released.json'
  // The file does not exist before 0.1.0.
  const released: Record<string, string> = existsSync(join(root, file)) ? JSON.parse(read(file)).surfaces : {}
  const named = readdirSync(join(root, '.changeset'))
    .filter((name) => name.endsWith('.md') && name !== 'README.md')
    .map((name) => read(`.changeset/${name}`))
    .join('\n')
  const changed = Object.entries(marksOf(built)).filter(([path, mark]) => (released[path] ?? mark) !== mark)
  const unsaid = changed.filter(([path]) => !named.includes(`'@s18i/${path.split('/')[1]}':`))
  expect(unsaid.map(([path]) => path)).toEqual([])
})
