/** Calls the package manager of a project, so that it adds packages. */
import { spawn } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { larkError } from '../errors.ts'

/** The package.json for a folder without a package.json. */
export const NEW_PACKAGE = '{\n  "private": true\n}\n'

/**
 * Adds packages. The output of the package manager goes to stderr. If the folder has no package.json, one is
 * created first, because the package manager would use the package.json of a folder above. The new
 * package.json is removed again if the package manager fails.
 *
 * @param words the words of the command line that adds the packages
 * @throws INSTALL_FAILED, or the reason of the signal
 */
export async function install(folder: string, words: readonly string[], signal: AbortSignal): Promise<void> {
  const path = join(folder, 'package.json')
  const isNew = !existsSync(path)
  if (isNew) writeFileSync(path, NEW_PACKAGE, { flag: 'wx' })
  try {
    await run(folder, words, signal)
  } catch (error) {
    if (isNew) rmSync(path, { force: true })
    throw error
  }
}

function run(
  folder: string,
  [program = '', ...words]: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const line = [program, ...words].join(' ')
  return new Promise((resolve, reject) => {
    const fail = (what: string, cause?: unknown) =>
      reject(larkError('INSTALL_FAILED', `${line} ${what}`, { cause, hint: 'lark init has written nothing' }))
    // On Windows, package managers are scripts, which only a shell starts.
    const shell = process.platform === 'win32'
    const child = spawn(program, words, { cwd: folder, stdio: ['ignore', 2, 2], signal, shell })
    // An abort of the signal also causes the event `error`, although the process was started and still runs
    // for a moment. A process that could not be started has no `pid`.
    child.on('error', (error) => child.pid === undefined && fail('cannot be started', error))
    child.on('close', (code, killedBy) => {
      if (code === 0) resolve()
      else if (signal.aborted) reject(signal.reason)
      else fail(killedBy === null ? `ended with exit code ${code}` : `was ended by ${killedBy}`)
    })
  })
}
