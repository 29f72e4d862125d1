/**
 * Each file of an application in docs/frameworks.md is the same as the file in the fixture that the matrix
 * runs.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Block, blocksOf } from './markdown.ts'
import { read, root } from './source.ts'

const frameworks = read('docs/frameworks.md')
  .split(/^## /m)
  .find((part) => part.startsWith('Frameworks\n'))!

const shown = frameworks
  .split(/^### /m)
  .slice(1)
  .flatMap((section) => {
    const name = section.slice(0, section.indexOf('\n'))
    return blocksOf(section)
      .filter(({ language }) => ['typescript', 'javascript'].includes(language))
      .map((block) => [name, block] as const)
  })

describe('docs/frameworks.md', () => {
  it('the page shows files of these frameworks', () => {
    expect([...new Set(shown.map(([name]) => name))]).toEqual([
      'Next',
      'Fastify',
      'Nest',
      'Awilix',
      'Nitro',
      'SvelteKit',
    ])
  })

  it.each(shown.map(([name, block]) => [name, block.title, block] as const))(
    '%s: %s',
    (name, title, block) => {
      expect(variantsOf(name, title!)).toContain(block.text)
    },
  )
})

/**
 * Returns the text of this file in the fixture, and the text of its variant for the standalone output of
 * Next.js, if there is one.
 */
function variantsOf(name: string, title: NonNullable<Block['title']>): string[] {
  const fixture = `matrix/fixtures/${name.toLowerCase()}`
  return [`${fixture}/${title}`, `${fixture}/standalone/${title}`]
    .filter((path) => existsSync(join(root, path)))
    .map((path) => read(path))
}
