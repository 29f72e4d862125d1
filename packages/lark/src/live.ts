/**
 * Draws a screen again and again, in place, until the command is interrupted. It uses the alternate screen of the
 * terminal, so that everything is as it was when it ends: by Ctrl-C, by SIGTERM, by an error, or by `process.exit()`.
 * What does not fit below is left out, because a terminal that scrolls cannot be drawn in place.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Console } from './console.ts'
import { usageError } from './errors.ts'

export interface LiveOptions {
  /** Milliseconds between two drawings. Default 1,000. */
  every?: number
}

/** The alternate screen, and no cursor. */
const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
const END_OF_LINE = '\x1b[K'
const END_OF_SCREEN = '\x1b[J'

/**
 * @param draw prints one screen. What it prints to both streams is collected, and shown at once
 * @param signal ends it
 * @throws USAGE if stdout is not a terminal, or contains JSON; what `draw` throws
 */
export async function live(
  console: Console,
  draw: () => unknown,
  signal: AbortSignal,
  { every = 1_000 }: LiveOptions = {},
): Promise<void> {
  if (!console.canRedraw)
    throw usageError(
      `${console.isJson ? 'JSON' : 'What is not a terminal'} cannot be redrawn in place`,
      'Call the command without watching, as often as needed.',
    )
  const leave = () => console.control(LEAVE)
  process.once('exit', leave)
  console.control(ENTER)
  try {
    while (!signal.aborted) {
      const text = await console.collect(draw)
      if (!signal.aborted) console.control(screenOf(text, console.height))
      await pause(every, undefined, { signal }).catch(() => {})
    }
  } finally {
    process.off('exit', leave)
    leave()
  }
}

/** Writes over the screen before, without erasing it first: that would flicker. */
function screenOf(text: string, rows: number): string {
  const lines = text.replace(/\n$/, '').split('\n')
  const shown =
    lines.length <= rows
      ? lines
      : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines: enlarge the terminal`]
  return `${HOME}${shown.map((line) => line + END_OF_LINE).join('\n')}${END_OF_SCREEN}`
}
