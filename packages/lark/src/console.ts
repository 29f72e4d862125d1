/**
 * Where a command's words go. Talk (`info`, `success`, `warn`, `error`) goes to stderr; data (`line`, `table`,
 * `json`) goes to stdout, so that a pipe carries nothing else. Two modes change that:
 *
 * - `isJson`: stdout carries JSON only. A table becomes an array of objects; a line is talk.
 * - `isQuiet`: `info`, `success` and lines that are talk are left out.
 *
 * The last line of a terminal may hold a status (a progress bar). Every other write takes it off first and puts
 * it back after.
 *
 * Text that is printed here cannot move the cursor, erase or hide anything (`visible.ts`). Text from a command keeps its
 * colours; errors lose them. A line of data is left unchanged where stdout is not a terminal, because a program may read
 * it.
 */
import { inspect, styleText } from 'node:util'
import { LarkError, reasonOf, usageError } from './errors.ts'
import { fitRows } from './table.ts'
import { visible, visibleInColor, visibleJson, visibleLines } from './visible.ts'

export interface Writer {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** Where answers come from. */
export interface Reader extends NodeJS.ReadableStream {
  readonly isTTY?: boolean
}

export interface ConsoleOptions {
  /** Default `process.stdin`. */
  stdin?: Reader
  /** Default `process.stdout`. */
  stdout?: Writer
  /** Default `process.stderr`. */
  stderr?: Writer
  /** Default: each stream's own, as a terminal, `NO_COLOR` and `FORCE_COLOR` say. */
  color?: boolean | undefined
  quiet?: boolean
  json?: boolean
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue'

export class Console {
  isJson: boolean
  isQuiet: boolean
  /** Overrules what the streams are; undefined leaves it to them. */
  color: boolean | undefined
  readonly #stdin: Reader | undefined
  readonly #stdout: Writer
  readonly #stderr: Writer
  #status = ''

  constructor(options: ConsoleOptions = {}) {
    this.#stdin = options.stdin
    this.#stdout = options.stdout ?? process.stdout
    this.#stderr = options.stderr ?? process.stderr
    this.color = options.color
    this.isQuiet = options.quiet ?? false
    this.isJson = options.json ?? false
  }

  info(text: string): void {
    if (!this.isQuiet) this.#talk(this.#mark('i', 'blue'), text)
  }

  success(text: string): void {
    if (!this.isQuiet) this.#talk(this.#mark('✓', 'green'), text)
  }

  warn(text: string): void {
    this.#talk(this.#mark('!', 'yellow'), text)
  }

  error(text: string, hint?: string): void {
    this.#talk(this.#mark('✗', 'red'), text)
    for (const line of hint?.split('\n') ?? []) {
      this.#write(this.#stderr, `  ${this.#paint(this.#stderr, 'dim', visibleInColor(line))}\n`)
    }
  }

  /** One line of data. Under `--json` it is talk. */
  line(text = ''): void {
    const isVerbatim = !this.isJson && this.#stdout.isTTY !== true
    const shown = isVerbatim ? text : visibleInColor(text)
    if (!this.isJson) this.#write(this.#stdout, `${shown}\n`)
    else if (!this.isQuiet) this.#write(this.#stderr, `${shown}\n`)
  }

  /**
   * Rows of data under the head of their columns. Under `--json` an array of objects, whose keys are the heads.
   */
  table(head: string[], rows: unknown[][]): void {
    if (this.isJson) {
      this.json(
        rows.map((row) => Object.fromEntries(head.map((name, column) => [name, row[column] ?? null]))),
      )
      return
    }
    for (const [i, [first = '', ...lines]] of fitRows(head, rows, this.width).entries()) {
      if (i > 0) this.line()
      this.line(this.paint('bold', first))
      for (const line of lines) this.line(line)
    }
  }

  /** One line of JSON on stdout, whatever the mode. */
  json(value: unknown): void {
    this.#write(this.#stdout, `${visibleJson(value)}\n`)
  }

  /** Text for stdout in a colour, where stdout shows colours. */
  paint(style: Style, text: string): string {
    return this.#paint(this.#stdout, style, text)
  }

