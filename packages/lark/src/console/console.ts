/**
 * The output of a command. Messages (`info`, `success`, `warn`, `error`) go to stderr. Data (`line`, `table`,
 * `json`) goes to stdout, so that a pipe contains only data. Two modes change this rule:
 *
 * - `isJson`: stdout contains only JSON. A table becomes an array of objects, and a line becomes a message.
 * - `isQuiet`: `info` and `success` print nothing, and neither does a line that is a message.
 *
 * With `isVerbose`, more messages are printed, and every error is printed with its stack.
 *
 * The last line of a terminal may show a status, such as a progress bar. Every other write first erases the
 * status, and then shows the status again below the written text.
 *
 * Text that the console prints cannot move the cursor, and cannot erase or hide anything (`visible.ts`). Text
 * from a command keeps its colours, and errors lose their colours. If stdout is not a terminal, a line of
 * data stays unchanged, because a program may read the line.
 */
import { inspect, styleText } from 'node:util'
import { LarkError, reasonOf, usageError } from '../errors.ts'
import { visible, visibleInColor, visibleJson, visibleLines } from '../words/visible.ts'
import { type Answer, ask, type Prompt } from './prompt.ts'
import { cut, fitRows } from './table.ts'

export interface Writer {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

/** The stream from which answers are read. */
export interface Reader extends NodeJS.ReadableStream {
  readonly isTTY?: boolean
}

export interface ConsoleOptions {
  /** The stream for answers. Default `process.stdin`. */
  stdin?: Reader
  /** The stream for data. Default `process.stdout`. */
  stdout?: Writer
  /** The stream for messages. Default `process.stderr`. */
  stderr?: Writer
  /**
   * Whether to print colours. By default, `FORCE_COLOR`, `NO_COLOR` and the kind of each stream decide: a
   * terminal gets colours.
   */
  color?: boolean | undefined
  quiet?: boolean
  json?: boolean
  verbose?: boolean
  /** Whether questions may be asked. Default true. */
  interactive?: boolean
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue'

export class Console {
  isJson: boolean
  isQuiet: boolean
  isVerbose: boolean
  /** Whether questions may be asked. False with `--no-interaction`. */
  isInteractive: boolean
  /** Whether to print colours. If undefined, each stream decides (`showsColor`). */
  color: boolean | undefined
  readonly #stdin: Reader | undefined
  readonly #stdout: Writer
  readonly #stderr: Writer
  #status = ''
  #frames: NodeJS.Timeout | undefined
  #isAsking = false
  /** The output that was collected so far; undefined if output is not collected. */
  #collected: string | undefined

  constructor(options: ConsoleOptions = {}) {
    this.#stdin = options.stdin
    this.#stdout = options.stdout ?? process.stdout
    this.#stderr = options.stderr ?? process.stderr
    this.color = options.color
    this.isQuiet = options.quiet ?? false
    this.isJson = options.json ?? false
    this.isVerbose = options.verbose ?? false
    this.isInteractive = options.interactive ?? true
  }

  info(text: string): void {
    if (!this.isQuiet) this.#talk(this.#mark('i', 'blue'), text)
  }

  success(text: string): void {
    if (!this.isQuiet) this.#talk(this.#mark('✓', 'green'), text)
  }

