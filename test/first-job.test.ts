/**
 * Carries out docs/first-job.md in an empty folder: writes its files, runs its commands, and compares their
 * output.
 */
import { expect, it } from 'vitest'
import { App } from '../packages/lark-jobs/test/processes/app.ts'
import { blocksOf } from './markdown.ts'
import { read } from './source.ts'

const blocks = blocksOf(read('docs/first-job.md'))
const titled = blocks.flatMap(({ title, text }) => (title === undefined ? [] : [[title, text] as const]))

it('the steps of docs/first-job.md run and print the output of the page', { timeout: 60_000 }, async () => {
  const prices = titled.filter(([title]) => title === 'prices.json')
  await using app = await App.make(Object.fromEntries(titled.filter((file) => !prices.includes(file))))
  const screens = blocks.filter(({ language }) => language === 'text').map(({ text }) => text)
  expect(screens).toHaveLength(7)
  let id = ''
  for (const screen of screens) {
    const [line = '', ...shown] = screen.trimEnd().split('\n')
    const [, words] = /^\$ npx lark (.*)$/.exec(line)!
    // The file is written before the second start of the worker.
    if (words!.startsWith('jobs:retry')) await app.write(Object.fromEntries(prices))
    const { stdout, stderr } = await app.run(...wordsOf(words!.replace(/\bV\w{12}\b/, id)))
    id ||= stdout.trim()
    // The output comes from two streams, so its lines may come in any order.
    expect(steady(app, stdout + stderr).sort()).toEqual(steady(app, shown.join('\n')).sort())
  }
})

/** Quotes keep spaces together. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word)
}

/** Returns the lines without the parts that differ from run to run. */
function steady({ folder }: App, text: string): string[] {
  return text
    .replaceAll('/home/ada/shop', folder)
    .replace(/\bV\w{12}\b/g, 'ID')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ UTC/g, 'DATE')
    .replace(/\b\d\d:\d\d:\d\d\b/g, 'CLOCK')
    .replace(/\d[\d.]* (ms|s)\b/g, 'T')
    .replace(/:\d+:\d+\)/g, ')')
    .replace(/ +/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}
