// `npm run api`: writes the exports of each package, with all signatures, into its `api.md`. Build the
// packages before you run this script. A test compares the files with the build, so reviewers see each change
// of the public interface.
//
//   --check      writes nothing, and fails if a file is not up to date
//   --released   also records the hashes of the files (`.changeset/released.json`) when a version is released:
//                after that, a change of a file needs a changeset
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SyntaxKind } from 'typescript/unstable/ast'
import { API, SymbolFlags } from 'typescript/unstable/sync'

const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * The packages that have an `api.md`. If several packages export the same symbol, its declaration is in the
 * `api.md` of the first of these packages.
 */
const packages = ['lark', 'lark-jobs', 'lark-dashboard', 'lark-bullmq']
/**
 * The entry points that `api.md` shows, `.` first. The entry point `/internal` is left out, because only
 * other packages of Lark use it.
 */
const isPublic = (/** @type {string} */ path) =>
  !['./package.json', './internal', './lease-watch', './isolated', './processor-file'].includes(path)

/** The text of `api.md` of each package. @returns {Map<string, string>} the texts by the path of the file */
export function surfaces() {
  const folder = mkdtempSync(join(tmpdir(), 'lark-api-'))
  const api = new API({ cwd: folder })
  try {
    const entries = packages.flatMap((name) => {
      const { exports } = JSON.parse(readFileSync(join(root, `packages/${name}/package.json`), 'utf8'))
      return Object.keys(exports)
        .filter(isPublic)
        .map((path) => ({
          name,
          entry: `@s18i/${name}${path.slice(1)}`,
          file: join(root, `packages/${name}/dist/${path === '.' ? 'index' : path.slice(2)}.js`),
        }))
    })
    const file = join(folder, 'entries.ts')
    writeFileSync(
      file,
      entries.map(({ file }, i) => `import * as entry${i} from ${JSON.stringify(file)}`).join('\n'),
    )
    const options = {
      module: 'esnext',
      moduleResolution: 'bundler',
      target: 'es2022',
      noEmit: true,
      types: [],
    }
    const project = join(folder, 'tsconfig.json')
    writeFileSync(project, JSON.stringify({ compilerOptions: options, files: [file] }))
    const checker = api.updateSnapshot({ openProject: project }).getProject(project).checker
    const text = readFileSync(file, 'utf8')
    /** For each symbol: the entry point whose section has its declaration. @type {Map<number, string>} */
    const shown = new Map()
    const sections = entries.map(({ name, entry, file: built }, i) => {
      const place = text.indexOf(`as entry${i} `) + 'as '.length
      const module = original(checker, checker.getSymbolAtPosition(file, place))
      const names = [...checker.getExportsOfModule(module)].sort((one, other) =>
        one.name < other.name ? -1 : 1,
      )
      const values = new Set(Object.keys(createRequire(file)(built.replace(/js$/, 'cjs'))))
      const lines = names.flatMap((each) => {
        const symbol = original(checker, each)
        // A constant is left out if the entry exports only its type, because users cannot use its value.
        if (symbol.flags & SymbolFlags.Variable && !values.has(each.name)) return []
        const first = shown.get(symbol.id)
        if (first !== undefined) return `// ${each.name}: as in ${first}`
        shown.set(symbol.id, entry)
        return declared(each.name, symbol, checker, values)
      })
      return { name, text: `## \`${entry}\`\n\n\`\`\`ts\n${lines.join('\n\n')}\n\`\`\`\n` }
    })
    return new Map(
      packages.map((name) => {
        const own = sections.filter((section) => section.name === name).map((section) => section.text)
        return [`packages/${name}/api.md`, `${headOf(name)}\n${own.join('\n')}`]
      }),
    )
  } finally {
    api.close()
    rmSync(folder, { recursive: true })
  }
}

/** Returns the hash of each `api.md`, for `released.json`. @param {Map<string, string>} all */
export function marksOf(all) {
  const mark = (/** @type {string} */ text) => createHash('sha256').update(text).digest('hex').slice(0, 12)
  return Object.fromEntries([...all].map(([file, text]) => [file, mark(text)]))
}

