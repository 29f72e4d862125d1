/**
 * Draws a screen again and again, in place, until the command is interrupted. It uses the alternate screen of
 * the terminal, so that the terminal is as it was before when the command ends, whether by Ctrl-C, SIGTERM,
 * an error or `process.exit()`. Lines that do not fit at the bottom are left out, because a terminal that
 * scrolls cannot be drawn in place.
 *
 *   drawing    the screen is as `draw` printed it
 *   old        `draw` takes long, or has thrown a temporary error. The last screen stays, and its first line
 *              says how old it is
 *   suspended  by Ctrl-Z. The terminal is as it was before until the process is continued, and then the
 *              screen is drawn at once
 */
import { setTimeout as pause } from 'node:timers/promises'
import { usageError } from '../errors.ts'
import { visible } from '../words/visible.ts'
import type { Console } from './console.ts'

export interface LiveOptions {
  /** Milliseconds between two drawings. Default 1,000. */
  every?: number
  /**
   * Whether an error of `draw` is temporary, such as a server that is away. After such an error the last
   * screen stays, its first line says how old it is and why, and `draw` is called again. An error of the
   * first drawing always ends the command. Default: every error ends it.
   */
  outlasts?: (error: unknown) => boolean
}

/** Switches to the alternate screen and hides the cursor. */
const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
const END_OF_LINE = '\x1b[K'
const END_OF_SCREEN = '\x1b[J'
/** Milliseconds by which the age of a screen must exceed `every` before the screen says that it is old. */
const OLD = 2_000
const SECOND = 1_000

/**
 * @param draw prints one screen. What it prints to both streams is collected, and shown at once
 * @param signal ends the drawing
 * @throws USAGE if stdout is not a terminal, or contains JSON; what `draw` throws
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
  /** What was drawn last, and when (`performance.now()`). */
  #text: string | undefined
  #at = 0
  #why = 'no answer'
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

  /** Shows the last screen again with its age. @param why default: the reason that was given last */
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

  /** Writes over the previous screen without erasing it first, because that would flicker. */
  #write(text: string): void {
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
    // SIGTSTP has this listener, so only SIGSTOP suspends the process.
    process.kill(process.pid, 'SIGSTOP')
  }

  readonly #resume = (): void => {
    this.#console.control(ENTER)
    this.showOld()
    this.#wake.abort()
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
