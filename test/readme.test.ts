/**
 * Carries out the first job of README.md in an empty folder, with its files and commands unchanged and
 * without a configuration.
 */
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

it('packages/lark/README.md prints what its first command prints', async () => {
  const own = blocksOf(read('packages/lark/README.md'))
  const [command] = own.filter(({ title }) => title !== undefined)
  await using app = await App.make({ [command!.title!]: command!.text })
  expect(await app.run('users:greet', 'Ada', '--times=2')).toMatchObject({
    stdout: 'Hello, Ada\nHello, Ada\n',
  })
  const screens = own
    .find(({ text }) => text.startsWith('$ npx lark'))!
    .text.split(/^\$ npx lark /m)
    .slice(1)
  expect(screens.length).toBe(2)
  for (const screen of screens) {
    const [words, printed] = screen.split(/\n([\s\S]*)/)
    const { stdout, stderr } = await app.run(...words!.split(' '))
    // The help ends with the flags of every command.
    expect((stderr + stdout).split('\nFlags of every command')[0]).toBe(printed)
  }
})

it('the first job of README.md has about 20 lines', () => {
  const lines = blocks
    .filter(({ title }) => title?.startsWith('src/'))
    .flatMap(({ text }) => text.trimEnd().split('\n'))
  expect(lines.filter((line) => line !== '').length + 3).toBeLessThan(26)
})
