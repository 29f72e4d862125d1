/**
 * The examples in the comments of the sources can be parsed, as statements, as a value, or as members of a
 * class. Editors show these examples, and a tool that wraps comments can join the lines of an example.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { syntaxOf } from '@s18i/lark/internal'
import { expect, test } from 'vitest'
import { filesBelow, read, root } from './source.ts'

test.each(readdirSync(join(root, 'packages')))('the examples in the sources of %s can be parsed', (name) => {
  const folder = `packages/${name}/src`
  const examples = filesBelow(folder, '.ts').flatMap((file) =>
    examplesIn(read(`${folder}/${file}`)).map((code) => ({ file, code })),
  )
  expect(examples.filter(({ code }) => !canBeParsed(code))).toEqual([])
})

/** The texts of each `@example` and of each block of code in the comments of a file. */
function examplesIn(text: string): string[] {
  return [...text.matchAll(/\/\*\*(.*?)\*\//gs)].flatMap(([, comment]) => {
    const lines = comment!.replace(/^[ \t]*\*[ \t]?/gm, '')
    const tagged = [...lines.matchAll(/@example\s(.*?)(?=\n\s*@|$)/gs)].map(([, code]) => code!)
    const blocks = [...lines.matchAll(/```ts\b(.*?)```/gs)].map(([, code]) => code!)
    return [...tagged.filter((code) => !code.includes('```')), ...blocks]
  })
}

function canBeParsed(code: string): boolean {
  const forms = [code, `const value = ${code}`, `class It extends Its {${code}}`, `async () => {${code}}`]
  return forms.some((form) => syntaxOf(form, 'example.ts') !== undefined)
}