  /** How many places a line of data has: as many as the terminal, and without one as it needs. */
  get width(): number {
    return this.#stdout.isTTY ? this.#stdout.columns || 80 : Number.POSITIVE_INFINITY
  }

  /** Whether a status line would be seen. */
  get hasStatus(): boolean {
    return this.#stderr.isTTY === true && !this.isJson && !this.isQuiet
  }

  /** How many places a status line has; some terminals say 0 when they do not know. */
  get columns(): number {
    return this.#stderr.columns || 80
  }

  /** Puts `text` on the terminal's last line, in place of what was there; '' takes it off. */
  status(text: string): void {
    if (!this.hasStatus || (text === '' && this.#status === '')) return
    this.#status = visible(text)
    this.#stderr.write(ERASE + this.#status)
  }

  /**
   * Reports what ended a command: one line and a hint if it is a LarkError, else the stack; under `--json` as
   * `{"error":{"code","message","hint"}}` on stdout, with the stack still on stderr.
   */
  failure(error: unknown): void {
    const expected = LarkError.is(error)
    if (this.isJson) {
      const { code, hint } = expected ? error : { code: codeOf(error), hint: undefined }
      this.json({
        error: { code, message: expected ? error.message : reasonOf(error), ...(hint ? { hint } : {}) },
      })
    } else if (expected) {
      this.error(ofError(error.message), error.hint && ofError(error.hint))
    }
    if (!expected) this.#talk(this.#mark('✗', 'red'), ofError(inspect(error)))
  }

  /** Whether somebody can answer a question: at a terminal, and without `--json`. */
  get canAsk(): boolean {
    return this.#reader.isTTY === true && this.#stderr.isTTY === true && !this.isJson
  }

  /**
   * Asks a question, and resolves to whether the answer is yes. Any other answer, and the end of the input, is no.
   *
   * @throws USAGE, exit code 2, when nobody can answer
   */
  async confirm(question: string): Promise<boolean> {
    if (!this.canAsk) throw usageError(`There is no terminal to ask on: ${question}`)
    this.status('')
    const answer = await this.ask(`${this.#mark('?', 'yellow')} ${visible(question)} [y/N] `)
    return /^\s*y(es)?\s*$/i.test(answer ?? '')
  }

  /** Writes a question, and reads a line. @returns undefined at the end of the input */
  protected async ask(question: string): Promise<string | undefined> {
    const { createInterface } = await import('node:readline')
    this.#stderr.write(question)
    // As plain lines: the terminal itself lets people mend what they type, and Ctrl-C stays a signal.
    const lines = createInterface({ input: this.#reader, terminal: false })
    try {
      const { value } = await lines[Symbol.asyncIterator]().next()
      return value as string | undefined
    } finally {
      lines.close()
    }
  }

  /** Opened only when needed, because reading `process.stdin` opens it. */
  get #reader(): Reader {
    return this.#stdin ?? process.stdin
  }

  #mark(symbol: string, style: Style): string {
    return this.#paint(this.#stderr, style, symbol)
  }

  /** A mark, and the text beside it; further lines stand under the first. */
  #talk(mark: string, text: string): void {
    this.#write(this.#stderr, `${mark} ${visibleInColor(text).replaceAll('\n', '\n  ')}\n`)
  }

  #write(stream: Writer, text: string): void {
    if (this.#status === '') {
      stream.write(text)
      return
    }
    this.#stderr.write(ERASE)
    stream.write(text)
    this.#stderr.write(this.#status)
  }

  #paint(stream: Writer, style: Style, text: string): string {
    return (this.color ?? showsColor(stream)) ? styleText(style, text, { validateStream: false }) : text
  }
}

/** Back to the first column, and erase to the end of the line. */
const ERASE = '\r\x1b[K'

/** As Node itself decides: `FORCE_COLOR`, then `NO_COLOR`, then whether it is a terminal. */
function showsColor(stream: Writer): boolean {
  const { FORCE_COLOR, NO_COLOR, TERM } = process.env
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  return !NO_COLOR && stream.isTTY === true && TERM !== 'dumb'
}

/** Errors quote text from outside, so even their colours may come from there. */
function ofError(text: string): string {
  return visibleLines(text).join('\n')
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'ERROR'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
