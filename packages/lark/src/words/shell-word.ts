import { visible } from './visible.ts'

/**
 * A word for a command line, in quotation marks if a shell would interpret some of its characters. Characters
 * that a terminal would interpret are written as escapes that bash and zsh read: `$'a\x1bb'`.
 */
export function shellWord(text: string): string {
  if (/^[\w.,:@%+=/-]+$/.test(text)) return text
  if (visible(text) === text && !text.includes('\n')) return `'${text.replaceAll("'", `'\\''`)}'`
  const letters = [...text].map((letter) => {
    if (letter === "'" || letter === '\\') return `\\${letter}`
    return visible(letter) === letter && letter !== '\n' ? letter : bytes(letter)
  })
  return `$'${letters.join('')}'`
}

/** Writes the bytes of a letter as escapes, because bash reads Unicode escapes only from version 4.2 on. */
function bytes(letter: string): string {
  return [...Buffer.from(letter)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
}
