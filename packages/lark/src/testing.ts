/**
 * Runs commands in tests, in the process of the test. A run has a console, a signal and an environment of its
 * own and does not change the process, so several commands can run at the same time.
 *
 * @module @s18i/lark/testing
 */
import type { CommandClass, CommandInput } from './command/command.ts'
import type { ConfigOptions } from './config.ts'
import { MemoryConsole } from './console/memory-console.ts'
import type { Answer, Prompt } from './console/prompt.ts'
import { LarkError, larkError, usageError } from './errors.ts'
import { readCommandLine } from './usage.ts'
import { visibleJson } from './words/visible.ts'

export interface TestOptions extends ConfigOptions {
  /**
   * The arguments and flags of the command, by the names of the fields or as words. The words follow the
   * words of the command line.
   */
  args?: CommandInput
  /**
   * The answers to the questions of the command, in their order: a text, a boolean, or a list for several
   * choices. '' stands for Enter.
   */
  answers?: readonly Answer[]
  /**
   * Further commands that the command may call with `this.call()`. If this option is set, or if `command` is
   * a class, the run does not search for commands on disk.
   */
  commands?: readonly CommandClass[]
  /**
   * Environment variables that the flags of the command read, in addition to the variables of the process.
   */
  env?: Record<string, string | undefined>
  /**
   * The signal that the command gets as `this.signal`. Default: a signal that is never aborted. The command
   * installs no handlers for SIGINT and SIGTERM.
   */
  signal?: AbortSignal
  /** The time that the command gets as `this.scheduledFor`. */
  scheduledFor?: Date
}

/** How a command has ended in a test. */
export interface TestRun {
  exitCode: number
  /** The data that the command printed to stdout, without colours. */
  output: string
  /**
   * The text that the command printed to stderr, without colours: messages, questions, and the error with
   * which the command ended.
   */
  errorOutput: string
  /**
   * The rows of the last table that the command printed; empty if the command printed no table. Each row is
   * an object whose keys are the heads of the columns.
   */
  table: Record<string, unknown>[]
  /**
   * The last value that the command printed with `--json`. Without `--json`, the object that `handle()`
   * returned.
   */
  json: unknown
  /** The questions that the command asked. */
  questions: string[]
  /** The error that the command threw. */
  error?: unknown
}

/**
 * Runs a command, and resolves when the command has ended with any exit code.
 *
 * ```ts
 * const run = await testCommand('users:delete --limit 5', { answers: ['yes'] })
 * expect(run.exitCode).toBe(0)
 * expect(run.errorOutput).toContain('Deleted 5 users')
 * ```
 *
 * @param command a class, or the key of a command of the project around the current folder. Words may follow
 *   the key as in a shell, where quotes keep words together
 * @throws ANSWER_INVALID if a question has no answer, or an answer that does not fit, or if an answer is left
 *   over; UNKNOWN_COMMAND; USAGE if the line has an open quote
 */
export async function testCommand(
  command: string | CommandClass,
  { args = [], answers = [], commands, env, signal, ...options }: TestOptions = {},
): Promise<TestRun> {
  const line = typeof command === 'string' ? wordsOf(command) : [new command().key]
  const { words, help, ...modes } = readCommandLine([...line, ...(isWords(args) ? args : [])])
  const [key = '', ...given] = words
  const console = new TestConsole(answers)
  console.isJson = modes.json
  console.isQuiet = modes.quiet
  console.isVerbose = modes.verbose
  console.isInteractive = !modes.noInteraction
  const own = [...(typeof command === 'string' ? [] : [command]), ...(commands ?? [])]
  const call = {
    ...options,
    console,
    env: { ...process.env, ...env },
    signal: signal ?? new AbortController().signal,
    ...(own.length > 0 && { commands: own }),
  }
  const { callFor } = await import('./call.ts')
  const run: TestRun = { exitCode: 0, output: '', errorOutput: '', table: [], json: undefined, questions: [] }
  if (!isWords(args) && given.length > 0)
    throw usageError(`testCommand('${command}'): give args as words, or no words in the line`)
  try {
    const called = await (help
      ? callFor('help', [key], call)
      : callFor(key, isWords(args) ? given : args, call))
    run.exitCode = called.exitCode
    run.json = called.result
    if (called.result && console.isJson) console.json(called.result)
  } catch (error) {
    if (LarkError.is(error) && error.code === 'UNKNOWN_COMMAND') throw error
    console.failure(error)
    run.exitCode = LarkError.is(error) ? error.exit : 1
    run.error = error
  }
  console.check()
  const { stdout, stderr, printed, rows, questions } = console
  return { ...run, output: stdout, errorOutput: stderr, table: rows, questions, json: printed ?? run.json }
}

class TestConsole extends MemoryConsole {
  printed: unknown
  rows: Record<string, unknown>[] = []
  readonly questions: string[] = []
  #left: number
  #fault: unknown

  constructor(answers: readonly Answer[]) {
    super({ answers })
    this.#left = answers.length
  }

  override table(head: string[], rows: unknown[][]): void {
    this.rows = rows.map((row) => Object.fromEntries(head.map((name, column) => [name, row[column] ?? null])))
    super.table(head, rows)
  }

  override json(value: unknown): void {
    this.printed = JSON.parse(visibleJson(value) ?? 'null')
    super.json(value)
  }

  protected override async answer(prompt: Prompt): Promise<Answer> {
    this.questions.push(prompt.question)
    this.#left--
    try {
      return await super.answer(prompt)
    } catch (error) {
      this.#fault ??= error
      throw error
    }
  }

  /**
   * @throws ANSWER_INVALID if an answer of the test did not fit its question, or if answers are missing or
   *   left over. The error is thrown even if the command has caught it before
   */
  check(): void {
    if (this.#fault !== undefined) throw this.#fault
    if (this.#left <= 0) return
    throw larkError('ANSWER_INVALID', `${this.#left} of the answers are left: the command asked less`, {
      hint: `It asked: ${this.questions.map((each) => JSON.stringify(each)).join(', ') || 'nothing'}`,
    })
  }
}

function isWords(args: CommandInput): args is readonly string[] {
  return Array.isArray(args)
}

/** Splits a line into words in the same way as a shell. @throws USAGE if a quotation mark is not closed */
function wordsOf(line: string): string[] {
  const WORD = /(?:[^\s"']+|"[^"]*"|'[^']*')+/g
  if (line.replace(WORD, '').trim() !== '') throw usageError(`A quote is open in ${JSON.stringify(line)}`)
  return (line.match(WORD) ?? []).map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'))
}
