/**
 * An application on disk, like that of a user: a folder with the packages in its node_modules, and the
 * program `lark`, which runs in separate processes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const packages = fileURLToPath(new URL('../../../', import.meta.url))
export const bin = join(packages, 'lark', 'dist', 'bin.js')

export interface Result {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  /** How long the process ran, in milliseconds. */
  took: number
}

/** A running process. `result` resolves when it has ended. */
export interface Running {
  child: ChildProcess
  result: Promise<Result>
  /** Resolves when the process has printed the text, on either stream. */
  says(text: string): Promise<void>
}

export class App implements AsyncDisposable {
  readonly folder: string
  readonly env: Record<string, string | undefined>
  readonly #children = new Set<ChildProcess>()
  readonly #ends: (() => Promise<void>)[] = []

  private constructor(folder: string, env: Record<string, string | undefined>) {
    this.folder = folder
    this.env = env
  }

  /** @param env variables that are added to the current environment; undefined removes a variable */
  static async make(
    files: Record<string, string>,
    env: Record<string, string | undefined> = {},
  ): Promise<App> {
    const folder = await takeFolder()
    const app = new App(folder, {
      REDIS_URL: undefined,
      LARK_JOBS_URL: undefined,
      LARK_CONFIG: undefined,
      NODE_ENV: undefined,
      NO_COLOR: '1',
      ...env,
    })
    await mkdir(join(folder, 'node_modules', '@s18i'), { recursive: true })
    for (const name of ['lark', 'lark-jobs'])
      await symlink(join(packages, name), join(folder, 'node_modules', '@s18i', name))
    await app.write({
      'package.json': JSON.stringify({
        name: 'app',
        type: 'module',
        dependencies: { '@s18i/lark': '*', '@s18i/lark-jobs': '*' },
      }),
      ...files,
    })
    return app
  }

  async write(files: Record<string, string>): Promise<void> {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(this.folder, path)), { recursive: true })
      await writeFile(join(this.folder, path), text)
    }
  }

  read(path: string): Promise<string> {
    return readFile(join(this.folder, path), 'utf8')
  }

  remove(path: string): Promise<void> {
    return rm(join(this.folder, path), { recursive: true })
  }

  /** Starts the program `lark`. */
  lark(...args: string[]): Running {
    return this.start([bin, ...args])
  }

  /** Runs the program `lark` and waits until it ends. */
  run(...args: string[]): Promise<Result> {
    return this.lark(...args).result
  }

  /** Starts Node. @param cwd inside the application's folder */
  start(args: string[], cwd = '.', env: Record<string, string | undefined> = {}): Running {
    const began = performance.now()
    const child = spawn(process.execPath, args, {
      cwd: join(this.folder, cwd),
      env: { ...process.env, ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#children.add(child)
    let stdout = ''
    let stderr = ''
    let heard = () => {}
    child.stdout!.setEncoding('utf8').on('data', (text) => {
      stdout += text
      heard()
    })
    child.stderr!.setEncoding('utf8').on('data', (text) => {
      stderr += text
      heard()
    })
    const result = new Promise<Result>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => {
        this.#children.delete(child)
        resolve({ code, signal, stdout, stderr, took: performance.now() - began })
        heard()
      })
    })
    const says = (text: string) =>
      new Promise<void>((resolve, reject) => {
        heard = () => {
          if ((stdout + stderr).includes(text)) resolve()
          else if (child.exitCode !== null)
            reject(new Error(`ended without saying '${text}':\n${stdout}${stderr}`))
        }
        heard()
      })
    return { child, result, says }
  }

  /** Calls `act` when the application is removed. */
  atEnd(act: () => Promise<void>): void {
    this.#ends.push(act)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = [...this.#children].filter(
      (child) => child.exitCode === null && child.signalCode === null,
    )
    const ends = running.map((child) => once(child, 'exit'))
    for (const child of running) child.kill('SIGKILL')
    // The processes must be gone before the next application uses this folder.
    await Promise.all(ends)
    for (const act of this.#ends) await act()
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/**
 * Makes a folder that no other application has now. Lark caches commands and compiled TypeScript by path.
 * These caches stay when the application is removed, so the next application in this folder starts twice as
 * fast.
 */
async function takeFolder(): Promise<string> {
  for (let n = 1; ; n += 1) {
    const folder = join(tmpdir(), `lark-app-${n}`)
    try {
      await mkdir(folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      continue
    }
    const caches = join(tmpdir(), 'lark-app-caches', String(n))
    await mkdir(caches, { recursive: true })
    await mkdir(join(folder, 'node_modules'))
    await symlink(caches, join(folder, 'node_modules/.cache'))
    return folder
  }
}
