/**
 * Embeds the Lua scripts of the Redis store into `src/store/redis/scripts.generated.ts`, so that neither `dist` nor
 * a bundle has to read files. A line `-- include: name` stands for `lua/shared/name.lua`. Comments stay behind.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const redis = new URL('../src/store/redis/', import.meta.url)
const generated = new URL('scripts.generated.ts', redis)

/**
 * Dragonfly refuses a script that makes names of keys from others, unless its first line says so. To Redis and Valkey
 * it is a comment.
 */
const flags = '--!df flags=allow-undeclared-keys\n'

/**
 * The pieces that a file is made of, without comments: its own, and those of the fragments that it includes.
 *
 * @param {string} path @returns {string[]}
 */
const piecesOf = (path) =>
  readFileSync(new URL(`lua/${path}.lua`, redis), 'utf8')
    .split(/^-- include: (\S+)\n/m)
    .flatMap((part, i) => (i % 2 === 0 ? [part.replace(/^\s*(--.*)?\n/gm, '')] : piecesOf(`shared/${part}`)))
    .filter((piece) => piece !== '')

/**
 * Writes the file, when it is not as it would be. Each piece is in it once: written out, the scripts would have four
 * times the size.
 *
 * @returns {{ pieces: string[], scripts: Record<string, { sha1: string, pieces: number[] }> }}
 */
export function embedLua() {
  const names = readdirSync(new URL('lua/', redis))
    .filter((file) => file.endsWith('.lua'))
    .map((file) => file.slice(0, -'.lua'.length))
    .sort()
  /** @type {string[]} */
  const pieces = []
  /** @param {string} piece */
  const placeOf = (piece) => (pieces.includes(piece) ? pieces.indexOf(piece) : pieces.push(piece) - 1)
  const scripts = names.map((name) => {
    const all = [flags, ...piecesOf(name)]
    const sha1 = createHash('sha1').update(all.join('')).digest('hex')
    return [name, { sha1, pieces: all.map(placeOf) }]
  })
  const text = `// Made by build/embed-lua.js from lua/*.lua; not kept in the repository.
type Name = ${names.map((name) => `'${name}'`).join(' | ')}
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

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) embedLua()
