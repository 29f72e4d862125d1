/**
 * The lines that jobs write with `this.info()` and its kin, as people see them: on stderr, with the job's name
 * and id in front.
 */
import { styleText } from 'node:util'
import type { LogLevel } from './record.ts'

const marks = {
  info: ['blue', 'i'],
  success: ['green', '✓'],
  warn: ['yellow', '!'],
  error: ['red', '✗'],
} as const

/** `i SendEmailJob 0VQ6n2Kx8aB1c  Sending to user@example.com`; colour says the level and dims the id. */
export function jobLine(
  name: string,
  id: string | undefined,
  level: LogLevel,
  text: string,
  color: boolean,
): string {
  const [hue, mark] = marks[level]
  const paint = (format: Parameters<typeof styleText>[0], part: string) =>
    color ? styleText(format, part, { validateStream: false }) : part
  return `${paint(hue, mark)} ${name}${id === undefined ? '' : ` ${paint('dim', id)}`}  ${text}`
}

/** Writes such a line to stderr. */
export function print(name: string, id: string | undefined, level: LogLevel, text: string): void {
  const { env, stderr } = process
  const color = env.FORCE_COLOR ? env.FORCE_COLOR !== '0' : stderr.isTTY === true && !env.NO_COLOR
  stderr.write(`${jobLine(name, id, level, text, color)}\n`)
}
