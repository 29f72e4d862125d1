/**
 * A program in a pseudo-terminal. The terminal is made by `script` of util-linux, which every Debian has. A
 * test waits for output of the program, and then types.
 */
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { type App, bin, finished } from './app.ts'

export const keys = {
  enter: '\r',
  tab: '\t',
  down: '\u001b[B',
  space: ' ',
  interrupt: '\u0003',
  end: '\u0004',
}

export interface TerminalOptions {
  columns?: number
  env?: object
  program?: string[]
}

export class Terminal {
  #screen = ''
  #seen = 0
  #wake: () => void = () => {}
  readonly #child: ReturnType<typeof spawn>
  readonly #result: ReturnType<typeof finished>

  /** Starts `lark` with these words, or another `program`. */
  constructor(
    app: App,
    words: string[],
    { columns = 80, env = {}, program = [process.execPath, bin] }: TerminalOptions = {},
  ) {
    const { NO_COLOR, FORCE_COLOR, ...inherited } = process.env
    const quoted = [...program, ...words].map((word) => `'${word}'`).join(' ')
    this.#child = spawn('script', ['-qec', `stty cols ${columns} rows 24; exec ${quoted}`, '/dev/null'], {
      cwd: app.folder,
      env: { ...inherited, TERM: 'xterm', SHELL: '/bin/sh', ...env },
    })
    this.#child.stdout!.on('data', (chunk) => {
      this.#screen += chunk
      this.#wake()
    })
    this.#child.on('exit', () => this.#wake())
    this.#result = finished(this.#child as never)
  }

  /** Everything that the program has printed, as the terminal gets it. */
  get raw(): string {
    return this.#screen
  }

  /** Everything that the program has printed, without styles and movements of the cursor. */
  get screen(): string {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a terminal obeys
    return this.#screen.replace(/\u001b\[[\d;?]*[A-Za-z]/g, '').replaceAll('\r', '')
  }

  /**
   * Waits until the program has printed this text since the last wait, and then types. A program that does
   * not print the text is ended.
   */
  async answer(text: string, typed: string): Promise<void> {
    const patience = setTimeout(() => this.#child.kill(), 30_000)
    for (let at = -1; at === -1; ) {
      at = this.screen.indexOf(text, this.#seen)
      if (at >= 0) this.#seen = at + text.length
      else if ((this.#child.exitCode ?? this.#child.signalCode) !== null)
        throw new Error(`Ended before "${text}": ${this.screen}`)
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
    clearTimeout(patience)
    this.#child.stdin!.write(typed)
  }

  /** Resolves when a process of the terminal is suspended. */
  async suspended(pid: number): Promise<void> {
    for (let state = ''; state !== 'T'; await pause(10))
      state = /\) (\w)/.exec(await readFile(`/proc/${pid}/stat`, 'utf8'))![1]!
  }

  /**
   * Lets a suspended process of the terminal go on until it prints this text. `script` suspends itself some
   * time after its program, on a busy machine only after this text.
   */
  async goOn(pid: number, text: string): Promise<void> {
    process.kill(pid, 'SIGCONT')
    const again = setInterval(() => this.#child.kill('SIGCONT'), 10)
    void this.#result.finally(() => clearInterval(again))
    while (!this.raw.includes(text)) await pause(10)
  }

  async ended(): Promise<{ code: number | null; screen: string }> {
    const { code } = await this.#result
    return { code, screen: this.screen }
  }
}
