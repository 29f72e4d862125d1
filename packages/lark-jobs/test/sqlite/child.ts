/**
 * A forked `process.js`, with its messages in order and its exit code.
 */
import { type ChildProcess, fork, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const stdio: StdioOptions = ['ignore', 'inherit', 'inherit', 'ipc']
const script = fileURLToPath(new URL('process.js', import.meta.url))

interface Bounds {
  /** The size limit of the files that it writes, in the blocks of `ulimit` (512 or 1,024 bytes). */
  largest?: number
  /** The user of the process. */
  uid?: number
  /** The umask of the process. */
  umask?: number
  /** By how many milliseconds the clock of the process is wrong. */
  clock?: number
  /** The path of the Node that runs the process. */
  node?: string | undefined
}

export class Child implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #exit: Promise<unknown[]>

  constructor(role: string, file: string, name: string, bounds: Bounds = {}) {
    const { largest, uid, umask, clock, node = process.execPath } = bounds
    const args = [script, role, file, name, JSON.stringify({ umask, clock })]
    this.#process =
      largest === undefined
        ? fork(script, args.slice(1), { stdio, execPath: node, ...(uid !== undefined && { uid }) })
        : spawn('sh', ['-c', `ulimit -f ${largest} && exec "$0" "$@"`, node, ...args], { stdio })
    this.#exit = once(this.#process, 'exit')
  }

  /** Resolves to the next message. Rejects if the process ends before. */
  async message<T>(): Promise<T> {
    const ended = this.#exit.then(([code, signal]) => {
      throw new Error(`the process ended without a word (${code ?? signal})`)
    })
    const [message] = await Promise.race([once(this.#process, 'message'), ended])
    return message
  }

  onMessage<T>(listener: (message: T) => void): void {
    this.#process.on('message', listener)
  }

  tell(word: string): void {
    this.#process.send(word)
  }

  /** Kills the process, as in a crash. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#exit
  }

  /** Waits until the process has ended by itself. @returns its exit code */
  async ended(): Promise<number> {
    const [code] = await this.#exit
    return code as number
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await this.kill()
  }
}
