import { expect, it } from 'vitest'
import type { ClaimedJob } from '../../src/model/record.ts'
import { DONE, JOBS, Ledger, type LedgerPage, RETURNED } from '../../src/worker/lease/ledger.ts'

/** Returns the ids that the lease thread reads in the shared memory for a claim of jobs with these ids. */
function idsOf(ids: readonly string[]): string[][] {
  const pages: LedgerPage[] = []
  const ledger = new Ledger((page) => pages.push(page))
  const jobs = ids.map((id) => ({ id, runs: 0 }) as ClaimedJob)
  const held = ledger.enter(0, 1, jobs, 0, 0)
  expect(held.map(({ job }) => job.id)).toEqual(ids)
  for (const { job, page, index } of held) expect(page.ids[index]).toBe(job.id)
  return pages.map((page) => page.ids)
}

it('a claim with the usual number of ids has one page of shared memory', () => {
  const ids = Array.from({ length: JOBS + 1 }, (_, n) => `0Vr5kPq3Zx${String(n).padStart(3, '0')}`)
  expect(idsOf(ids).map(({ length }) => length)).toEqual([JOBS, 1])
})

it('a claim with long ids has more pages, which keep every character', () => {
  const ids = Array.from({ length: JOBS }, (_, n) => `${n}-${'漢'.repeat(97)}`)
  expect(idsOf(ids).flat()).toEqual(ids)
  expect(idsOf(['Größe-77', 'a'.repeat(100), '𝕏'.repeat(50)]).flat()).toHaveLength(3)
})

it('an id that is too long for a page is left out, and the other ids are written', () => {
  const pages: LedgerPage[] = []
  const jobs = ['x'.repeat(2_000), 'one', 'two'].map((id) => ({ id, runs: 0 }) as ClaimedJob)
  const held = new Ledger((page) => pages.push(page)).enter(0, 1, jobs, 0, 0)
  expect(held.map(({ job }) => job)).toEqual(jobs)
  expect(pages.map(({ ids }) => ids)).toEqual([[], ['one', 'two']])
})

it('a job that is given back before its start is marked as returned, and the thread renews ended jobs like running jobs', () => {
  const pages: LedgerPage[] = []
  const ledger = new Ledger((page) => pages.push(page))
  const jobs = ['back', 'run'].map((id) => ({ id, runs: 0 }) as ClaimedJob)
  const [back, run] = ledger.enter(0, 1, jobs, 0, 0)
  expect(ledger.withdraw(back!)).toBe(true)
  expect(ledger.begin(run!, 0, 0)).toBe(true)
  ledger.end(run!)
  expect([...pages[0]!.states].slice(0, 2)).toEqual([RETURNED, DONE])
})
