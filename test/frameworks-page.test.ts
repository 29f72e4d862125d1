/** What docs/frameworks.md shows of an application in a framework is a file that the matrix runs, as it is there. */
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
  it('shows files of these frameworks', () => {
    expect([...new Set(shown.map(([name]) => name))]).toEqual([
      'Next',
      'Fastify',
      'Nest',
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

/** The file as it is, and as it is where Next makes a standalone copy. */
function variantsOf(name: string, title: NonNullable<Block['title']>): string[] {
  const fixture = `matrix/fixtures/${name.toLowerCase()}`
  return [`${fixture}/${title}`, `${fixture}/standalone/${title}`]
    .filter((path) => existsSync(join(root, path)))
    .map((path) => read(path))
}