  /** Prints a message that only `--verbose` shows. */
  verbose(text: string): void {
    if (this.isVerbose && !this.isQuiet) this.#talk(this.#mark('·', 'dim'), text)
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

  /** Prints one line of data. With `--json`, the line is printed as a message. */
  line(text = ''): void {
    const isVerbatim = !this.isJson && this.#stdout.isTTY !== true
    const shown = isVerbatim ? text : visibleInColor(text)
    if (!this.isJson) this.#write(this.#stdout, `${shown}\n`)
    else if (!this.isQuiet) this.#write(this.#stderr, `${shown}\n`)
  }

  /**
   * Prints rows of data in columns with heads. With `--json`, the rows are printed as an array of objects
   * whose keys are the heads.
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

  /** Prints one line of JSON to stdout, in every mode. */
  json(value: unknown): void {
    this.#write(this.#stdout, `${visibleJson(value)}\n`)
  }

  /** Colours a text for stdout, if stdout shows colours. */
  paint(style: Style, text: string): string {
    return this.#paint(this.#stdout, style, text)
  }

  /** The maximum width of a line of data, in terminal columns; infinite if stdout is not a terminal. */
  get width(): number {
    return this.#stdout.isTTY ? this.#stdout.columns || 80 : Number.POSITIVE_INFINITY
  }

  /** Whether the terminal allows a screen to be drawn repeatedly in place. */
  get canRedraw(): boolean {
    return this.#stdout.isTTY === true && !this.isJson
  }

  /** The number of lines of the terminal; infinite if the number is not known. */
  get height(): number {
    return this.#stdout.rows || Number.POSITIVE_INFINITY
  }

  /** Collects the output of a function to both streams, instead of printing it. */
  async collect(print: () => unknown): Promise<string> {
    this.status('')
    this.#collected = ''
    try {
      await print()
      return this.#collected
    } finally {
      this.#collected = undefined
    }
  }

  /** Writes a control sequence to stdout unchanged, to move the cursor for example. */
  control(text: string): void {
    this.#stdout.write(text)
  }

  /** Whether a status line can be shown. */
  get hasStatus(): boolean {
    const isFree = !this.#isAsking && this.#collected === undefined
    return this.#stderr.isTTY === true && !this.isJson && !this.isQuiet && isFree
  }

  /**
   * The width of a status line, in terminal columns. (Some terminals report 0 if they do not know their
   * width.)
   */
  get columns(): number {
    return this.#stderr.columns || 80
  }

  /**
   * Shows a text in the status line, in place of the earlier text. An empty text removes the status line.
   *
   * @param shown the text, or a function that returns the texts of an animation. The function is called 12
   *   times a second, and must not throw
   */
  status(shown: string | (() => string)): void {
    clearInterval(this.#frames)
    if (!this.hasStatus || (shown === '' && this.#status === '')) return
    if (typeof shown === 'string') {
      this.#show(shown)
      return
    }
    this.#show(shown())
    this.#frames = setInterval(() => this.#show(shown()), FRAME).unref()
  }

  #show(text: string): void {
    this.#status = cut(visible(text), this.columns - 1)
    this.#stderr.write(ERASE + this.#status)
  }

  /**
   * Prints the error that ended a command: a LarkError as one line and a hint, any other error with its
   * stack. With `--verbose`, every error is printed with its stack and the stacks of its causes. With
   * `--json`, the error is `{"error":{"code","message","hint"}}` on stdout, and the stack is still printed to
   * stderr.
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
    else if (this.isVerbose) this.#talk(' ', ofError(inspect(error)))
  }

  /**
   * Whether a person can answer a question. A question requires a terminal, and is not possible with `--json`
   * or `--no-interaction`.
   */
  get canAsk(): boolean {
    return this.isInteractive && !this.isJson && this.#reader.isTTY === true && this.#stderr.isTTY === true
  }

  /**
   * Asks a question, and resolves with the answer. If no person can answer, the answer is the default of the
   * question.
   *
   * @param signal a signal whose abort withdraws the question
   * @throws USAGE, with the exit code 2, if no person can answer and the question has no default;
   *   PROMPT_CANCELLED; the reason of the signal
   */
  async prompt(prompt: Prompt, signal?: AbortSignal): Promise<Answer> {
    if (!this.canAsk) {
      if (prompt.default !== undefined) return prompt.default
      const why = this.isInteractive ? 'There is no terminal to ask on' : '--no-interaction forbids to ask'
      throw usageError(`${why}: ${prompt.question}`)
    }
    this.status('')
    this.#isAsking = true
    try {
      return await this.answer(prompt, signal)
    } finally {
      this.#isAsking = false
    }
  }

  /** Gets the answer from the person at the terminal. */
  protected answer(prompt: Prompt, signal?: AbortSignal): Promise<Answer> {
    const hasColor = this.color ?? showsColor(this.#stderr)
    return ask(prompt, { input: this.#reader, output: this.#stderr, hasColor, signal })
  }

  /**
   * The stream for answers. This getter reads `process.stdin` only when it is needed, because reading this
   * property opens the stream.
   */
  get #reader(): Reader {
    return this.#stdin ?? process.stdin
  }

  #mark(symbol: string, style: Style): string {
    return this.#paint(this.#stderr, style, symbol)
  }

  /** Prints a message: a mark, and the text beside it. All lines of the text have the same indentation. */
  #talk(mark: string, text: string): void {
    this.#write(this.#stderr, `${mark} ${visibleInColor(text).replaceAll('\n', '\n  ')}\n`)
  }

  #write(stream: Writer, text: string): void {
    if (this.#collected !== undefined) {
      this.#collected += text
      return
    }
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

/** The time between two texts of an animation, in milliseconds. */
const FRAME = 80
/** A control sequence that moves the cursor to the first column and erases the line. */
const ERASE = '\r\x1b[K'

/**
 * Whether a stream shows colours. As in Node, this depends on `FORCE_COLOR`, then on `NO_COLOR`, then on
 * whether the stream is a terminal.
 */
function showsColor(stream: Writer): boolean {
  const { FORCE_COLOR, NO_COLOR, TERM } = process.env
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  return !NO_COLOR && stream.isTTY === true && TERM !== 'dumb'
}

/** The text of an error, without colours: errors quote text from outside, which may contain colours. */
function ofError(text: string): string {
  return visibleLines(text).join('\n')
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'ERROR'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
