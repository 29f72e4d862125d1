import { Console, type ConsoleOptions, type Writer } from './console.ts'

/**
 * A console for tests that keeps its output:
 *
 * ```ts
 * const console = new MemoryConsole()
 * const code = await run(['users:process', '--limit=5'], { commands: [ProcessUsers], console })
 * console.stderr // '✓ Queued 5 jobs
'
 * ```
 */
export class MemoryConsole extends Console {
  readonly #written: { stdout: string; stderr: string }
  readonly #answers: string[] | undefined

  constructor(
    options: Omit<ConsoleOptions, 'stdin' | 'stdout' | 'stderr'> & {
      isTTY?: boolean
      columns?: number
      /** The answers to questions, in order. Default: nobody can answer. */
      answers?: string[]
    } = {},
  ) {
    const written = { stdout: '', stderr: '' }
    const { isTTY = false, columns = 80, answers, ...modes } = options
    const writer = (name: keyof typeof written): Writer => ({
      write: (text) => {
        written[name] += text
      },
      isTTY,
      columns,
    })
    super({ color: false, ...modes, stdout: writer('stdout'), stderr: writer('stderr') })
    this.#written = written
    this.#answers = answers && [...answers]
  }

  override get canAsk(): boolean {
    return this.#answers !== undefined && !this.isJson
  }

  protected override async ask(question: string): Promise<string | undefined> {
    this.#written.stderr += `${question}\n`
    return this.#answers?.shift()
  }

  /** Everything written to stdout so far. */
  get stdout(): string {
    return this.#written.stdout
  }

  /** Everything written to stderr so far. */
  get stderr(): string {
    return this.#written.stderr
  }
}
