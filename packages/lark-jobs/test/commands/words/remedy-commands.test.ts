/** The commands that `jobs:doctor` and `jobs:why` recommend must exist and have the recommended flags. */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import type { Command } from '@s18i/lark'
import { visible } from '@s18i/lark/internal'
import { expect, test } from 'vitest'
import { readMetadata } from '../../../../lark/src/command/metadata.ts'
import { parseWords } from '../../../../lark/src/command/parse.ts'
import { commandFor, inCommands } from '../../../src/commands/words/remedy-commands.ts'
import type { Remedy } from '../../../src/model/remedy.ts'

const name = "it's $HOME"
const samples: { [Do in Remedy['do']]: Extract<Remedy, { do: Do }> } = {
  'see-overview': { do: 'see-overview' },
  'see-doctor': { do: 'see-doctor' },
  'see-queues': { do: 'see-queues' },
  'see-workers': { do: 'see-workers' },
  'see-limiters': { do: 'see-limiters' },
  'see-groups': { do: 'see-groups', queue: name },
  'see-active': { do: 'see-active', queue: name },
  'see-retrying': { do: 'see-retrying', queue: name },
  'see-failures': { do: 'see-failures', queue: name },
  'see-queue': { do: 'see-queue', queue: name },
  'see-job': { do: 'see-job', job: name },
  'see-errors': { do: 'see-errors', job: name },
  'see-why': { do: 'see-why', job: name },
  'see-flow': { do: 'see-flow', flow: name },
  'see-change': { do: 'see-change', change: name },
  'start-worker': { do: 'start-worker', queue: name },
  'restart-worker': { do: 'restart-worker', worker: name },
  resume: { do: 'resume', queue: name, group: name },
  'send-signal': { do: 'send-signal', job: name, signal: name },
  'resume-schedule': { do: 'resume-schedule', schedule: name },
  retry: { do: 'retry', job: name },
  move: { do: 'move', queue: name, to: name, job: name },
  cancel: { do: 'cancel', queue: name, key: name },
}

/** Returns the words that a shell passes to `lark`. */
function typed(command: string): string[] {
  const read = execFileSync('bash', ['-c', `lark() { printf '%s\\0' "$@"; }; ${command}`], {
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
    encoding: 'utf8',
  })
  return read.split('\0').slice(0, -1)
}

/** Loads the command with this key. The file of a command is named after its key. */
async function commandOf(key: string): Promise<Command> {
  const folder = new URL('../../../src/commands/', import.meta.url)
  const file = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((each) =>
    each.endsWith(`/${key.replace(':', '-')}.ts`),
  )
  expect(file, key).toBeDefined()
  const found: Record<string, new () => Command> = await import(new URL(file!, folder).href)
  return new (Object.entries(found).find(([each]) => each.endsWith('Command'))![1])()
}

test.each(Object.values(samples))('the remedy $do is a command line that a user can type', async (remedy) => {
  const [command] = commandFor(remedy).split(', and ')
  const [key = '', ...words] = typed(command!)
  const { arguments: parameters, flags } = readMetadata(await commandOf(key))
  const { values, missing } = parseWords(key, [...parameters, ...flags], words, {})
  expect(missing).toEqual([])
  const given = [...values.values()].flat().filter((value) => value === name)
  // The remedy for a job that is being moved has only the id of the job.
  const all = Object.values(remedy).filter((value) => value === name).length
  expect(given).toHaveLength(remedy.do === 'move' ? all - 1 : all)
})

test('the words of a remedy and its commands are printed as one text', () => {
  expect(inCommands(['Move them: ', { do: 'move', queue: 'emials', to: 'emails' }, '; or not'])).toBe(
    'Move them: lark jobs:move --queue=emials --to=emails; or not',
  )
  expect(commandFor({ do: 'resume', queue: 'emails', groupHash: '=abc' })).toBe(
    'lark jobs:resume emails --group-hash==abc',
  )
})

test.each([
  'acme',
  'two words',
  "it's $HOME `id` \\n !",
  'a\u001b[31mb',
  'two\nlines\tand\u0007 "it\'s" \\',
  'right \u202e to left \u009b',
  'Zürich 🎉',
  'a tag \u{e0041}',
])('a shell that runs the copied command passes the exact name of the group %j', (group) => {
  const shown = visible(commandFor({ do: 'resume', queue: 'emails', group }))
  expect(typed(shown)).toEqual(['jobs:resume', 'emails', `--group=${group}`])
})
