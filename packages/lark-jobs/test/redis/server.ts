/**
 * Real Redis and Valkey servers for tests, on free ports of the loopback, each in its own folder. A shell
 * watches each server. When this process ends in any way, the shell ends the server and removes its folder.
 * The shell notices the end because it reads from a pipe that closes with this process. The shell has its own
 * process group, so that Ctrl-C does not reach the shell.
 *
 * `cluster.ts` and `sentinel.ts` combine several servers.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Address } from '../../src/store/redis/client/address.ts'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { parseLocation } from '../../src/store/redis/client/location.ts'
import { type Certificates, writeCertificates } from './certificates.ts'

/**
 * The script of this shell. The script starts a server, and ends the server when no process is left that
 * could write to the shell. The script does not kill a server that has already ended, because the process id
 * may belong to another process by then, perhaps to a server of another test.
 */
const watch = `exec 3<&0
"$@" 3<&- & server=$!
echo "pid $server"
(cat <&3 > /dev/null; kill -9 $server) 2> /dev/null & killer=$!
wait $server 2> /dev/null
kill $killer 2> /dev/null
cat <&3 > /dev/null
wait
rm -rf "$0"`

/**
 * These ports are below those that Linux gives to clients, so that no client gets the port of a server that
 * is down.
 */
const PORTS = { from: 10_000, to: 32_000 }

export interface ServerOptions {
  /** The program of the server. Default: `redis-server`. */
  binary?: string
  /** Options of the server: `['--appendonly', 'yes']`. Without options, nothing is saved. */
  args?: readonly string[]
  /** The password of the server. */
  password?: string
  /** The certificates for TLS. Default: no TLS. */
  tls?: Certificates
  /** Writes a configuration file instead of the usual options, and returns its path. */
  config?: (folder: string, port: number) => Promise<string>
  /** The output of the server when it is ready. */
  ready?: RegExp
  /** The output of the server if it cannot start. */
  failed?: RegExp
}

const FAILED = /not found|Failed listening|FATAL|exiting/i

export class Server implements AsyncDisposable {
  readonly binary: string
  readonly folder: string
  readonly port: number
  readonly #options: ServerOptions
  readonly #watchers: ChildProcess[] = []
  #file: string | undefined
  #pid = 0
  #isUp = false

  private constructor(options: ServerOptions, folder: string, port: number) {
    this.binary = options.binary ?? 'redis-server'
    this.folder = folder
    this.port = port
    this.#options = options
  }

  /** @param args options of the server: `['--appendonly', 'yes']`; without options, nothing is saved */
  static start(binary = 'redis-server', args: readonly string[] = []): Promise<Server> {
    return startRedis({ binary, args })
  }

  static async with(options: ServerOptions): Promise<Server> {
    for (let attempt = 1; ; attempt += 1) {
      const folder = await mkdtemp(join(tmpdir(), 'lark-redis-'))
      const server = new Server(options, folder, await freePort())
      try {
        await server.start()
        return server
      } catch (error) {
        await server[Symbol.asyncDispose]()
        // Another process has got the port meanwhile, so the loop tries another port.
        if (attempt === 5 || !/Failed listening|already in use/i.test(String(error))) throw error
      }
    }
  }

  get pid(): number {
    return this.#pid
  }

  /** Whether the server runs: it was neither killed nor stopped. */
  get isUp(): boolean {
    return this.#isUp
  }

  get url(): string {
    const { password, tls } = this.#options
    return `${tls ? 'rediss' : 'redis'}://${password === undefined ? '' : `:${password}@`}${this.address}`
  }

  /** `host:port` */
  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Starts the server, or restarts it with its saved data. Resolves when it accepts calls. */
  async start(): Promise<void> {
    const { args = [], config } = this.#options
    const { ready = /eady to accept connections/, failed = FAILED } = this.#options
    this.#file ??= await config?.(this.folder, this.port)
    const options = this.#file === undefined ? await this.#own() : [this.#file]
    const watcher = spawn('sh', ['-c', watch, this.folder, this.binary, ...options, ...args], {
      cwd: this.folder,
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    })
    this.#watchers.push(watcher)
    watcher.stdin!.on('error', () => {})
    const said: string[] = []
    for await (const line of createInterface(watcher.stdout!)) {
      said.push(line)
      if (line.startsWith('pid ')) this.#pid = Number(line.slice(4))
      if (ready.test(line)) {
        this.#isUp = true
        return void watcher.stdout!.resume()
      }
      if (failed.test(line)) break
    }
    throw new Error(`${this.binary} did not start:\n${said.join('\n')}`)
  }

  /** The options that every server gets. */
  async #own(): Promise<string[]> {
    const { password, tls } = this.#options
    const port = String(this.port)
    return [
      ...['--bind', '127.0.0.1', '--dir', this.folder, '--save', ''],
      ...(password === undefined ? [] : ['--requirepass', password, '--masterauth', password]),
      ...(tls ? ['--port', '0', '--tls-port', port] : ['--port', port]),
      ...(tls ? await writeCertificates(this.folder, tls) : []),
    ]
  }

  /** Sends a signal: `SIGKILL` for a crash, `SIGSTOP` and `SIGCONT` for a machine that hangs. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.#pid, signal)
    this.#isUp = signal === 'SIGCONT'
  }

  /**
   * Ends the server by a crash (`SIGKILL`) or in order (`SIGTERM`). Resolves when no process listens on the
   * port any more.
   */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    this.signal(signal)
    while (await listens(this.port)) await sleep(5)
  }

  /** Kills the server and starts it again at once. */
  async restart(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    await this.kill(signal)
    await this.start()
  }

  /** Sends one command on a separate connection. */
  send(...words: string[]): Promise<unknown> {
    const { tls } = this.#options
    return command({ ...addressOf(this.url), ...(tls && { tls: { ca: tls.ca } }) }, ...words)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#watchers.map((watcher) => {
        const closed = new Promise((resolve) => watcher.once('close', resolve))
        watcher.stdin!.end()
        return watcher.exitCode === null ? closed : undefined
      }),
    )
  }
}

/** Starts one server. The server stops with `await using`, or with `server[Symbol.asyncDispose]()`. */
export function startRedis(options: ServerOptions = {}): Promise<Server> {
  return Server.with(options)
}

/** Returns the address in a connection string that names one server. */
export function addressOf(url: string): Address {
  const location = parseLocation(url)
  if (location.kind !== 'server') throw new Error(`${location.name} is not one server`)
  return location.address
}

/** Sends one command on a separate connection. */
export async function command(to: string | Address, ...words: string[]): Promise<unknown> {
  const connection = new Connection(typeof to === 'string' ? addressOf(to) : to)
  try {
    return await connection.send(words)
  } finally {
    connection.close()
  }
}

/** Finds a program. If it is missing, rejects with one line that says what to install. */
export function findBinary(binary: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(binary, ['--version'], { stdio: 'ignore' })
    child.once('error', () => {
      const install = `apt-get install -y redis-server valkey-server`
      reject(new Error(`${binary} is not installed; the tests need it: ${install}`))
    })
    child.once('spawn', resolve)
  })
}

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => end(true)).once('error', () => end(false))
  })
}

/** Waits until the condition is true. The timeout of the test is the deadline. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10)
}
