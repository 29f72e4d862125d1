/** The lines that a terminal shows for incidents. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { blocksOf } from '../../../../../test/markdown.ts'
import { incidentsInLines, writtenIncident } from '../../../src/commands/words/incident-words.ts'
import { type Incident, incidentKinds, type QueueIncident } from '../../../src/operate.ts'

const MINUTE = 60_000
const now = Date.now()
const page = readFileSync(new URL('../../../../../docs/monitoring.md', import.meta.url), 'utf8')
const plain = (_: string, text: string) => text

const still: QueueIncident = {
  ...{ kind: 'still', level: 'error', queue: 'emails', jobs: 4_200, since: now - 130 * MINUTE },
  because: { kind: 'no-worker', text: 'No living worker serves its queue emails' },
  died: { count: 1, worker: 'x7Pq', host: 'web-1', at: now - 130 * MINUTE },
  action: { do: 'start-worker', queue: 'emails' },
}
const failing: QueueIncident = {
  ...{ kind: 'failing', level: 'error', queue: 'payments', jobs: 36, of: 40, since: now - 4 * MINUTE },
  failure: {
    ...{ kind: '3f2a', key: 'charge', name: 'TypeError', message: 'no price of …', count: 32, of: 36 },
    ...{ first: now - 4 * MINUTE, releases: ['r2'], job: 'J' },
  },
  release: { name: 'r2', at: now - 4 * MINUTE - 20_000 },
  action: { do: 'see-failures', queue: 'payments' },
}
const paused: QueueIncident = {
  ...{ kind: 'paused', level: 'warning', queue: 'reports', jobs: 3, since: now - 60 * MINUTE },
  pause: { by: 'ada', at: now - 60 * MINUTE, because: 'the bank is closed' },
  action: { do: 'resume', queue: 'reports' },
}

test('the lines of incidents are the same as in the manual', () => {
  const [block] = blocksOf(page).filter(
    ({ language, text }) => language === 'text' && text.startsWith('✗ emails'),
  )
  const steady = (text: string) => text.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, 'DATE').trim()
  expect(steady(incidentsInLines([still, failing, paused], plain).join('\n'))).toBe(steady(block!.text))
})

test('each kind of incident has a line, and texts from users cannot move the cursor', () => {
  const kinds = incidentKinds.map((kind): Incident => {
    const blocked = { worker: 'w1', by: ['ReportJob', 'MailJob'], since: now }
    return { ...still, kind, queue: 'a\u001b[2Jb', oldest: MINUTE, target: 1_000, of: 9, blocked, pause: {} }
  })
  const lines = incidentsInLines(kinds, plain)
  expect(lines.filter((line) => /^[✗!] a/.test(line))).toHaveLength(incidentKinds.length)
  expect(lines.join('\n')).not.toContain('\u001b')
  expect(lines.join('\n')).toContain('one of ReportJob, MailJob blocks the process of worker w1')
  const finding: Incident = {
    ...{ kind: 'finding', level: 'error', code: 'memory', subject: 'redis://a', text: 'is full' },
    advice: ['Give it memory: ', { do: 'see-doctor' }],
  }
  expect(incidentsInLines([finding], plain)).toEqual([
    '✗ redis://a: is full',
    '  → Give it memory: lark jobs:doctor',
  ])
  expect(incidentsInLines(Array(12).fill(finding), plain).at(-1)).toBe('  2 more: see --json')
})

test('the JSON of incidents has plain texts, and commands as remedies', () => {
  expect(writtenIncident(paused)).toMatchObject({
    ...{ kind: 'paused', queue: 'reports', action: 'lark jobs:resume reports' },
    text: expect.stringMatching(/^reports is paused by ada .* \(the bank is closed\), since/),
  })
  expect(writtenIncident(still)).toMatchObject({ because: 'No living worker serves its queue emails' })
})
