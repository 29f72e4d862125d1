/** A shell that runs the copied command passes the exact name of the group, whatever it contains. */
import { execFileSync } from 'node:child_process'
import { visible } from '@s18i/lark/internal'
import { expect, test } from 'vitest'
import { resumeCommand } from '../src/words/command-line.ts'

test.each([
  'acme',
  'two words',
  "it's $HOME `id` \\n !",
  'a\u001b[31mb',
  'two\nlines\tand\u0007 "it\'s" \\',
  'right \u202e to left \u009b',
  'Zürich 🎉',
  'a tag \u{e0041}',
])('the command for group %j', (group) => {
  const shown = visible(resumeCommand('emails', group))
  const read = execFileSync('bash', ['-c', `lark() { printf '%s\\0' "$@"; }; ${shown}`], {
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
    encoding: 'utf8',
  })
  expect(read.split('\0')).toEqual(['jobs:resume', 'emails', `--group=${group}`, ''])
})
