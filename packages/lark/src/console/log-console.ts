import { Console } from './console.ts'

/** The level of a line. */
export type LineLevel = 'info' | 'success' | 'warn' | 'error'

/** A function that receives the output of a command, line by line. */
export type Log = (level: LineLevel, line: string) => void

/**
 * A console whose output goes to a function, line by line, without marks and colours. Data has the level
 * `info`. This console cannot ask questions.
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

  /** This getter must not read `process.stdin`, because reading the property opens the stream. */
  override get canAsk(): boolean {
    return false
  }
}
