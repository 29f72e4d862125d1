import { expect, test } from 'vitest'
import { progressWords, waitWords, whyWords } from '../../src/commands/flows/flow-words.ts'
import type { FlowCounts, FlowInfo } from '../../src/operate.ts'

const none: FlowCounts = {
  ...{ total: 0, completed: 0, failed: 0, cancelled: 0, skipped: 0, running: 0, blocked: 0 },
}

const flow = (changes: Partial<FlowInfo>): FlowInfo => ({
  ...{ id: 'f', home: 'default', queue: 'default', kind: 'workflow', state: 'open', at: 0 },
  ...{ counts: none, runs: [] },
  ...changes,
})

test('progressWords() prints the progress of a flow', () => {
  expect(progressWords(none)).toBe('────────── 0/0')
  expect(progressWords({ ...none, total: 3, completed: 2, running: 1 })).toBe('━━━━━━──── 2/3')
  // The bar must not be full before all parts have ended.
  expect(progressWords({ ...none, total: 1_000, completed: 999, running: 1 })).toBe('━━━━━━━━━─ 999/1,000')
  expect(progressWords({ ...none, total: 4, failed: 1, cancelled: 1, skipped: 2 })).toBe(
    '━━━━━━━━━━ 4/4, 1 failed, 1 cancelled, 2 skipped',
  )
})

test('the reason why a flow ends or has ended', () => {
  expect(whyWords(flow({ state: 'open' }))).toBeUndefined()
  expect(whyWords(flow({ state: 'completed' }))).toBeUndefined()
  expect(whyWords(flow({ state: 'ending', reason: 'deadline' }))).toBe('its deadline has passed')
  const inner = { state: 'failed', reason: 'deadline', failedNode: 'pack', endedAt: 7 } as const
  expect(whyWords(flow(inner))).toBe('the deadline of pack has passed')
  expect(whyWords(flow({ ...inner, deadline: 9 }))).toBe('the deadline of pack has passed')
  expect(whyWords(flow({ ...inner, deadline: 7 }))).toBe('its deadline has passed')
  expect(whyWords(flow({ state: 'failed', reason: 'abandoned', because: 'it is dead' }))).toBe(
    'the process that filled it has died (it is dead)',
  )
  expect(whyWords(flow({ state: 'failed', failedNode: 'charge' }))).toBe('charge did not complete')
  const counts = { ...none, total: 9, failed: 1 }
  expect(whyWords(flow({ kind: 'batch', state: 'failed', reason: 'failed', allowed: 0, counts }))).toBe(
    '1 member did not complete, and 0 may',
  )
})

test('what a flow waits for', () => {
  const runs = ['a', 'b', 'c', 'd', 'e']
  expect(waitWords(flow({ runs: ['a'] }))).toBe('waits for a')
  expect(waitWords(flow({ runs, counts: { ...none, running: 1_204 } }))).toBe(
    'waits for a, b, c, d and 1,200 more',
  )
  expect(waitWords(flow({ kind: 'batch', counts: { ...none, running: 2 } }))).toBe('waits for 2 members')
  expect(waitWords(flow({ kind: 'batch', state: 'filling' }))).toBe('its members are being added')
  expect(waitWords(flow({ state: 'completed', runs: ['report'] }))).toBe('its callback report runs')
  expect(waitWords(flow({ state: 'completed' }))).toBe('')
})
