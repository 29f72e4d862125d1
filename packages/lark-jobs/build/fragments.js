/**
 * Puts the Lua scripts of the Redis store together. A script is in the folder of its subject: `end/prune.lua`. A
 * fragment is in a folder `shared` there, or below one: `end/shared/retain.lua`, `claim/shared/lanes/turn.lua`. So the
 * path of a file says which of the two it is, and a subject has both in one place. Headers say which fragments a file
 * needs, and which names a fragment gives:
 *
 *   -- needs: line, counters, lanes
 *   -- gives: put, leave
 *
 * A script contains each fragment that it needs once, in order of need.
 *
 * A script makes its functions anew with each call, which takes 0.12 µs for each. So there are modules: the fragments
 * with the line `-- module: lanes` are the module `lanes`. `lanes()` returns a table of the names that they give, and
 * the first use in a call makes them. What only one module needs is made with it.
 *
 * A name in capitals is a constant of the store contract (`contract.js`), which is written into the text: RATE_KINDS,
 * MAX_ITEMS. A file with a function for each of a list says so, and the build refuses it if one is missing:
 *
 *   -- covers: RATE_KINDS in kinds
 *
 * No two files have one name, and a module has the name of its file, in the plural if the file has a noun (`rate.lua`
 * is `rates()`), or that of the folder of its files.
 */

/**
 * @typedef {{ path: string, name: string, module: string, code: string }
 *   & Record<'needs' | 'gives' | 'covers', string[]>} Part
 */
/** @typedef {ReadonlyMap<string, string>} Constants as Lua, by their names */
/** @typedef {{ parts: Part[], fragments: Map<string, Part>, modules: Map<string, Part[]> }} House */

const words = `
  and break do else elseif end false for function if in local nil not or repeat return then true until while
  redis KEYS ARGV string table math tonumber tostring type pairs ipairs next unpack error pcall`
const language = new Set(words.trim().split(/\s+/))

/**
 * @param {ReadonlyMap<string, string>} files texts by path: `claim/exchange`, `claim/shared/lanes/turn`
 * @param {Constants} constants
 * @returns {Map<string, string[]>} the pieces of each script
 * @throws if a file uses a name that nothing gives, if two give the same name, if nothing uses a name, if fragments
 * need each other, or if a name is not where a reader looks for it
 */
export function assemble(files, constants = new Map()) {
  const parts = [...files].map(([path, text]) => parse(path, text, constants))
  const shared = parts.filter(({ path }) => isFragment(path))
  const fragments = new Map(shared.map((part) => [part.name, part]))
  /** @type {Map<string, Part[]>} */
  const modules = new Map()
  for (const part of shared)
    if (part.module) modules.set(part.module, [...(modules.get(part.module) ?? []), part])
  const house = { parts, fragments, modules }
  checkNames(parts)
  for (const part of parts) checkCovered(part, constants)
  check(house)
  const scripts = parts.filter((part) => !shared.includes(part))
  return new Map(scripts.map((script) => [script.name, piecesOf(script, house)]))
}

/** @param {string} path */
export const isFragment = (path) => /(^|\/)shared\//.test(path)

/** @param {string} path @param {string} text @param {Constants} constants @returns {Part} */
function parse(path, text, constants) {
  /** @param {string} word */
  const listed = (word) =>
    [...text.matchAll(new RegExp(`^-- ${word}: (.*)$`, 'gm'))].flatMap(([, names = '']) => names.split(', '))
  const written = text.replace(/^\s*(--.*)?\n/gm, '')
  for (const name of namesIn(written).declared)
    if (constants.has(name)) throw new Error(`${path} declares ${name}, which is a constant of the contract`)
  const code = written.replace(
    /'(?:\\.|[^'\\])*'|(?<![\w.])[A-Z][A-Z_]*\b/g,
    (word) => constants.get(word) ?? word,
  )
  const [module = ''] = listed('module')
  return {
    path,
    name: path.replace(/.*\//, ''),
    module,
    needs: listed('needs'),
    gives: listed('gives'),
    covers: listed('covers'),
    code,
  }
}

