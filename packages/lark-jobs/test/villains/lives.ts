/**
 * The worker processes (lives of the worker), one after the other, and the processes that each of them has
 * started.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** One life of the worker. */
export interface Life {
  number: number
  /** When this life was killed. */
  killedAt?: number
}

export interface LivesOptions {
  folder: string
  journal: string
  /** The store. */
  url: string
  /** Milliseconds. */
  leaseMs: number
}

const program = fileURLToPath(new URL('roles/work.js', import.meta.url))

export class Lives implements AsyncDisposable {
  readonly all: Life[] = []
  readonly #options: LivesOptions
  #child: ChildProcess | undefined
  #ended = Promise.resolve()

  constructor(options: LivesOptions) {
    this.#options = options
  }

  get now(): Life {
    return this.all.at(-1)!
  }

  begin(): Life {
    const { folder, journal, url, leaseMs } = this.#options
    const life = { number: this.all.length + 1 }
    const log = openSync(join(folder, 'worker.log'), 'a')
    // An abort must not write a core dump.
    const child = spawn('sh', ['-c', 'ulimit -c 0; exec "$@"', 'sh', process.execPath, program], {
      cwd: folder,
      stdio: ['pipe', log, log],
      detached: true,
      env: {
        ...process.env,
        LARK_CONFIG: undefined,
        NODE_ENV: undefined,
        NO_COLOR: '1',
        LARK_JOBS_URL: url,
        VILLAINS_JOURNAL: journal,
        VILLAINS_LIFE: String(life.number),
        VILLAINS_LEASE: String(leaseMs),
      },
    })
    closeSync(log)
    child.stdin!.on('error', () => {})
    this.#child = child
    this.#ended = new Promise((resolve) => child.once('close', () => resolve()))
    this.all.push(life)
    return life
  }

  /** `kill -9`. */
  kill(): void {
    this.now.killedAt = Date.now()
    this.#child!.kill('SIGKILL')
  }

  /** @returns the exit code */
  async stop(): Promise<number | null> {
    this.#child!.kill('SIGTERM')
    await this.#ended
    return this.#child!.exitCode
  }

  /**
   * Returns the existing processes of a life: the worker, its isolated processes, and processes that these
   * have started. All of them have the environment of the worker.
   */
  async processesOf(life: Life): Promise<number[]> {
    const { stdout } = await promisify(execFile)('ps', ['axeww', '-o', 'pid=,stat=,command='], {
      maxBuffer: 2 ** 26,
    })
    const marks = [`VILLAINS_JOURNAL=${this.#options.journal} `, `VILLAINS_LIFE=${life.number} `]
    const rows = stdout.split('\n').filter((row) => marks.every((mark) => `${row} `.includes(mark)))
    const found = rows.map((row) => row.trim().split(/\s+/))
    return found.filter(([, stat]) => !stat!.startsWith('Z')).map(([pid]) => Number(pid))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#ended
  }
}
