/**
 * Prints the log lines of jobs (`this.info()`, `success()`, `warn()`, `error()`) to stderr, with the job's
 * name and id in front.
 */
import { styleText } from 'node:util'
import { visible, visibleLines } from '@s18i/lark/internal'
import type { LogLevel } from '../model/record.ts'

const marks = {
  info: ['blue', 'i'],
  success: ['green', '✓'],
  warn: ['yellow', '!'],
  error: ['red', '✗'],
} as const

/**
 * Writes a line to stderr. Its mark and colour show the level: `i SendEmailJob 0VQ6n2Kx8aB1c  Sending to
 * a@example.com`.
 */
export function print(name: string, id: string | undefined, level: LogLevel, text: string): void {
  const { env, stderr } = process
  const isColoured = env.FORCE_COLOR ? env.FORCE_COLOR !== '0' : stderr.isTTY === true && !env.NO_COLOR
  const paint = (format: 'dim' | (typeof marks)[LogLevel][0], part: string) =>
    isColoured ? styleText(format, part, { validateStream: false }) : part
  const [hue, mark] = marks[level]
  const who = `${visible(name)}${id === undefined ? '' : ` ${paint('dim', visible(id))}`}`
  stderr.write(`${paint(hue, mark)} ${who}  ${writtenText(text).replaceAll('\n', '\n  ')}\n`)
}

/**
 * The text that a job wrote, with a bar before the second and every later line, so that no line can look like
 * a line of another job.
 */
export function writtenText(text: string): string {
  return visibleLines(text).join('\n│ ')
}
