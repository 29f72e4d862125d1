/**
 * Texts with characters that control a terminal or that a reader does not see. The same seed makes the same
 * texts.
 */

/** The characters that control a terminal, or that a reader does not see. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the expression must find control characters
export const raw = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

const PIECES = [
  '\u001b[2J',
  '\u001b[1A\u001b[2K',
  '\u001b]0;title\u0007',
  '\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\',
  '\u001b[31m',
  '\u001b[38;5;1m',
  '\u001b[',
  '\u001b',
  '\u009b2J',
  '\u009d0;title\u009c',
  '\u0090q\u009c',
  '\r',
  '\n',
  '\r\n',
  '\t',
  '\b\b\b',
  '\u0000',
  '\u007f',
  '\u0085',
  '\u2028',
  '\u2029',
  '\u202e',
  '\u2066',
  '\u2069',
  '\u200f',
  '\u061c',
  '✓ OtherJob 0VQ6n2Kx8aB1c  default 1 ms',
  'plain',
  ' ',
  '"',
  '\\',
  '31m',
  '日本',
]

export function hostileText(seed: number): string {
  // A simple random generator (from Numerical Recipes).
  let state = seed + 1
  const next = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  return Array.from({ length: 1 + next(9) }, () => {
    const any = String.fromCharCode(next(0x2070))
    return next(4) === 0 ? any : PIECES[next(PIECES.length)]!
  }).join('')
}
