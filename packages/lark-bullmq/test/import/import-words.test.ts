/** `jobs:import-bullmq` prints the text that the manual shows. */
import { Command, MemoryConsole, run } from '@s18i/lark'
import { expect, test } from 'vitest'
import { blocksOf } from '../../../../test/markdown.ts'
import { read } from '../../../../test/source.ts'
import { sayImport } from '../../src/commands/import-words.ts'
import { type BullmqImport, lackReasons, leftReasons } from '../../src/import/report.ts'

test('jobs:import-bullmq prints the text of the page', async () => {
  const block = blocksOf(read('docs/bullmq-import.md')).find(({ text }) =>
    text.startsWith('$ lark jobs:import-bullmq'),
  )!
  const note = (why: keyof typeof leftReasons | keyof typeof lackReasons, ...ids: string[]) => {
    const text = { ...leftReasons, ...lackReasons }[why]
    return { why, text, count: ids.length, ids }
  }
  const none = {
    ...{ existing: 0, existingSchedules: 0, removed: 0, taken: [] },
    ...{ failures: 0, mistakes: [], found: {}, paused: false, workers: 0 },
  }
  const emails = {
    ...{ ...none, queue: 'emails', imported: 1240, schedules: 1 },
    keys: ['report', 'welcome', 'invoice', 'reminder'],
    left: [note('next-run', 'repeat:nightly-report:1795831200000')],
    lacks: [note('backoff', '1237', '1238', '1239', '1240')],
  }
  const images = {
    ...{ ...none, queue: 'images', imported: 80, schedules: 0, keys: ['resize'] },
    left: [
      note('flow-child', '7b6c80d2-9913-48cc-adfe-d4be92fe0ec6', '21519901-a21e-49ef-8bf5-af6c3720ee6f'),
      note('flow-failed', '6f554532-5536-4c27-b62b-ad93d45e2ae6'),
    ],
    lacks: [],
  }
  class Say extends Command {
    readonly key = 'say'
    handle() {
      sayImport(this, {
        ...{ from: '', dryRun: true, imported: 1320, schedules: 1, failures: 0, unknownQueues: [] },
        queues: [emails, images],
      } as unknown as BullmqImport)
    }
  }
  const console = new MemoryConsole()
  await run(['say'], { commands: [Say], console })
  const trimmed = (text: string) => text.replace(/ +$/gm, '')
  const [, ...lines] = block.text.trimEnd().split('\n')
  expect(trimmed(console.stdout + console.stderr)).toBe(`${lines.slice(0, -1).join('\n')}\n`)
  expect(read('packages/lark-bullmq/src/commands/jobs-import-bullmq.ts')).toContain('Would import')
})
