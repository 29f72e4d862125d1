/** The first job of README.md, from an empty folder: its files and commands as they are, without a configuration. */
import { expect, it } from 'vitest'
import { App } from '../packages/lark-jobs/test/processes/app.ts'
import { blocksOf } from './markdown.ts'
import { read } from './source.ts'

const blocks = blocksOf(read('README.md'))
const files = Object.fromEntries(
  blocks.flatMap(({ title, text }) => (title === undefined ? [] : [[title, text]])),
)
const shell = blocks.filter(({ language }) => language === 'sh').map(({ text }) => text)

it('runs', async () => {
  expect(shell).toContain('npx lark welcome user@example.com\nnpx lark jobs:work\n')
  await using app = await App.make(files)
  expect(await app.run('welcome', 'user@example.com')).toMatchObject({
    code: 0,
    stderr: '✓ Queued a welcome to user@example.com\n',
  })
  const { code, stdout, stderr } = await app.run('jobs:work', '--stop-when-empty')
  expect(code).toBe(0)
  expect(stderr).toMatch(/Serving sqlite:.*\.lark\/jobs\.db/)
  expect(stderr).toMatch(/SendEmailJob \w{13} {2}Sending "Welcome!" to user@example\.com/)
  expect(stdout).toMatch(/^1 completed/m)
})

it('is about 20 lines', () => {
  const lines = blocks
    .filter(({ title }) => title?.startsWith('src/'))
    .flatMap(({ text }) => text.trimEnd().split('\n'))
  expect(lines.filter((line) => line !== '').length + 3).toBeLessThan(26)
})
