/**
 * Embeds the Lua scripts of the Redis store into `src/store/redis/scripts.generated.ts`, so that neither `dist` nor a
 * bundle has to read files. Comments are removed.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { luaConstants } from './contract.js'
import { assemble } from './fragments.js'

const redis = new URL('../src/store/redis/', import.meta.url)
const generated = new URL('scripts.generated.ts', redis)

/**
 * Dragonfly refuses a script that makes key names from other keys, unless the script begins with this line. Redis and
 * Valkey read the line as a comment.
 */
const flags = '--!df flags=allow-undeclared-keys\n'

/**
 * Writes the generated file if it has changed. Each piece is in the file once. Whole scripts would have four times the
 * size.
 *
 * @returns {Promise<{ pieces: string[], scripts: Record<string, { sha1: string, pieces: number[] }> }>}
 */
export async function embedLua() {
  const folder = new URL('lua/', redis)
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.lua'),
  )
  const files = paths.sort().map((path) => {
    const name = path.slice(0, -'.lua'.length).replaceAll('\\', '/')
    return /** @type {const} */ ([name, readFileSync(new URL(path, folder), 'utf8')])
  })
  const assembled = [...assemble(new Map(files), await luaConstants())]
  /** @type {string[]} */
  const pieces = []
  /** @param {string} piece */
  const placeOf = (piece) => (pieces.includes(piece) ? pieces.indexOf(piece) : pieces.push(piece) - 1)
  const scripts = assembled.map(([name, own]) => {
    // Without the indentation: it would be 2 kB of the packed queue.
    const all = [flags, ...own].map((piece) => piece.replace(/^ +/gm, ''))
    const sha1 = createHash('sha1').update(all.join('')).digest('hex')
    return [name, { sha1, pieces: all.map(placeOf) }]
  })
  const text = `// Made by build/embed-lua.js from lua/*.lua; not kept in the repository.
type Name = ${assembled.map(([name]) => `'${name}'`).join(' | ')}
export const lua: { pieces: string[]; scripts: Record<Name, { sha1: string; pieces: number[] }> } = {
  pieces: [
${pieces.map((piece) => `    ${JSON.stringify(piece)},\n`).join('')}  ],
  scripts: {
${scripts.map(([name, script]) => `    ${JSON.stringify(name)}: ${JSON.stringify(script)},\n`).join('')}  },
}
`
  if (!existsSync(generated) || readFileSync(generated, 'utf8') !== text) writeFileSync(generated, text)
  return { pieces, scripts: Object.fromEntries(scripts) }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await embedLua()
