/**
 * A program in a pseudo-terminal, which `script` of util-linux makes (every Debian has it). A test waits until the
 * program has printed something, and types.
 */
import { spawn } from 'node:child_process'
import { type App, bin, finished } from './app.ts'

export const keys = { enter: '\r', down: '\u001b[B', space: ' ', interrupt: '\u0003', end: '\u0004' }

export class Terminal {
  #screen = ''
  #seen = 0
  #wake: () => void = () => {}
  readonly #child: ReturnType<typeof spawn>
  readonly #result: ReturnType<typeof finished>

  constructor(
    app: App,
    words: string[],
    { columns = 80, env = {} }: { columns?: number; env?: object } = {},
  ) {
    const { NO_COLOR, FORCE_COLOR, ...inherited } = process.env
    const quoted = [process.execPath, bin, ...words].map((word) => `'${word}'`).join(' ')
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

  /** Everything that the program has printed, without styles and movements of the cursor. */
  get screen(): string {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a terminal obeys
    return this.#screen.replace(/\u001b\[[\d;?]*[A-Za-z]/g, '').replaceAll('\r', '')
  }

  /** Waits until the program has printed this since the last wait, then types. */
  async answer(text: string, typed: string): Promise<void> {
    for (let at = -1; at === -1; ) {
      at = this.screen.indexOf(text, this.#seen)
      if (at >= 0) this.#seen = at + text.length
      else if (this.#child.exitCode !== null) throw new Error(`Ended before "${text}": ${this.screen}`)
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
    this.#child.stdin!.write(typed)
  }

  async ended(): Promise<{ code: number | null; screen: string }> {
    const { code } = await this.#result
    return { code, screen: this.screen }
  }
}
