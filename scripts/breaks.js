// Breaks the code on purpose, to find out whether a test fails (mutation testing). `node scripts/breaks.js
// --seed 33` chooses four places at random in each room (a folder of the sources, see `rooms`). The script
// changes one place at a time: it replaces a comparison, a condition or a constant, swaps two arguments, or
// removes a statement. After each change, the script runs the tests until one of them fails, and begins with
// the tests that are most likely to notice the change. `--list` only prints the changes, and `--apply` makes
// them without a test and leaves them in the files. `--room` chooses a room, `--from` skips the first changes
// of a room, and `--each` is the number of changes in each room. The script changes files of this working
// copy and restores them, so use a copy in which nobody works. If all tests pass although something was
// changed, either the tests have a gap, or nobody can observe the change. In the second case, try another
// place instead (`--from 4 --each 1`).
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { parseAst } from 'rolldown/parseAst'
import { root } from './steps.js'

const jobs = 'packages/lark-jobs'
const tests = (/** @type {string[]} */ ...paths) => paths.map((path) => `${jobs}/test/${path}`)
const units = [
  ...readdirSync(join(root, jobs, 'test'))
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `${jobs}/test/${name}`),
  ...tests('flow', 'schedule', 'testing', 'telemetry'),
]
const onFile = tests('working/sqlite', 'working/explaining', 'working/mending')
const onRedis = tests('working/redis')
const sqlite = tests('conformance/sqlite')
const redis = tests('conformance/redis')
/** The tests that run last: those of the built package, and those of the packages that use it. */
const rest = [
  tests('redis/', 'sqlite/'),
  ['packages/lark-dashboard/test/dashboard', 'packages/lark-bullmq', 'test/snippets', 'examples'],
  tests('processes'),
]

/**
 * For each room (a folder in `src`): its tests, in the order in which they run. The tests that are most
 * likely to notice a change come first.
 */
const rooms = /** @type {Record<string, string[][]>} */ ({
  'store/contract/rules': [sqlite, units, onFile, redis],
  'store/sql': [sqlite, tests('sqlite/'), onFile, units],
  'store/redis/lua': [redis, tests('redis/'), onRedis, units],
  worker: [units, onFile, onRedis, sqlite],
  run: [units, onFile],
  flow: [tests('flow'), onFile, sqlite, units],
  schedule: [tests('schedule'), units, onFile, sqlite],
  operate: [units, onFile, sqlite],
  commands: [units, tests('processes/sqlite', 'processes/misuse')],
  dispatch: [units, onFile, onRedis],
})

/** @typedef {{ path: string, start: number, end: number, old: string, text: string }} Change */

const opposite = /** @type {Record<string, string>} */ ({
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '==': '~=',
  '~=': '==',
  '===': '!==',
  '!==': '===',
  '&&': '||',
  '||': '&&',
  and: 'or',
  or: 'and',
  AND: 'OR',
  ASC: 'DESC',
  DESC: 'ASC',
  true: 'false',
  false: 'true',
})
const another = (/** @type {string} */ number) =>
  number === '0' ? '1' : number === '1' ? '0' : String(Number(number.replaceAll('_', '')) * 2)

/**
 * Returns all possible changes of a TypeScript file. The changes come from the syntax tree of the file, and
 * from the SQL in its texts. @returns {Change[]}
 */
function inTypeScript(/** @type {string} */ path, /** @type {string} */ text) {
  /** @type {Change[]} */
  const found = []
  const put = (/** @type {{ start: number, end: number }} */ { start, end }, /** @type {string} */ by) =>
    found.push({ path, start, end, old: text.slice(start, end), text: by })
  const of = (/** @type {{ start: number, end: number }} */ node) => text.slice(node.start, node.end)
  ;(function visit(/** @type {any} */ node) {
    if (Array.isArray(node)) return node.forEach(visit)
    if (typeof node?.type !== 'string' || (node.type.startsWith('TS') && !/^TS(As|NonNull)/.test(node.type)))
      return
    const { type } = node
    const by = opposite[node.operator]
    if ((type === 'BinaryExpression' || type === 'LogicalExpression') && by) {
      const between = { start: node.left.end, end: node.right.start }
      put(between, of(between).replace(node.operator, by))
    } else if (type === 'IfStatement' || type === 'ConditionalExpression')
      put(node.test, `!(${of(node.test)})`)
    else if (type === 'Literal' && typeof node.value === 'boolean') put(node, opposite[node.raw])
    else if (type === 'Literal' && typeof node.value === 'number') put(node, another(node.raw))
    else if (type === 'ExpressionStatement' && !node.directive) put(node, '{}')
    if (type === 'CallExpression' && node.arguments.length > 1 && !/^Math\.m/.test(of(node.callee))) {
      const [one, two] = node.arguments
      put({ start: one.start, end: two.end }, `${of(two)}, ${of(one)}`)
    }
    if (type === 'TemplateElement' && /\b(SELECT|WHERE|UPDATE|AND|ORDER)\b/.test(of(node)))
      found.push(...inWords(path, text, node.start, node.end, /(?<= )(<=?|>=?|AND|ASC|DESC)(?= )/g))
    for (const each of Object.values(node)) if (each && typeof each === 'object') visit(each)
  })(parseAst(text, { lang: 'ts' }))
  return found
}

