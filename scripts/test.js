// `npm test`: runs all checks, also in a fresh clone. The script installs missing packages, builds the
// sources, checks style and types, and runs a twentieth of the matrix (`npm run matrix`) and every test. It
// fails if a test was skipped. If this process may install Debian packages, it installs Redis, Valkey,
// PostgreSQL, MariaDB and Chromium. Instead, the variables REDIS_URL and VALKEY_URL can name running servers,
// and CHROMIUM a browser.
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
    // Debian installs the programs of PostgreSQL in a folder that is not in PATH.
    postgresql: { path: '/usr/lib/postgresql' },
    'mariadb-server-core': { path: '/usr/sbin/mariadbd' },
    // The script that makes the data folder of MariaDB runs this program, which is in a separate package.
    'mariadb-client-core': { path: '/usr/bin/my_print_defaults' },
  },
  ['zsh', 'fish'],
)
// If the SQLite of the running Node is too old, install Node 24 early, because the tests cannot pass without
// it.
const newer = isSound ? undefined : node24()
// Remove the files of earlier builds. The next steps must show that the types of a fresh clone are correct
// after `npm ci`, which runs the script `prepare`.
spawnSync('git', ['clean', '-fdXq', '-e', '!node_modules', 'packages', 'examples', 'test'], { cwd: root })
run('Building, as npm ci does', 'npm', ['run', 'prepare'])
// The matrix mostly waits for npm and for the start of programs. So it runs at the same time as the other
// steps, which can use one of the two cores.
const packed = start('Trying the packed packages', process.execPath, ['scripts/matrix.js', '--today'])
// The manual is built for a path below the root of the host, to find links that work only at the root.
const manual = start('Building the manual', process.execPath, [
  'scripts/docs.js',
  '--build',
  '--base',
  '/manual/lark/',
])
run('Checking style', 'npx', ['biome', 'check', '--error-on-warnings', '.'], { show: true })
// The tests write their temporary files to a file system in memory, if it has enough space. 1,525 tests of
// the embedded store took 106 s in memory, and 172 s on a disk (2026-11-27, 2 busy cores).
const memory = '/dev/shm'
const room = 4 * 2 ** 30
if (process.env.TMPDIR === undefined && existsSync(memory) && totalmem() > 2 * room) {
  const { bavail, bsize } = statfsSync(memory)
  if (bavail * bsize > room) process.env.TMPDIR = memory
}
const folder = mkdtempSync(join(tmpdir(), 'lark-test-'))
process.once('exit', () => rmSync(folder, { recursive: true }))
/** If more test files than this fail, the failures count as real, and no file runs again. */
const MOST_UNSTEADY = 5
/** The tests that failed, and passed when their files ran again. @type {string[]} */
const unsteady = []
const chaos = 'packages/lark-jobs/test/chaos/chaos.test.ts'
/**
 * The tests that also run with `node:sqlite`: the tests of the store contract, and tests of code that depends
 * on the SQLite library.
 */
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
/** The CPU time of each file in seconds, the run of the file, and the file. @type {[number, string, string][]} */
const costs = []
let tallies = 0
const own = process.execPath
/** The runs of tests that have ended. @type {[node: string, what: string, run: Run][]} */
const ended = []
const testing = startTests(own, 'Testing', { show: true }, '--project=alone')
// The tests that have just been started wait half of the time for processes, servers and clocks. Meanwhile,
// the next steps run one after the other, and use the rest of the two cores. All projects are type-checked in
// one call. Without --force, a project counts as checked if only files that it imports have changed. With one
// thread and fewer garbage collections, the check takes 40 s of CPU. With several threads, the check took 88
// s, because each thread checks the shared files again (2026-12-02).
await start(
  'Checking types',
  own,
  ['node_modules/typescript/bin/tsc', '--build', '--force', '--noEmit', '--singleThreaded', ...typed],
  { env: { ...process.env, GOGC: '400' } },
)()
// One test file takes most of the time of this run. This file needs the CPU all the time, so the time limit
// of a test is longer than usual.
if (newer) await beside(newer, 'Testing with node:sqlite', {}, '--testTimeout=600000', ...embedded)
// The browser tests wait for a page only about as long as a person would, so they must not run with a low
// priority. Meanwhile, the build of the manual uses the rest of the CPU. The build ends at about the same
// time as these tests.
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
// The tests that share processes are a separate run. When they were the last part of the run `Testing`,
// nothing else ran during 216 of the 705 s of that run, and most of this time was waiting (2026-12-02).
await beside(own, 'Testing in shared processes', { isPatient: false }, '--maxWorkers=2', '--project=together')
ended.push([own, 'Testing', await testing()])
await packed()
for (const each of ended) judge(...each)
// The chaos tests run alone, because on a busy machine workers lose leases although the test breaks nothing.
judge(own, 'Breaking things', await startTests(own, 'Breaking things', { show: true }, chaos)())
if (unsteady.length > 0) {
  console.log('These tests failed, and passed when their files ran again, alone. Find out why:')
  for (const each of unsteady) console.log(`  ${each}`)
}
costs.sort((a, b) => b[0] - a[0])
console.log(`The tests took ${costs.reduce((sum, [cpu]) => sum + cpu, 0).toFixed(0)} s of CPU. Most of it:`)
for (const [cpu, what, file] of costs.slice(0, 15))
  console.log(`${cpu.toFixed(0).padStart(5)} s  ${what}: ${relative(root, file)}`)
console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
)
if (total.skipped > 0) fail('A skipped test proves nothing: mend it or remove it.')

/**
 * Runs tests at the same time as the run `Testing`, and waits for their end.
 *
 * @param {string} node
 * @param {string} what
 * @param {{ isPatient?: boolean }} options
 * @param {...string} words more arguments for Vitest
 */
async function beside(node, what, options, ...words) {
  ended.push([node, what, await startTests(node, what, options, ...words)()])
}

/**
 * @param {string} node
 * @param {string} what
 * @param {{ show?: boolean, isPatient?: boolean }} options
 * @param {...string} words more arguments for Vitest
 * @returns {() => Promise<Run>} a function that waits for the end of the tests
 */
function startTests(node, what, options, ...words) {
  const { path, args, env } = vitest(words)
  const ended = start(what, node, args, { env, mayFail: true, ...options })
  return async () => tallyOf(path, await ended())
}

/**
 * Adds the results of a run to `total`. If only a few test files failed, these files run once more, alone,
 * because a test that stops servers and kills processes can fail on a busy machine, and one failure in 12,000
 * tests would make the whole run useless. The script names each test that passed only the second time.
 *
 * @param {string} node the path of the Node that runs the failed files again
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
  for (const [file, { passed, failed, skipped, cpu }] of Object.entries(first.files)) {
    costs.push([cpu, what, file])
    total.passed += passed
    total.failed += failed
    total.skipped += skipped
  }
}

/**
 * Returns the arguments and the environment for a run of Vitest, and the path of the file for its results
 * (`tally.js`). @param {string[]} words
 */
function vitest(words) {
  const path = join(folder, `${tallies++}.json`)
  const reporters = ['--reporter=default', '--reporter=./scripts/tally.js']
  const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...reporters, ...words]
  // All runs share a cache of compiled modules, which saves 3 s of CPU in each run (2026-12-02).
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
 * Installs missing programs, if this process may install them. The tests cannot run without the servers. If a
 * shell is missing, only the tests of the completion for this shell do not run.
 *
 * @param {Record<string, { variable?: string, path?: string, instead?: string[] }>} servers for each package:
 *   the variable that names a running server, the path of its program (default: found in the path by the name
 *   of the package), and other programs that can be used instead
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
