/**
 * This folder has more than 25 files: one for each subject that users see at the console. Most of these tests
 * cover several folders of the sources.
 */
import { describe, expect, test } from 'vitest'
import { Command, type CommandClass, MemoryConsole, run } from '../src/index.ts'

function keyed(key: string, fields: { aliases?: string[]; hidden?: boolean } = {}): CommandClass {
  return class extends Command {
    override readonly key = key
    override description = `What ${key} does`
    override aliases = fields.aliases ?? []
    override hidden = fields.hidden ?? false
    handle() {
      this.line(key)
    }
  }
}

const commands = [
  ...['jobs:status', 'jobs:show', 'jobs:work', 'jobs:workers', 'jobs:limits', 'deep:jobs:status'].map((key) =>
    keyed(key),
  ),
  keyed('schedule:list', { aliases: ['timetable'] }),
  keyed('secret:tool', { hidden: true }),
]

async function lark(...words: string[]) {
  const console = new MemoryConsole()
  const code = await run(words, { commands, console })
  return { code, stdout: console.stdout, stderr: console.stderr }
}

describe('lark', () => {
  test.each([
    ['sch:l', 'schedule:list'],
    ['j:st', 'jobs:status'],
    ['jobs:l', 'jobs:limits'],
    ['d:j:s', 'deep:jobs:status'],
    ['time', 'schedule:list'],
    ['j:work', 'jobs:work'],
    ['jobs:work', 'jobs:work'],
  ])('%s is %s', async (name, key) => {
    expect(await lark(name)).toEqual({ code: 0, stdout: `${key}\n`, stderr: '' })
  })

  test('an abbreviation of several keys lists them', async () => {
    const stderr =
      '✗ "j:s" may be one of 2 commands\n  jobs:show    What jobs:show does\n  jobs:status  What jobs:status does\n'
    expect(await lark('j:s')).toEqual({ code: 2, stdout: '', stderr })
    expect(await lark('help', 'j:s')).toEqual({ code: 2, stdout: '', stderr })
  })

  test.each(['secret:t', 'jobs:', ':s', 'j:x', 'j:s:x'])('%s is unknown', async (name) => {
    expect(await lark(name)).toMatchObject({ code: 2, stderr: expect.stringContaining('Unknown command') })
  })

  test('a namespace may be abbreviated, and `lark help` accepts abbreviations, too', async () => {
    expect((await lark('job')).stdout).toMatch(/^jobs\n {2}jobs:limits/)
    expect((await lark('help', 'j:st')).stdout).toContain('Usage  lark jobs:status')
    expect((await lark('j:st', '-h')).stdout).toContain('Usage  lark jobs:status')
  })
})