/** @returns {Change[]} */
function inWords(
  /** @type {string} */ path,
  /** @type {string} */ text,
  /** @type {number} */ from,
  /** @type {number} */ to,
  /** @type {RegExp} */ words,
) {
  return [...text.slice(from, to).matchAll(words)].map(({ 0: old, index }) => {
    const by = opposite[old] ?? another(old)
    return { path, start: from + index, end: from + index + old.length, old, text: by }
  })
}

/**
 * Returns all possible changes of a Lua file: other operators and constants, and removed statements that fill
 * one line. @returns {Change[]}
 */
function inLua(/** @type {string} */ path, /** @type {string} */ text) {
  let start = 0
  return text.split('\n').flatMap((line) => {
    const [code] = line.split('--')
    const words = inWords(
      path,
      text,
      start,
      start + code.length,
      /(?<=[ (])(<=?|>=?|==|~=|and|or|true|false|\d+)(?=[ ,)]|$)/g,
    )
    const statement = /^\s*(redis\.call\(.*\)|[\w.[\]]+ = .*[\w)\]])$/.exec(code)?.[1]
    const at = start + (statement ? code.indexOf(statement) : 0)
    start += line.length + 1
    const isWhole =
      statement &&
      [...statement].filter((c) => c === '(').length === [...statement].filter((c) => c === ')').length
    if (isWhole && !/\b(function|and|or)$/.test(statement))
      words.push({ path, start: at, end: at + statement.length, old: statement, text: '' })
    return words
  })
}

/** Returns random numbers between 0 and 1. The same seed gives the same numbers. */
function lot(/** @type {string} */ seed) {
  let state = [...seed].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), 7)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** @returns {Change[]} */
function changesIn(/** @type {string} */ room) {
  const folder = join(root, jobs, 'src', room)
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  return files.flatMap((name) => {
    const path = relative(root, join(folder, name))
    if (name.endsWith('.lua')) return inLua(path, readFileSync(join(root, path), 'utf8'))
    return name.endsWith('.ts') && !name.includes('generated')
      ? inTypeScript(path, readFileSync(join(root, path), 'utf8'))
      : []
  })
}

/** Returns a description of the change in one line. */
function said(/** @type {Change} */ { path, start, old, text }) {
  const line = readFileSync(join(root, path), 'utf8').slice(0, start).split('\n').length
  const flat = (/** @type {string} */ each) => each.replace(/\s+/g, ' ').trim()
  return `${path.replace(`${jobs}/src/`, '')}:${line}  ${flat(old)}  →  ${flat(text) || 'nothing'}`
}

/** Returns the unit test files that import the changed file. */
function near(/** @type {string} */ path) {
  const words = [
    'grep',
    '-lE',
    `/${basename(path)}'`,
    '--',
    'packages/*/test/*.test.ts',
    'packages/*/test/**/*.test.ts',
  ]
  const { stdout } = spawnSync('git', words, { cwd: root, encoding: 'utf8' })
  return stdout.split('\n').filter((each) => each && !/conformance|working|processes|chaos/.test(each))
}

/** @returns {string | undefined} the test file that noticed the change; undefined if all tests passed */
function finds(/** @type {string[]} */ paths) {
  if (paths.length === 0) return undefined
  const words = [
    'vitest',
    'run',
    '--bail=1',
    '--maxWorkers=2',
    '--project=alone',
    '--project=together',
    ...paths,
  ]
  const { status, stdout, stderr } = spawnSync('npx', words, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
    maxBuffer: 2 ** 28,
    timeout: 900_000,
  })
  if (status === 0) return undefined
  const output = `${stdout}\n${stderr}`
  const failures = /^ ?FAIL .*$/m.exec(output)?.[0] ?? 'no test failed, but the run did'
  const reason = /^\S*Error: .*$/m.exec(output)?.[0] ?? output.slice(-400)
  return `${failures.trim()} | ${reason.slice(0, 200)}`
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    each: { type: 'string', default: '4' },
    from: { type: 'string', default: '0' },
    room: { type: 'string', multiple: true },
    list: { type: 'boolean', default: false },
    apply: { type: 'boolean', default: false },
  },
})
for (const room of values.room ?? Object.keys(rooms)) {
  const all = changesIn(room)
  const chance = lot(`${values.seed} ${room}`)
  for (let i = 0; i < Number(values.from) + Number(values.each); i++) {
    const [change] = all.splice(Math.floor(chance() * all.length), 1)
    if (i < Number(values.from)) continue
    console.log(`${room} ${i}: ${said(change)}`)
    if (values.list) continue
    const file = join(root, change.path)
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.slice(0, change.start) + change.text + text.slice(change.end))
    if (values.apply) continue
    const restore = () => writeFileSync(file, text)
    const leave = () => {
      restore()
      process.exit(130)
    }
    process.once('SIGINT', leave)
    let found
    try {
      for (const paths of [near(change.path), ...rooms[room], ...rest]) {
        if (paths === rest[2]) execFileSync('npm', ['run', 'build', '-w', '@s18i/lark-jobs'], { cwd: root })
        found = finds(paths)
        // The tests run synchronously. Wait one turn of the event loop, so that the listener for Ctrl-C can
        // run between two runs.
        await new Promise((resolve) => setImmediate(resolve))
        if (found) break
      }
    } finally {
      restore()
      process.off('SIGINT', leave)
    }
    console.log(found ? `  found by ${found}` : '  SURVIVED')
  }
}
