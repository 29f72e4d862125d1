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

/** @param {string} path @returns {string} */
const read = (path) =>
  readFileSync(new URL(`lua/${path}.lua`, redis), 'utf8').replace(/^-- include: (\S+)$/gm, (_, name) =>
    read(`shared/${name}`),
  )

/**
 * Writes the file, when it is not as it would be.
 *
 * @returns {Record<string, { sha1: string, lua: string }>} the scripts by name
 */
export function embedLua() {
  const names = readdirSync(new URL('lua/', redis))
    .filter((name) => name.endsWith('.lua'))
    .map((file) => file.slice(0, -'.lua'.length))
    .sort()
  const scripts = names.map((name) => {
    const lua = flags + read(name).replace(/^\s*(--.*)?\n/gm, '')
    return [name, { sha1: createHash('sha1').update(lua).digest('hex'), lua }]
  })
  const text = `// Made by build/embed-lua.js from lua/*.lua; not kept in the repository.
type Name = ${names.map((name) => `'${name}'`).join(' | ')}
export const scripts: Record<Name, { sha1: string; lua: string }> = {
${scripts.map(([name, script]) => `  ${JSON.stringify(name)}: ${JSON.stringify(script)},\n`).join('')}}
`
  if (!existsSync(generated) || readFileSync(generated, 'utf8') !== text) writeFileSync(generated, text)
  return Object.fromEntries(scripts)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) embedLua()
