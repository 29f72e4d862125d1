/**
 * Checks sentences of the documentation that call a feature missing: each must name a feature of the table
 * below, and the feature must not exist. When somebody builds the feature, this test lists the sentences that
 * are no longer true.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import * as api from '../packages/lark-jobs/src/index.ts'
import { states } from '../packages/lark-jobs/src/model/record.ts'
import { filesBelow, read, root } from './source.ts'

const has = (file: string) => existsSync(join(root, 'packages', file))
const hasCommand = (name: string) => has(`lark-jobs/src/commands/change/jobs-${name}.ts`)
const entries = Object.keys(JSON.parse(read('packages/lark-jobs/package.json')).exports)

/**
 * Every feature that the documentation has ever called missing: the words for the feature, and whether it
 * exists.
 */
const features: Record<string, [words: RegExp, exists: boolean]> = {
  chains: [/\bchains?\b|\bintents\b/i, 'chain' in api],
  batches: [/\bbatch(es)?\b/i, 'batch' in api],
  workflows: [/\bworkflows?\b/i, 'workflow' in api],
  schedules: [/\bschedules?\b/i, 'cron' in api],
  dashboard: [/\bdashboard\b/i, has('lark-dashboard')],
  telemetry: [/\btelemetry\b/i, entries.includes('./otel')],
  suspended: [/\bsuspended\b/i, (states as readonly string[]).includes('suspended')],
  edit: [/\bedit\b/i, hasCommand('edit')],
  reschedule: [/\breschedule\b/i, hasCommand('reschedule')],
  pausing: [/\bpaus(e|ing)\b/i, hasCommand('pause')],
  'unique jobs': [/\bunique\b/i, 'unique' in api],
  'bounded queues': [/\bbounded|\bbounds?\b/i, has('lark-jobs/src/store/sql/enqueue/bound.ts')],
  groups: [/\bgroups?\b/i, 'group' in api],
  limits: [/\blimit(s|ers?)?\b/i, 'limiter' in api],
  middleware: [/\bmiddleware\b/i, has('lark-jobs/src/options/middleware.ts')],
  hooks: [/\bhooks?\b/i, has('lark-jobs/src/run/hooks.ts')],
  Sentinel: [/\bsentinels?\b/i, has('lark-jobs/src/store/redis/client/sentinel.ts')],
  Cluster: [/\bcluster\b/i, has('lark-jobs/src/store/redis/client/cluster.ts')],
}

const pages = [
  'README.md',
  'packages/lark/README.md',
  'packages/lark-jobs/README.md',
  'packages/lark-bullmq/README.md',
  ...filesBelow('docs', '.md').map((file) => `docs/${file}`),
]

/** How the pages say that something is missing. */
const missing = /\b(is|are) not (there|possible|supported) yet|not part of this release|^Not yet:/i

const claims = pages.flatMap((page) => claimsOf(read(page)).map((claim) => [page, claim] as const))

it.each(claims)('%s says truly that this feature is missing: %s', (_, claim) => {
  const named = Object.entries(features).filter(([, [words]]) => words.test(claim))
  expect(named, 'names a feature of the table').not.toEqual([])
  expect(
    named.flatMap(([feature, [, exists]]) => (exists ? [feature] : [])),
    'exist',
  ).toEqual([])
})

it('the test finds sentences that call a feature missing', () => {
  expect(claimsOf('A. Chains, which\nare not there yet. B.')).toEqual(['Chains, which are not there yet'])
  expect(claimsOf('## What Is Not There Yet\n\n| what | where |\n| --- | --- |\n| Edit | x |\n')).toEqual([
    'Edit',
  ])
  expect(claimsOf('## What Works\n\nNot yet: a kitchen.\n')).toEqual(['Not yet: a kitchen'])
})

/**
 * Returns the sentences that call something missing, and the first cells of tables under a heading that calls
 * them missing.
 */
function claimsOf(markdown: string): string[] {
  const sentences = markdown
    .replace(/^#.*$|```[\s\S]*?```/gm, '')
    .split(/\n\n|^\|.*\|$|(?<=[.:]) (?=[A-Z])|\.\n/m)
    .concat(markdown.match(/^\|.*\|$/gm) ?? [])
  const said = sentences
    .map((sentence) => sentence.replace(/\s+/g, ' ').trim().replace(/\.$/, ''))
    .filter((sentence) => missing.test(sentence))
  const [, table = ''] = /^## .*Not There Yet.*\n\n((?:\|.*\|\n)+)/m.exec(markdown) ?? []
  const rows = table.split('\n').slice(2, -1)
  return [...said, ...rows.map((row) => row.split('|')[1]!.trim())]
}
