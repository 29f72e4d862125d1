// `npm test`: everything, from a fresh clone. It installs what is missing, builds, checks style and types, runs a
// twentieth of the matrix (`npm run matrix`) and every test, and fails if a test was skipped. Redis, Valkey, PostgreSQL,
// MariaDB and Chromium come from Debian's packages if these may be installed. REDIS_URL and VALKEY_URL name servers to use
// instead, and CHROMIUM a browser.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir, totalmem } from 'node:os'
import { join, relative } from 'node:path'
import { isSound, node24 } from '../packages/lark-jobs/test/node24/node24.js'
import { installPackages, root, run, start } from './steps.js'

installPackages()
installPrograms(
  {
    'redis-server': { variable: 'REDIS_URL' },
    'valkey-server': { variable: 'VALKEY_URL' },
    'chromium-headless-shell': { variable: 'CHROMIUM', instead: ['chromium', 'google-chrome'] },
    // Debian keeps it out of the path.
    postgresql: { path: '/usr/lib/postgresql' },
    'mariadb-server-core': { path: '/usr/sbin/mariadbd' },
    // The script that makes its folder needs a program of the client.
    'mariadb-client-core': { path: '/usr/bin/my_print_defaults' },
  },
  ['zsh', 'fish'],
)
// Install it early, because the tests cannot pass without it.
const newer = isSound ? undefined : node24()
// What earlier builds made goes first: so the next steps show that a fresh clone type-checks once `npm ci` is over,
// which runs this script.
spawnSync('git', ['clean', '-fdXq', '-e', '!node_modules', 'packages', 'examples', 'test'], { cwd: root })
run('Building, as npm ci does', 'npm', ['run', 'prepare'])
// It waits for npm and for programs that start, and leaves a core to the others.
const packed = start('Trying the packed packages', process.execPath, ['scripts/matrix.js', '--today'])
// Under a path, because pages that work only at the root of a host are a common fault.
const manual = start('Building the manual', process.execPath, [
  'scripts/docs.js',
  '--build',
  '--base',
  '/manual/lark/',
])
run('Checking style', 'npx', ['biome', 'check', '--error-on-warnings', '.'], { show: true })
// Files of tests are in memory where there is room: 1,525 tests of the embedded store took 106 s there, and 172 s on a
// disk (2026-11-27, 2 busy cores).
const memory = '/dev/shm'
const room = 4 * 2 ** 30
if (process.env.TMPDIR === undefined && existsSync(memory) && totalmem() > 2 * room) {
  const { bavail, bsize } = statfsSync(memory)
  if (bavail * bsize > room) process.env.TMPDIR = memory
}
const folder = mkdtempSync(join(tmpdir(), 'lark-test-'))
process.once('exit', () => rmSync(folder, { recursive: true }))
/** If more files fail, it is no chance. */
const MOST_UNSTEADY = 5
/** The tests that failed, and passed when their files ran again. @type {string[]} */
const unsteady = []
const chaos = 'packages/lark-jobs/test/chaos/chaos.test.ts'
/** The tests that also run with the other SQLite library: the store contract, and the differences of the libraries. */
const embedded = [
  'packages/lark-jobs/test/conformance/sqlite.test.ts',
  ...['driver', 'failure', 'file', 'files', 'log'].map(
    (name) => `packages/lark-jobs/test/sqlite/${name}.test.ts`,
  ),
]
const typed = [
  'packages/lark/test',
  'packages/lark-jobs/test',
  'packages/lark-bullmq/test',
  'packages/lark-jobs-bench/test',
  'packages/lark-dashboard/browser',
  'packages/lark-dashboard/test',
  'examples/adapters',
  'examples/mac-registry',
  'test',
]
const total = { passed: 0, failed: 0, skipped: 0 }
let tallies = 0
const own = process.execPath
/** The tests that have ended. @type {[node: string, what: string, run: Run][]} */
const ended = []
const testing = startTests(own, 'Testing', { show: true }, '--project=alone')
// These wait for half of the time: for processes, servers and clocks. What they leave of two cores, the next steps take,
// one after the other. All projects are checked at once. Without --force, one counts as checked while only files that it
// imports have changed. By one thread, and with less collecting of garbage, it takes 40 s of a processor: 88 s by
// several, which each check what they share (2026-12-02).
await start(
  'Checking types',
  own,
  ['node_modules/typescript/bin/tsc', '--build', '--force', '--noEmit', '--singleThreaded', ...typed],
  { env: { ...process.env, GOGC: '400' } },
)()
// It is mostly one file that computes.
if (newer) await beside(newer, 'Testing with node:sqlite', {}, '--testTimeout=600000', ...embedded)
// The tests in a browser wait for a page about as long as a person would, so nobody else goes first. The manual takes
// what they leave: it has the packages of its site to install, and is built when they have ended, or soon after.
const looking = { isPatient: false }
await beside(
  own,
  'Looking at the dashboard',
  looking,
  '--maxWorkers=2',
  'packages/lark-dashboard/test/browser',
)
await manual()
await beside(own, 'Looking at the manual', looking, 'test/browser/site.test.ts')
// Before, they came last in the first run, which then was alone for 216 of its 705 s (2026-12-02) and mostly waits.
await beside(own, 'Testing in shared processes', { isPatient: false }, '--maxWorkers=2', '--project=together')
ended.push([own, 'Testing', await testing()])
await packed()
for (const each of ended) judge(...each)
// The chaos tests run alone, because on a busy machine workers lose leases without a fault.
judge(own, 'Breaking things', await startTests(own, 'Breaking things', { show: true }, chaos)())
if (unsteady.length > 0) {
  console.log('These tests failed, and passed when their files ran again, alone. Find out why:')
  for (const each of unsteady) console.log(`  ${each}`)
}
console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
)
if (total.skipped > 0) fail('A skipped test proves nothing: mend it or remove it.')

