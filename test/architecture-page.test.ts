/**
 * docs/architecture.md must name only existing files and symbols, and every folder of the sources.
 *
 * This folder has more than 25 files: one for each page, package or promise that the tests compare with the
 * build.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { declares, filesBelow, read, root } from './source.ts'

const page = read('docs/architecture.md')
const home = 'packages/lark-jobs/src'
const folders = ['packages/lark/src', home, 'packages/lark-dashboard/src', 'packages/lark-bullmq/src']

describe('the section about the way of one job', () => {
  const references = [...page.matchAll(/`([\w/.-]+\.ts)#([\w.]+)`/g)].map(
    (match) => [match[1]!, match[2]!] as const,
  )

  it('is a numbered list of references', () => {
    const section = page.slice(page.indexOf('## The Way of One Job'), page.indexOf('## States'))
    const steps = [...section.matchAll(/^(\d+)\. (.*)$/gm)]
    expect(steps.length).toBeGreaterThan(15)
    expect(steps.map((step) => Number(step[1]))).toEqual(steps.map((_, index) => index + 1))
    for (const [, , text] of steps) expect(text).toMatch(/^`[\w/.-]+\.ts#[\w.]+` /)
  })

  it.each(references)('%s has %s', (file, symbol) => {
    expect(existsSync(join(root, home, file)), file).toBe(true)
    expect(declares(read(`${home}/${file}`), symbol), `${file}#${symbol}`).toBe(true)
  })
})

describe.each(folders)('the table of folders of %s', (folder) => {
  const files = filesBelow(folder, '.ts')

  it('has every folder', () => {
    // The row of a folder also describes the files in its subfolder `shared/`.
    const all = [...files, ...filesBelow(folder, '.lua')]
    const inside = [...new Set(all.map((file) => dirname(file).replace(/\/shared$/, '')))]
    expect(inside.filter((name) => name !== '.' && !page.includes(`\`${name}/\``))).toEqual([])
  })
})

it('names no file that does not exist', () => {
  const named = [...page.matchAll(/`([\w/.-]+\.(?:ts|lua))(?:#[\w.]+)?`/g)].map((match) => match[1]!)
  const missing = named.filter(
    (file) => ![...folders, '.'].some((folder) => existsSync(join(root, folder, file))),
  )
  expect(missing).toEqual([])
})
