/**
 * An application on disk that runs the program `lark` as users do. The output of the program goes to a file.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const packages = fileURLToPath(new URL('../packages/', import.meta.url))

export class Application {
  folder
  #connection
  #started = []

  /**
   * @param {string} folder the folder in which the application makes its own folder
   * @param {string} connection the connection of the store
   * @param {Record<string, string>} files more files of the application, by path
   */
  constructor(folder, connection, files) {
    this.folder = mkdtempSync(join(folder, 'app-'))
    this.#connection = connection
    for (const name of ['jobs', 'node_modules/@s18i']) mkdirSync(join(this.folder, name), { recursive: true })
    for (const name of ['lark', 'lark-jobs'])
      symlinkSync(join(packages, name), join(this.folder, 'node_modules/@s18i', name))
    const own = { name: 'app', type: 'module', dependencies: { '@s18i/lark-jobs': '*' } }
    const all = {
      'package.json': JSON.stringify(own),
      // A peer with one queue dispatches to the queue `bench-0`.
      'lark.config.js': `export default { jobs: { queues: ['bench-0'] } }`,
      ...files,
    }
    for (const [path, text] of Object.entries(all)) writeFileSync(join(this.folder, path), text)
  }

  /** Starts `lark`. @returns a promise that resolves when the program ends */
  lark(...words) {
    const output = openSync(join(this.folder, 'output.txt'), 'a')
    const bin = join(this.folder, 'node_modules/@s18i/lark/bin/lark.js')
    const child = spawn(process.execPath, [bin, ...words], {
      cwd: this.folder,
      env: { ...process.env, LARK_JOBS_URL: this.#connection, REDIS_URL: '', NO_COLOR: '1' },
      stdio: ['ignore', output, output],
      // The program gets a new process group, so that one signal ends all its processes.
      detached: true,
    })
    this.#started.push(child)
    return once(child, 'exit')
  }

  read(path) {
    return readFileSync(join(this.folder, path), 'utf8')
  }

  end() {
    for (const child of this.#started) {
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch {
        // The process has already ended.
      }
    }
  }
}
