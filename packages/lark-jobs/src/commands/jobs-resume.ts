import { arg, Command, flag } from '@s18i/lark'
import { visible } from '@s18i/lark/config'
import { Jobs } from '../api/default-jobs.ts'
import { defined } from '../model/defined.ts'
import { operate } from '../operate.ts'

/** `lark jobs:resume`: jobs of a paused queue, or of one group of it, start again. */
export class JobsResumeCommand extends Command {
  readonly key = 'jobs:resume'
  override description = 'Resume a paused queue, or one group of it'
  queue = arg.string('The queue')
  group = flag.string('Only this group of the queue')
  groupHash = flag.string('Only the group with this hash, which jobs:status shows for a long name')

  async handle() {
    const { queue, group, groupHash } = this
    const target = defined({ queue, group, groupHash })
    await using jobs = Jobs
    const names = { group: '--group', groupHash: '--group-hash' }
    const { wasPaused, hasJobs } = await operate(jobs, { names }).resume(target)
    if (this.json) return { queue, group, groupHash, paused: false, wasPaused, hasJobs }
    const name = group ?? groupHash
    const what = name === undefined ? `Queue ${queue}` : `Group ${name} of queue ${queue}`
    if (wasPaused) this.success(visible(`${what} goes on`))
    else {
      const also = hasJobs === false ? ', and it has no jobs' : ''
      this.info(visible(`${what} was not paused${also}: see lark jobs:status`))
    }
  }
}

/**
 * The command that resumes a paused queue or one of its groups, quoted so that people can copy it into a shell.
 */
export function resumeCommand(queue: string, group?: string, groupHash?: string): string {
  const named = group === undefined ? '' : ` --group=${shellWord(group)}`
  const hashed = groupHash === undefined ? '' : ` --group-hash=${shellWord(groupHash)}`
  return `lark jobs:resume ${shellWord(queue)}${named}${hashed}`
}

/**
 * A word, in quotes if a shell would interpret it otherwise. Characters that a terminal would interpret are written
 * as escapes that bash and zsh read: `$'a\x1bb'`.
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
