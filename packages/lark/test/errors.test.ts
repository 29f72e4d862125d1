import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LarkError, larkErrors } from '../src/index.ts'
import { nearest } from '../src/words/nearest.ts'
import { packageFolder } from './app.ts'

test('a LarkError has a code, a hint, an exit code and a cause', () => {
  const cause = new Error('beneath')
  const error = new LarkError('X', 'message', { hint: 'do this', exit: 7, cause })
  expect(error).toMatchObject({
    name: 'LarkError',
    code: 'X',
    message: 'message',
    hint: 'do this',
    exit: 7,
    cause,
  })
  expect(new LarkError('X', 'message')).toMatchObject({ exit: 1 })
  expect('hint' in new LarkError('X', 'message')).toBe(false)
  expect('cause' in new LarkError('X', 'message')).toBe(false)
})

test('LarkError.is recognises errors of other copies of the package', async () => {
  const built: typeof import('../src/index.ts') = await import(join(packageFolder, 'dist/index.js'))
  expect(built.LarkError).not.toBe(LarkError)
  expect(LarkError.is(new built.LarkError('X', 'message'))).toBe(true)
  expect(built.LarkError.is(new LarkError('X', 'message'))).toBe(true)
})

test.each([undefined, null, 'LarkError', {}, new Error('x'), { code: 'X', name: 'LarkError' }])(
  '%o is not a LarkError',
  (value) => {
    expect(LarkError.is(value)).toBe(false)
  },
)

test('the sources use every declared code, and no other code', () => {
  const folder = join(packageFolder, 'src')
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && name !== 'errors.ts')
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .concat(readFileSync(join(folder, 'errors.ts'), 'utf8').split('usageError')[1] ?? '')
  const given = new Set(
    sources.flatMap((text) =>
      [...text.matchAll(/(?:larkError|failedToLoad)\(\s*'([A-Z_]+)'/g)].map(([, code]) => code),
    ),
  )
  expect([...given].sort()).toEqual(Object.keys(larkErrors).sort())
})

test.each([
  ['qeues', ['queues', 'connection'], 'queues'],
  ['jobs:wrok', ['jobs:work', 'jobs:retry'], 'jobs:work'],
  ['USERS', ['users'], 'users'],
  ['job', ['jobs', 'commands'], 'jobs'],
  ['exact', ['exact', 'exacts'], 'exact'],
  ['zzz', ['queues'], undefined],
  ['ab', ['cd'], undefined],
  ['x', [], undefined],
  ['', ['a'], undefined],
])('nearest(%o, %j) is %o', (word, candidates, expected) => {
  expect(nearest(word, candidates)).toBe(expected)
})
