/**
 * Draws a screen repeatedly in place, until the command is interrupted. The alternate screen of the terminal
 * is used, so that the terminal has its earlier contents again when the command ends by Ctrl-C, SIGTERM, an
 * error or `process.exit()`. Lines that do not fit at the bottom are left out, because a terminal that
 * scrolls cannot be drawn in place.
 *
 *   drawing    the screen shows the output of `draw`
 *   old        `draw` takes long, or has thrown a temporary error. The last screen stays, and its first line
 *              says how old the screen is
 *   suspended  by Ctrl-Z. The terminal has its earlier contents until the process continues, and then the
 *              screen is drawn at once
 */
import { setTimeout as pause } from 'node:timers/promises'
import { usageError } from '../errors.ts'
import { visible } from '../words/visible.ts'
import type { Console } from './console.ts'

export interface LiveOptions {
  /** The time between two drawings, in milliseconds. Default 1,000. */
  every?: number
  /**
   * Returns whether an error of `draw` is temporary, such as that of an unreachable server. After a temporary
   * error, the last screen stays, the first line says how old the screen is and why, and `draw` is called
   * again. An error of the first drawing always ends the command. Default: every error ends the command.
   */
  outlasts?: (error: unknown) => boolean
}

/** The control sequences that switch to the alternate screen and hide the cursor. */
const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
const END_OF_LINE = '\x1b[K'
const END_OF_SCREEN = '\x1b[J'
/** If a screen is this many milliseconds older than `every`, its first line says how old the screen is. */
const OLD = 2_000
const SECOND = 1_000

/**
 * @param draw prints one screen. The output of `draw` to both streams is collected, and shown at once
 * @param signal a signal whose abort ends the drawing
 * @throws USAGE if stdout is not a terminal, or contains JSON; the errors of `draw`
 */
export async function live(
  console: Console,
  draw: () => unknown,
  signal: AbortSignal,
  { every = 1_000, outlasts = () => false }: LiveOptions = {},
): Promise<void> {
  if (!console.canRedraw)
    throw usageError(
      `${console.isJson ? 'JSON' : 'What is not a terminal'} cannot be redrawn in place`,
      'Run the command without --watch, as often as needed.',
    )
  const screen = new Screen(console, every)
  screen.enter()
  try {
    while (!signal.aborted) {
      try {
        const text = await console.collect(draw)
        if (!signal.aborted) screen.show(text)
      } catch (error) {
        if (!screen.hasShown || !outlasts(error)) throw error
        if (!signal.aborted) screen.showOld(messageOf(error))
      }
      await screen.pause(signal)
    }
  } finally {
    screen.leave()
  }
}

class Screen {
  readonly #console: Console
  readonly #every: number
  /** The screen that was drawn last (`#text`), and the time at which it was drawn, by `performance.now()`. */
  #text: string | undefined
  #at = 0
  #why = 'no answer'
  /**
   * Whether the process was suspended, and the listener of SIGCONT has not run yet. Node runs timers before
   * this listener, and a drawing by a timer would overwrite the earlier contents of the terminal.
   */
  #isSuspended = false
  #old: NodeJS.Timeout | undefined
  /** Ends the pause between two drawings. */
  #wake = new AbortController()

  constructor(console: Console, every: number) {
    this.#console = console
    this.#every = every
  }

  get hasShown(): boolean {
    return this.#text !== undefined
  }

  enter(): void {
    process.on('exit', this.#restore).on('SIGTSTP', this.#suspend).on('SIGCONT', this.#resume)
    this.#console.control(ENTER)
    this.#old = setInterval(() => {
      if (performance.now() - this.#at > this.#every + OLD) this.showOld()
    }, SECOND)
  }

  leave(): void {
    clearInterval(this.#old)
    process.off('exit', this.#restore).off('SIGTSTP', this.#suspend).off('SIGCONT', this.#resume)
    this.#restore()
  }

  show(text: string): void {
    this.#text = text
    this.#at = performance.now()
    this.#why = 'no answer'
    this.#write(text)
  }

  /** Shows the last screen again with its age. @param why the reason. Default: the reason of the last call */
  showOld(why = this.#why): void {
    this.#why = why
    if (this.#text === undefined) return
    const { width } = this.#console
    const age = Math.round((performance.now() - this.#at) / SECOND)
    const notice = visible(`! This is from ${age} s ago: ${why.split('\n', 1)[0]}`)
    const line = notice.length > width ? `${notice.slice(0, width - 1)}…` : notice
    this.#write(`${this.#console.paint('yellow', line)}\n${this.#text}`)
  }

  /** Waits until the next drawing. */
  async pause(signal: AbortSignal): Promise<void> {
    this.#wake = new AbortController()
    await pause(this.#every, undefined, { signal: AbortSignal.any([signal, this.#wake.signal]) }).catch(
      () => {},
    )
  }

  /**
   * Writes over the previous screen without erasing it first, because erasing would make the screen flicker.
   */
  #write(text: string): void {
    if (this.#isSuspended) return
    const rows = this.#console.height
    const lines = text.replace(/\n$/, '').split('\n')
    const shown =
      lines.length <= rows
        ? lines
        : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines: enlarge the terminal`]
    const all = shown.map((line) => line + END_OF_LINE).join('\n')
    this.#console.control(`${HOME}${all}${END_OF_SCREEN}`)
  }

  readonly #restore = (): void => this.#console.control(LEAVE)

  readonly #suspend = (): void => {
    this.#restore()
    this.#isSuspended = true
    // SIGTSTP does not suspend the process, because it has this listener. So SIGSTOP does.
    process.kill(process.pid, 'SIGSTOP')
  }

  readonly #resume = (): void => {
    this.#isSuspended = false
    this.#console.control(ENTER)
    this.showOld()
    this.#wake.abort()
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
