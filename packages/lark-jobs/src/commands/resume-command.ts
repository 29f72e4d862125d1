/**
 * The command that lets a paused queue, or a group of it, go on, as people copy it into a shell.
 */
export function resumeCommand(queue: string, group?: string, groupHash?: string): string {
  const named = group === undefined ? '' : ` --group=${word(group)}`
  const hashed = groupHash === undefined ? '' : ` --group-hash=${word(groupHash)}`
  return `lark jobs:resume ${word(queue)}${named}${hashed}`
}

/** In quotes where a shell would read it in another way. */
function word(text: string): string {
  return /^[\w.,:@%+=/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
