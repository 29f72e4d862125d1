/**
 * Commands that messages tell people to type, quoted so that they can be copied into a shell.
 */
import { nearest, visible } from '@s18i/lark/internal'

/** The command that resumes a paused queue or one of its groups. */
export function resumeCommand(queue: string, group?: string, groupHash?: string): string {
  const named = group === undefined ? '' : ` --group=${shellWord(group)}`
  const hashed = groupHash === undefined ? '' : ` --group-hash=${shellWord(groupHash)}`
  return `lark jobs:resume ${shellWord(queue)}${named}${hashed}`
}

/** The command that shows why jobs of a queue failed. */
export function failedCommand(queue: string): string {
  return `lark jobs:failed --group --queue=${shellWord(queue)}`
}

/**
 * The command that moves jobs of a queue which is not configured: to the one with the most similar name,
 * because most such names are misspelled. Undefined if none is configured.
 *
 * @param id of a job. Default: all jobs of the queue
 */
export function moveCommand(queue: string, configured: readonly string[], id?: string): string | undefined {
  const to = nearest(queue, configured) ?? (configured.includes('default') ? 'default' : configured[0])
  const which = id === undefined ? `--queue=${shellWord(queue)}` : shellWord(id)
  return to && `lark jobs:move ${which} --to=${shellWord(to)}`
}

/** The command that says why a job does not run. */
export function whyCommand(id: string): string {
  return `lark jobs:why ${shellWord(id)}`
}

/**
 * A word, in quotes if a shell would interpret it otherwise. Characters that a terminal would interpret are
 * written as escapes that bash and zsh read: `$'a\x1bb'`.
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

/** Its bytes as escapes. Bash knows escapes of Unicode only from version 4.2 on. */
function bytes(letter: string): string {
  return [...Buffer.from(letter)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
}
