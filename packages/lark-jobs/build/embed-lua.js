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

/** Writes the file, when it is not as it would be. */
export function embedLua() {
  const names = readdirSync(new URL('lua/', redis)).filter((name) => name.endsWith('.lua'))
  const scripts = names.sort().map((file) => {
    const name = file.slice(0, -'.lua'.length)
    const lua = flags + read(name).replace(/^\s*(--.*)?\n/gm, '')
    const sha1 = createHash('sha1').update(lua).digest('hex')
    return `  ${JSON.stringify(name)}: { sha1: '${sha1}', lua: ${JSON.stringify(lua)} },\n`
  })
  const head = '// Made by build/embed-lua.js from lua/*.lua; not kept in the repository.\n'
  const text = `${head}export const scripts = {\n${scripts.join('')}} as const\n`
  if (!existsSync(generated) || readFileSync(generated, 'utf8') !== text) writeFileSync(generated, text)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) embedLua()
