/**
 * The part of the lease thread that gives back jobs whose claim the event loop has not read. The test moves
 * the clock.
 */
import { expect, test } from 'vitest'
import { CALL, Recaller, RING, Unread } from '../../src/worker/lease/unread.ts'

/** Makes a worker that runs a job. Notifications may hand over jobs of this many partitions. */
function make(partitions = 1) {
  const counts = new Int32Array(2)
  const all = Array.from({ length: partitions }, () => new Unread(counts))
  for (const each of all) each.expect(RING, 7, 0)
  const unread = all[0]!
  const asked: [number: number, hasRecalled: boolean][] = []
  const worker = { sign: 0, beat: 0 }
  const recaller = new Recaller({
    unread: all,
    counts,
    ask: (...each) => asked.push(each),
    sign: () => worker.sign,
    beat: () => worker.beat,
    runs: () => true,
    holdsSince: () => undefined,
    recover: async () => {},
  })
  return { recaller, unread, counts, asked, worker }
}

test('if the event loop gives no sign, jobs that notifications may have handed over are given back, and the worker gets a message', () => {
  const { recaller, unread, asked } = make()
  recaller.look(100)
  recaller.look(110)
  expect(asked).toEqual([[1, false]])
  expect(unread.recalled(RING)).toBeUndefined()
  recaller.look(115)
  expect(unread.recalled(RING)).toBe(7)
  expect(asked).toEqual([
    [1, false],
    [2, true],
  ])
})

test('unread messages are counted until the worker reads them or their jobs are given back', () => {
  const { recaller, unread, counts, asked } = make(2)
  unread.expect(CALL, 8, 100)
  unread.expect(RING, 8, 100)
  expect([...counts]).toEqual([1, 2])
  expect(unread.read(CALL, 7)).toBe(false)
  expect(unread.read(CALL, 8)).toBe(true)
  expect(unread.read(CALL, 8)).toBe(false)
  expect([...counts]).toEqual([0, 2])
  unread.expect(RING, 0, 100)
  expect([...counts]).toEqual([0, 1])
  recaller.look(110)
  recaller.look(125)
  expect([...counts]).toEqual([0, 0])
  unread.expect(RING, 9, 130)
  expect([...counts]).toEqual([0, 1])
  expect(unread.recall(RING)).toBe(9)
  expect(unread.recall(RING)).toBeUndefined()
  unread.expect(RING, 0, 140)
  expect([...counts]).toEqual([0, 0])
  recaller.look(200)
  // No message is unread any more, so the event loop is not asked for a sign.
  expect(asked).toEqual([
    [1, false],
    [2, true],
  ])
})

test('an event loop that reads answers counts as busy, and not as blocked', () => {
  const { recaller, unread, asked, worker } = make()
  recaller.look(100)
  for (let at = 110; at <= 200; at += 10) {
    worker.beat = at
    recaller.look(at + 9)
  }
  expect(unread.recalled(RING)).toBeUndefined()
  expect(asked).toEqual([[1, false]])
  expect(recaller.isOwed(204)).toBe(false)
  expect(recaller.isOwed(205)).toBe(true)
  recaller.look(215)
  expect(unread.recalled(RING)).toBe(7)
})

test('with a thousand queues, the jobs of an unread answer are given back as soon as with one queue, and handed-over jobs later, because each needs a call', () => {
  const { recaller, unread, asked } = make(1_000)
  unread.expect(CALL, 8, 100)
  recaller.look(110)
  recaller.look(125)
  expect(unread.recalled(CALL)).toBe(8)
  recaller.look(224)
  expect(unread.recalled(RING)).toBeUndefined()
  recaller.look(225)
  expect(unread.recalled(RING)).toBe(7)
  expect(asked).toEqual([
    [1, false],
    [2, true],
    [3, true],
  ])
})
