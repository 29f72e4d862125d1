import { Console } from './console.ts'

/** How serious a line is. */
export type LineLevel = 'info' | 'success' | 'warn' | 'error'

/** Receives what a command prints, line by line. */
export type Log = (level: LineLevel, line: string) => void

/**
 * A console whose output goes to a function, line by line and without marks and colours. Data counts as
 * `info`. Nobody can answer a question there.
 */
export class LogConsole extends Console {
  readonly #write: (level: LineLevel, text: string) => void

  constructor(log: Log) {
    const write = (level: LineLevel, text: string) => {
      for (const line of text.split('\n')) log(level, line)
    }
    const data = { write: (text: string) => write('info', text.replace(/\n$/, '')) }
    super({ color: false, stdout: data, stderr: data })
    this.#write = write
  }

  override info(text: string): void {
    if (!this.isQuiet) this.#write('info', text)
  }

  override verbose(text: string): void {
    if (this.isVerbose && !this.isQuiet) this.#write('info', text)
  }

  override success(text: string): void {
    if (!this.isQuiet) this.#write('success', text)
  }

  override warn(text: string): void {
    this.#write('warn', text)
  }

  override error(text: string, hint?: string): void {
    this.#write('error', hint === undefined ? text : `${text}\n${hint}`)
  }

  /** Does not read `process.stdin`, because that would open it. */
  override get canAsk(): boolean {
    return false
  }
}
