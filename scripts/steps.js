// The steps that `npm run demo` and `npm test` share. The steps use only modules of Node, because they run
// before packages are installed.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { constants, setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * Prints the title of a step and runs the step. By default, the output of the step is printed only if the
 * step fails. With `show`, it is printed while the step runs.
 *
 * @param {string} title
 * @param {string} command
 * @param {string[]} args
 * @param {{ show?: boolean }} [options]
 */
export function run(title, command, args, { show = false } = {}) {
  const began = performance.now()
  if (show) console.log(`${title}: ${command} ${args.join(' ')}`)
  else process.stdout.write(`${title} … `)
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    stdio: show ? 'inherit' : 'pipe',
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  if (status === 0) {
    if (!show) console.log(`${((performance.now() - began) / 1_000).toFixed(1)} s`)
    return
  }
  console.error(`failed\n${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`)
  process.exit(status || 1)
}

/**
 * Starts a step that runs at the same time as other steps. If the script ends early, the step is killed. The
 * step writes its output to a file: a pipe would fill up, because this process cannot read while `run` waits.
 *
 * @param {string} title
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, mayFail?: boolean, show?: boolean, isPatient?: boolean }} [options] by
 *   default, a step that fails ends this process. `show`: the output is printed at once. `isPatient`: the
 *   step runs with a low priority. Tests that measure time need the normal priority, because a process with a
 *   low priority may wait long for the CPU
 * @returns {() => Promise<number>} a function that waits for the end of the step, and shows its output
 */
export function start(
  title,
  command,
  args,
  { env = process.env, mayFail = false, show = false, isPatient = !show } = {},
) {
  console.log(`${title}${show ? '' : ', beside other steps'}: ${command} ${args.join(' ')}`)
  const folder = mkdtempSync(join(tmpdir(), 'lark-step-'))
  const output = join(folder, 'output')
  const file = openSync(output, 'w')
  const stdio = /** @type {const} */ (show ? 'inherit' : ['ignore', file, file])
  const child = spawn(command, args, { cwd: root, env, stdio })
  if (child.pid !== undefined && isPatient) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL)
  const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  process.once('exit', () => {
    child.kill()
    rmSync(folder, { recursive: true, force: true })
  })
  return async () => {
    const status = await ended
    if (!show) console.log(`${title}\n${readFileSync(output, 'utf8')}`)
    if (status !== 0 && !mayFail) process.exit(status || 1)
    return status
  }
}

/**
 * Installs the packages of the lock file if they are not installed yet.
 *
 * @param {string} [folder] the folder of the package.json, relative to the root
 */
export function installPackages(folder = '.') {
  const place = join(root, folder)
  const installed = join(place, 'node_modules', '.package-lock.json')
  const lock = join(place, 'package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  const what = folder === '.' ? 'Installing packages' : `Installing packages of ${folder}`
  run(what, 'npm', ['ci', '--prefix', place, '--ignore-scripts', '--no-audit', '--no-fund'])
}

/**
 * Installs and builds missing packages, and then runs a program of the tests. Only the program itself writes
 * to stdout.
 *
 * @param {string} main the file of the program, relative to the root
 * @param {readonly string[]} words the arguments of the program
 * @param {{ isBuilt?: boolean, node?: () => string | Promise<string> }} [options] `isBuilt`: whether to skip
 *   installing and building. `node`: returns the path of the Node that runs the program, and installs this
 *   Node if necessary; default: the Node that runs this script
 */
export async function runProgram(main, words, { isBuilt = false, node = () => process.execPath } = {}) {
  if (!isBuilt) {
    console.log = console.error
    process.stdout.write = process.stderr.write.bind(process.stderr)
    installPackages()
    run('Building', 'npm', ['run', 'build'])
  }
  const runner = join(root, 'node_modules/jiti/lib/jiti-cli.mjs')
  const child = spawn(await node(), [runner, join(root, main), ...words], { stdio: 'inherit' })
  child.on('close', (code) => {
    process.exitCode = code ?? 130
  })
}
