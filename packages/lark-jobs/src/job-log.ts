/**
 * The lines that jobs write with `this.info()` and its kin, as people see them: on stderr, with the job's name
 * and id in front.
 */
import { styleText } from 'node:util'
import { visible, visibleLines } from '@s18i/lark/config'
import type { LogLevel } from './record.ts'

const marks = {
  info: ['blue', 'i'],
  success: ['green', '✓'],
  warn: ['yellow', '!'],
  error: ['red', '✗'],
} as const

/** Writes a line to stderr, where colour says the level: `i SendEmailJob 0VQ6n2Kx8aB1c  Sending to a@example.com`. */
export function print(name: string, id: string | undefined, level: LogLevel, text: string): void {
  const { env, stderr } = process
  const isColoured = env.FORCE_COLOR ? env.FORCE_COLOR !== '0' : stderr.isTTY === true && !env.NO_COLOR
  const paint = (format: 'dim' | (typeof marks)[LogLevel][0], part: string) =>
    isColoured ? styleText(format, part, { validateStream: false }) : part
  const [hue, mark] = marks[level]
  const who = `${visible(name)}${id === undefined ? '' : ` ${paint('dim', visible(id))}`}`
  stderr.write(`${paint(hue, mark)} ${who}  ${writtenText(text).replaceAll('\n', '\n  ')}\n`)
}

/** The text that a job wrote. Its second and later lines stand behind a bar, so that none passes for a line of another job. */
export function writtenText(text: string): string {
  return visibleLines(text).join('\n│ ')
}
