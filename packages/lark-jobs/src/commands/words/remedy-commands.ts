/**
 * Remedies as commands for a terminal. The commands are quoted so that they can be copied into a shell. A new
 * remedy of `model/remedy.ts` gets its row here.
 */
import { shellWord } from '@s18i/lark'
import type { Advice, Remedy } from '../../model/remedy.ts'

type Commands = { [Do in Remedy['do']]: (values: Extract<Remedy, { do: Do }>) => string }

const commands: Commands = {
  'see-overview': () => 'lark jobs:status',
  'see-doctor': () => 'lark jobs:doctor',
  'see-queues': () => 'lark jobs:queues',
  'see-workers': () => 'lark jobs:workers',
  'see-limiters': () => 'lark jobs:limits',
  'see-groups': ({ queue }) => `lark jobs:groups ${shellWord(queue)}`,
  'see-active': ({ queue }) => `lark jobs:list${flag('queue', queue)} --state=active`,
  'see-retrying': ({ queue }) =>
    `lark jobs:list${flag('queue', queue)} --state=delayed, and lark jobs:show ID`,
  'see-failures': ({ queue }) => `lark jobs:failed --group${flag('queue', queue)}`,
  'see-queue': ({ queue }) => `lark jobs:why${flag('queue', queue)}`,
  'see-job': ({ job }) => `lark jobs:show ${shellWord(job)}`,
  'see-errors': ({ job }) => `lark jobs:show ${shellWord(job)}`,
  'see-why': ({ job }) => `lark jobs:why ${shellWord(job)}`,
  'see-flow': ({ flow }) => `lark jobs:flow ${shellWord(flow)}`,
  'see-change': ({ change }) => `lark jobs:changes ${shellWord(change)}`,
  'start-worker': ({ queue }) => `lark jobs:work${flag('queue', queue)}`,
  'restart-worker': ({ worker }) => `lark jobs:restart${flag('worker', worker)}`,
  resume: ({ queue, group, groupHash }) =>
    `lark jobs:resume ${shellWord(queue)}${flag('group', group)}${flag('group-hash', groupHash)}`,
  'send-signal': ({ job, signal }) => `lark jobs:send ${shellWord(job)} ${shellWord(signal)}`,
  'resume-schedule': ({ schedule }) => `lark schedule:resume ${shellWord(schedule)}`,
  retry: ({ job }) => `lark jobs:retry ${shellWord(job)}`,
  move: ({ queue, to, job }) =>
    `lark jobs:move${job === undefined ? flag('queue', queue) : ` ${shellWord(job)}`} --to=${shellWord(to)}`,
  cancel: ({ queue, key }) => `lark jobs:cancel${flag('queue', queue)}${flag('job', key)}`,
}

/** @example commandFor({ do: 'resume', queue: 'emails' }) // lark jobs:resume emails */
export function commandFor(remedy: Remedy): string {
  return (commands[remedy.do] as (values: Remedy) => string)(remedy)
}

/** The advice of a finding as one text, with commands for its remedies. */
export function inCommands(advice: Advice): string {
  return advice.map((part) => (typeof part === 'string' ? part : commandFor(part))).join('')
}

function flag(name: string, value: string | undefined): string {
  return value === undefined ? '' : ` --${name}=${shellWord(value)}`
}