/**
 * Runs tests beside those that have begun.
 *
 * @param {string} node
 * @param {string} what
 * @param {{ isPatient?: boolean }} options
 * @param {...string} words of vitest
 */
async function beside(node, what, options, ...words) {
  ended.push([node, what, await startTests(node, what, options, ...words)()])
}

/**
 * @param {string} node
 * @param {string} what
 * @param {{ show?: boolean, isPatient?: boolean }} options
 * @param {...string} words of vitest
 * @returns {() => Promise<Run>} waits for their end
 */
function startTests(node, what, options, ...words) {
  const { path, args, env } = vitest(words)
  const ended = start(what, node, args, { env, mayFail: true, ...options })
  return async () => tallyOf(path, await ended())
}

/**
 * Adds up what became of tests. A few files that fail run once more, alone: a test that stops servers and kills
 * processes can fail on a machine that others keep busy, and one in 12,000 would throw the whole run away. Each is named
 * at the end.
 *
 * @param {string} node the path of the Node that runs them
 * @param {string} what
 * @param {Run} first
 */
function judge(node, what, first) {
  const failing = Object.keys(first.files).filter((file) => first.files[file].isFailed)
  if (first.status !== 0) {
    const mayBeChance = failing.length > 0 && failing.length <= MOST_UNSTEADY && first.strays.length === 0
    if (!mayBeChance) process.exit(first.status)
    const { path, args, env } = vitest(['--maxWorkers=1', ...failing])
    console.log(`${what} again, alone: ${failing.join(' ')}`)
    const again = tallyOf(path, spawnSync(node, args, { cwd: root, stdio: 'inherit', env }).status)
    if (again.status !== 0) process.exit(again.status)
    for (const file of failing) {
      const { names } = first.files[file]
      for (const name of names.length > 0 ? names : ['outside of its tests'])
        unsteady.push(`${relative(root, file)}: ${name}`)
    }
    Object.assign(first.files, again.files)
  }
  for (const { passed, failed, skipped } of Object.values(first.files)) {
    total.passed += passed
    total.failed += failed
    total.skipped += skipped
  }
}

/** The words that run vitest, and where its tally will be. @param {string[]} words */
function vitest(words) {
  const path = join(folder, `${tallies++}.json`)
  const reporters = ['--reporter=default', '--reporter=./scripts/tally.js']
  const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...reporters, ...words]
  // The runs share what each would translate anew: 3 s of a processor (2026-12-02).
  return { path, args, env: { ...process.env, LARK_TALLY: path, LARK_MODULES: join(folder, 'modules') } }
}

/**
 * @typedef {import('./tally.js').Tally & { status: number }} Run
 * @param {string} path
 * @param {number | null} status
 * @returns {Run}
 */
function tallyOf(path, status) {
  if (!existsSync(path)) fail(`Vitest ended with ${status} before it had run the tests.`)
  return { ...JSON.parse(readFileSync(path, 'utf8')), status: status ?? 1 }
}

/**
 * Installs what is missing, where that may be. Without the servers nothing can be tested; without a shell, its
 * completions are not.
 *
 * @param {Record<string, { variable?: string, path?: string, instead?: string[] }>} servers by package: the variable that
 *   names a running server, where its program is (default: in the path, with the name of the package), and programs that
 *   will do where it may not be installed
 * @param {string[]} shells
 */
function installPrograms(servers, shells) {
  const isMissing = (/** @type {string} */ program) => spawnSync('which', [program]).status !== 0
  const needed = Object.keys(servers).filter((each) => {
    const { variable, path } = servers[each]
    if (variable !== undefined && process.env[variable]) return false
    return path === undefined ? isMissing(each) : !existsSync(path)
  })
  const missing = [...needed, ...shells.filter(isMissing)]
  if (missing.length === 0) return
  const lacking = needed.filter((each) => servers[each].instead?.every(isMissing) ?? true)
  const mayInstall = process.getuid?.() === 0 && !isMissing('apt-get')
  if (mayInstall) {
    run('Updating the package lists', 'apt-get', ['update'])
    run(`Installing ${missing.join(', ')}`, 'apt-get', [
      'install',
      '-y',
      '--no-install-recommends',
      ...missing,
    ])
  } else if (lacking.length > 0) {
    const variables = lacking.flatMap((each) => servers[each].variable ?? [])
    fail(
      `Install ${lacking.join(' and ')} (Debian: sudo apt-get install ${lacking.join(' ')})${variables.length === 0 ? '' : `, or name what you have in ${variables.join(' and ')}`}.`,
    )
  } else {
    console.log(`The completions for ${missing.join(' and ')} are not tried: these shells are not installed.`)
  }
}

/** @param {string} line */
function fail(line) {
  console.error(line)
  process.exit(1)
}
