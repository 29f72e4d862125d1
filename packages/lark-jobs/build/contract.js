/**
 * The constants of the store contract for the Lua, so that nothing is written twice: limits, times, and lists of names.
 */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const contract = fileURLToPath(new URL('../src/store/contract/', import.meta.url))
const console = fileURLToPath(new URL('../../lark/src/internal.ts', import.meta.url))
const ENTRY = 'contract'

/**
 * What `store/contract` exports of numbers, texts and lists of texts, as Lua, by its name in capitals: `MAX_ITEMS`, and
 * `RATE_KINDS` for `rateKinds`.
 *
 * @returns {Promise<Map<string, string>>}
 */
export async function luaConstants() {
  const files = readdirSync(contract, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  )
  const text = files.map((path) => `export * from ${JSON.stringify(contract + path)}\n`).join('')
  const bundle = await rolldown({
    input: ENTRY,
    platform: 'node',
    // Imported as one text, it can import nothing but what Node has.
    resolve: { alias: { '@s18i/lark/internal': console } },
    plugins: [
      {
        name: ENTRY,
        resolveId: (id) => (id === ENTRY ? id : undefined),
        load: (id) => (id === ENTRY ? text : undefined),
      },
    ],
  })
  const { output } = await bundle.generate({ format: 'es' })
  await bundle.close()
  const exported = await import(`data:text/javascript,${encodeURIComponent(output[0].code)}`)
  return new Map(
    Object.entries(exported).flatMap(([name, value]) => {
      const lua = inLua(value)
      return lua === undefined ? [] : [[inCapitals(name), lua]]
    }),
  )
}

/** @param {string} name */
function inCapitals(name) {
  return /[a-z]/.test(name) ? name.replace(/[A-Z]/g, '_$&').toUpperCase() : name
}

/** @param {unknown} value @returns {string | undefined} */
function inLua(value) {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value)
  if (typeof value === 'string' && /^[\x20-\x7e]*$/.test(value)) return `'${value.replace(/['\\]/g, '\\$&')}'`
  if (!Array.isArray(value) || value.some((each) => typeof each !== 'string')) return undefined
  return `{ ${value.map(inLua).join(', ')} }`
}