const headOf = (/** @type {string} */ name) => `# What @s18i/${name} Exports

\`npm run api\` writes this file from the declarations, without their comments. Each name here is a promise: see [versions](../../docs/versions.md).
`

/**
 * Returns the declarations of a symbol as TypeScript, without comments and private members.
 *
 * @param {Set<string>} values the names that the entry exports as values, not only as types
 */
function declared(name, symbol, checker, values) {
  const texts = symbol.declarations.map((each) => {
    const node = each.resolve()
    const text = node
      .getText()
      .replace(/\/\*[\s\S]*?\*\//g, '')
      .replace(/^\s*(#private|private \w+)\b[^\n]*;$/gm, '')
      .replace(/^(export )?(declare )?/, '')
      .replace(/[ \t]+$/gm, '')
      .replace(/\n{2,}/g, '\n')
      .replace(/^(?: {4})+/gm, (indent) => ' '.repeat(indent.length / 2))
    if (node.kind === SyntaxKind.VariableDeclaration) {
      if (!/\btypeof \w|^\w+: \w+$/.test(text)) return `const ${text};`
      if (!/\btypeof /.test(text))
        return `const ${name}: ${checker.typeToString(checker.getTypeOfSymbol(symbol))};`
      return `const ${name}: {\n${membersOf(checker.getTypeOfSymbol(symbol), checker)}};`
    }
    if (node.kind === SyntaxKind.TypeAliasDeclaration) {
      const type = checker.getDeclaredTypeOfSymbol(symbol)
      const named = type.getSymbol()
      // The alias exports a class of the same name, so the class itself is shown.
      if (named !== undefined && named.name === name && named.id !== symbol.id)
        return declared(name, named, checker, values)
      // If a type is derived from a list or a table that the entry point does not export, `api.md` has the
      // words of the list or the keys of the table instead of `typeof`.
      const [, from] = /^type \w+ = (?:keyof |\()typeof (\w+)/.exec(text) ?? []
      if (from !== undefined && !values.has(from))
        return `type ${name} = ${checker.typeToString(type, undefined, NO_TRUNCATION | IN_TYPE_ALIAS)};`
    }
    // The options of this interface come from a table in the sources. `api.md` lists each option.
    const isTable = /\bOptionsOf<| extends JobFields\b/.test(text)
    const head = isTable ? /^interface \w+(<[^{]*?>)?(?= extends )/.exec(text)?.[0] : undefined
    return head === undefined
      ? text
      : `${head} {\n${membersOf(checker.getDeclaredTypeOfSymbol(symbol), checker)}}`
  })
  const own = symbol.name === name ? '' : `// exported as ${name}\n`
  return own + texts.join('\n')
}

/**
 * `TypeFormatFlags` of TypeScript: the text of a type is not shortened, and has the structure of a type alias
 * instead of its name.
 */
const NO_TRUNCATION = 1
const IN_TYPE_ALIAS = 1 << 23

/** Returns all members of a type, including the inherited ones. */
function membersOf(type, checker) {
  return checker
    .getPropertiesOfType(type)
    .map((each) => {
      const mark = each.flags & SymbolFlags.Optional ? '?' : ''
      return `  ${each.name}${mark}: ${checker.typeToString(checker.getTypeOfSymbol(each), undefined, NO_TRUNCATION)};\n`
    })
    .join('')
}

function original(checker, symbol) {
  return symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const all = surfaces()
  const old = [...all].filter(([path, text]) => {
    const file = join(root, path)
    return !existsSync(file) || readFileSync(file, 'utf8') !== text
  })
  if (process.argv.includes('--check')) {
    for (const [path] of old) console.error(`${path} is old: npm run api`)
    process.exitCode = old.length > 0 ? 1 : 0
  } else {
    for (const [path, text] of old) writeFileSync(join(root, path), text)
    if (process.argv.includes('--released'))
      writeFileSync(
        join(root, '.changeset/released.json'),
        `${JSON.stringify({ surfaces: marksOf(all) }, null, 2)}\n`,
      )
    console.log(old.length === 0 ? 'Nothing has changed.' : `Wrote ${old.map(([path]) => path).join(', ')}`)
  }
}
