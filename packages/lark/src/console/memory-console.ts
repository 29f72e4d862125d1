import { larkError } from '../errors.ts'
import { visible } from '../words/visible.ts'
import { Console, type ConsoleOptions, type Writer } from './console.ts'
import { type Answer, answerOf, type Prompt } from './prompt.ts'

/**
 * A console for tests that keeps its output:
 *
 * ```ts
 * const console = new MemoryConsole()
 * const code = await run(['users:process', '--limit=5'], { commands: [ProcessUsers], console })
 * console.stderr // '✓ Queued 5 jobs\n'
 * ```
 */
export class MemoryConsole extends Console {
  readonly #written: { stdout: string; stderr: string }
  readonly #answers: Answer[] | undefined

  constructor(
    options: Omit<ConsoleOptions, 'stdin' | 'stdout' | 'stderr'> & {
      isTTY?: boolean
      columns?: number
      /** The answers to questions, in order. '' stands for Enter. Default: questions cannot be answered. */
      answers?: readonly Answer[]
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
    return this.#answers !== undefined && !this.isJson && this.isInteractive
  }

  /** @throws ANSWER_INVALID if no answer is left, or if the next answer does not fit the question */
  protected override async answer(prompt: Prompt): Promise<Answer> {
    const { kind, question } = prompt
    this.#written.stderr += `? ${visible(question)} ${kind === 'confirm' ? '[y/N] ' : ''}\n`
    const given = this.#answers?.shift()
    if (given === undefined) {
      throw larkError('ANSWER_INVALID', `No answer is left for the question "${visible(question)}"`, {
        hint: 'Add it to answers',
      })
    }
    return answerOf(prompt, given)
  }

  /** All text that was written to stdout so far. */
  get stdout(): string {
    return this.#written.stdout
  }

  /** All text that was written to stderr so far. */
  get stderr(): string {
    return this.#written.stderr
  }
}
