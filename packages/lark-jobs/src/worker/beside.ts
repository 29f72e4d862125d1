/**
 * Where the files are that a thread of this process runs: beside this one in `dist/`, and there as well when this one is
 * run from its sources, as its own tests do it.
 *
 * A bundle has taken this file in and left the others behind, unless whoever made it put them beside it. In one of
 * CommonJS, `import.meta.url` is undefined, and in one of webpack it names a file of the machine that built it: so the
 * folder of the started script counts, too.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Not written `new URL(name, import.meta.url)`: for webpack, that is an order to find the file while it builds. */
const here: string | undefined = import.meta.url

/** The path of the file that runs a thread of this name; undefined when there is none. */
export function threadFile(name: 'lease-watch' | 'supervised-guard'): string | undefined {
  const places: string[] = []
  if (here !== undefined)
    places.push(join(dirname(fileURLToPath(here)), here.endsWith('.ts') ? '../../dist' : '.'))
  if (process.argv[1] !== undefined) places.push(dirname(process.argv[1]))
  const files = places.flatMap((place) =>
    ['js', 'mjs', 'cjs'].map((extension) => join(place, `${name}.${extension}`)),
  )
  return files.find((file) => existsSync(file))
}
