/**
 * Redis and Valkey servers for tests: real ones, on free ports of the loopback, in folders of their own. Each is
 * watched by a shell that ends it and removes its folder when this process ends, however that happens: the shell
 * reads from a pipe that closes with us, and is in a process group of its own, where no Ctrl-C reaches it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const watch = '"$@" & echo "pid $!"; cat > /dev/null; kill -9 $! 2> /dev/null; wait; rm -rf "$0"'

export class Server implements AsyncDisposable {
  readonly binary: string
  readonly folder: string
  readonly port: number
  readonly #args: string[]
  readonly #watchers: ChildProcess[] = []
  #pid = 0

  private constructor(binary: string, folder: string, port: number, args: string[]) {
    this.binary = binary
    this.folder = folder
    this.port = port
    this.#args = args
  }

  /** @param args options of the server, `['--appendonly', 'yes']`; without, nothing is saved */
  static async start(binary = 'redis-server', args: string[] = []): Promise<Server> {
    const server = new Server(binary, await mkdtemp(join(tmpdir(), 'lark-redis-')), await freePort(), args)
    await server.start()
    return server
  }

  get pid(): number {
    return this.#pid
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Starts it, or starts it again with what it saved. Resolves when it takes calls. */
  async start(): Promise<void> {
    const options = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder, '--save', '']
    const command = [this.binary, ...options, ...this.#args]
    const watcher = spawn('sh', ['-c', watch, this.folder, ...command], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    })
    this.#watchers.push(watcher)
    watcher.stdin!.on('error', () => {})
    const said: string[] = []
    for await (const line of createInterface(watcher.stdout!)) {
      said.push(line)
      if (line.startsWith('pid ')) this.#pid = Number(line.slice(4))
      if (line.includes('eady to accept connections')) return void watcher.stdout!.resume()
      if (/not found|Failed listening|FATAL|exiting/i.test(line)) break
    }
    throw new Error(`${this.binary} did not start:\n${said.join('\n')}`)
  }

  /** `SIGKILL` as a crash, `SIGSTOP` and `SIGCONT` as a machine that hangs. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.#pid, signal)
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

/** Rejects with one line that says what to install. */
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

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
