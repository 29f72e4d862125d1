/**
 * The command that resumes a paused queue or one of its groups, quoted so that people can copy it into a shell.
 */
export function resumeCommand(queue: string, group?: string, groupHash?: string): string {
  const named = group === undefined ? '' : ` --group=${word(group)}`
  const hashed = groupHash === undefined ? '' : ` --group-hash=${word(groupHash)}`
  return `lark jobs:resume ${word(queue)}${named}${hashed}`
}

/** A word, in quotes if a shell would interpret it otherwise. */
function word(text: string): string {
  return /^[\w.,:@%+=/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