/** @param {Part} part @param {Constants} constants */
function checkCovered({ path, covers, code }, constants) {
  for (const each of covers) {
    const [list = '', table] = each.split(' in ')
    const names = [...(constants.get(list)?.matchAll(/'([^']+)'/g) ?? [])].map(([, name]) => name)
    if (names.length === 0) throw new Error(`${path} covers ${list}, which is no list of the contract`)
    const made = [...code.matchAll(new RegExp(`\\b${table}(?:\\.(\\w+)|\\['([^']+)'\\])`, 'g'))]
    const missing = names.filter((name) => !made.some(([, word, text]) => (word ?? text) === name))
    if (missing.length > 0) throw new Error(`${path} has no ${table} for ${missing.join(', ')} of ${list}`)
  }
}

/**
 * A reader finds a file by its name alone, and the file of a module by the module's name.
 *
 * @param {Part[]} parts
 */
function checkNames(parts) {
  /** @type {Map<string, string>} */
  const paths = new Map()
  for (const { path, name, module } of parts) {
    if (paths.has(name)) throw new Error(`${path} has the name of ${paths.get(name)}`)
    paths.set(name, path)
    const noun = name.replaceAll('-', '_')
    const folder = path
      .split('/')
      .slice(0, -1)
      .findLast((each) => each !== 'shared')
    if (module && ![noun, `${noun}s`, folder].includes(module))
      throw new Error(
        `${path} is part of the module ${module}, which has neither its name nor that of its folder`,
      )
  }
}

/** @param {House} house */
function check({ parts, fragments, modules }) {
  /** @type {Map<string, string>} */
  const givers = new Map()
  const wanted = new Set()
  for (const { path, gives } of parts) {
    for (const name of gives) {
      if (givers.has(name)) throw new Error(`${path} gives ${name}, and so does ${givers.get(name)}`)
      givers.set(name, path)
    }
  }
  for (const { path, module, needs, gives, code } of parts) {
    const { used, declared } = namesIn(code)
    for (const name of gives)
      if (!declared.has(name)) throw new Error(`${path} gives ${name}, and does not declare it`)
    for (const need of needs) {
      const fragment = fragments.get(need)
      const isOpen = fragment && (fragment.module === '' || fragment.module === module)
      if (!isOpen && !modules.has(need)) throw new Error(`${path} needs ${need}, which is no fragment for it`)
      if (modules.has(need) && declared.has(need))
        throw new Error(`${path} declares ${need}, which is a module that it needs`)
      const given = modules.has(need) ? [need] : (fragment?.gives ?? [])
      const taken = given.filter((name) => used.delete(name))
      if (taken.length === 0) throw new Error(`${path} needs ${need}, and uses nothing of it`)
      for (const name of taken) wanted.add(name)
    }
    for (const name of used)
      if (!declared.has(name)) throw new Error(`${path} uses ${name}, which nothing that it needs gives`)
    for (const [, name] of code.matchAll(/\(\)\.(\w+)/g)) wanted.add(name)
    for (const [, name = ''] of code.matchAll(/\bmade\.(\w+)/g))
      if (!modules.has(name)) throw new Error(`${path} asks whether ${name} is made, which is no module`)
  }
  for (const [name, path] of givers)
    if (!wanted.has(name)) throw new Error(`${path} gives ${name}, which nothing uses`)
}

/**
 * The names in a Lua text that are not fields: all that it uses, and all that it declares anywhere.
 *
 * @param {string} code
 */
function namesIn(code) {
  const bare = code.replace(/'(\\.|[^'\\])*'/g, "''")
  /** @param {RegExp} pattern */
  const found = (pattern) => [...bare.matchAll(pattern)].flatMap(([, names = '']) => names.split(/[\s,]+/))
  const declared = new Set([
    ...found(/\blocal (?!function\b)([\w, ]+)/g),
    ...found(/\bfunction (\w+)\(/g),
    ...found(/\bfunction ?[\w.]*\(([^)]*)\)/g),
    ...found(/\bfor ([\w, ]+?) (?:=|in\b)/g),
  ])
  // A field comes after a dot, or in braces before an equals sign.
  const names = bare.replace(/(?<=[{,]\s*)\w+ = /g, '').matchAll(/(?<![\w.])[a-zA-Z_]\w*/g)
  return { declared, used: new Set([...names].map(([name]) => name).filter((name) => !language.has(name))) }
}

/** @param {Part} script @param {House} house @returns {string[]} */
function piecesOf(script, { fragments, modules }) {
  /** For each fragment, the modules that need it; '' stands for the script. @type {Map<Part, Set<string>>} */
  const users = new Map()
  /** @param {Part} part @param {string} user */
  const use = (part, user) => {
    const all = users.get(part) ?? new Set()
    users.set(part, all)
    if (all.has(user)) return
    all.add(user)
    for (const need of part.needs) {
      const inner = modules.get(need)
      const fragment = fragments.get(need)
      if (inner) for (const each of inner) use(each, need)
      else if (fragment) use(fragment, user)
    }
  }
  use(script, '')

  /** The pieces of the script, and of each module. @type {Record<string, string[]>} */
  const pieces = { '': [] }
  /** What is being added: names of modules and fragments. @type {string[]} */
  const under = []
  /** @type {Set<unknown>} */
  const done = new Set()
  /** @param {unknown} what @param {string} name @param {() => void} put */
  const once = (what, name, put) => {
    if (under.includes(name)) throw new Error([...under.slice(under.indexOf(name)), name].join(' needs '))
    if (done.has(what)) return
    under.push(name)
    put()
    under.pop()
    done.add(what)
  }
  /** @param {Part} part */
  const addFragment = (part) => {
    for (const need of part.needs) add(need)
    const [user = '', ...others] = users.get(part) ?? []
    pieces[part.module || (others.length > 0 ? '' : user)]?.push(part.code)
  }
  /** @param {string} need @param {Part[]} inner */
  const addModule = (need, inner) => {
    /** @type {string[]} */
    const own = []
    pieces[need] = own
    for (const part of inner) once(part, `${need}/${part.name}`, () => addFragment(part))
    const table = inner.flatMap(({ gives }) => gives).map((name) => `${name} = ${name}`)
    pieces['']?.push(`local function ${need}()\n  if made.${need} then\n    return made.${need}\n  end\n`)
    pieces['']?.push(...own, `made.${need} = { ${table.join(', ')} }\nreturn made.${need}\nend\n`)
  }
  /** @param {string} need */
  const add = (need) => {
    const inner = modules.get(need)
    const fragment = fragments.get(need)
    if (inner) once(inner, need, () => addModule(need, inner))
    else if (fragment) once(fragment, need, () => addFragment(fragment))
  }
  for (const need of script.needs) add(need)
  return [...(pieces[''] ?? []), script.code]
}
