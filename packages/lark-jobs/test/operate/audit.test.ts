/**
 * How changes that people make are recorded, whatever the store answers, and how the entries are read.
 *
 * This folder has more than 25 files: one for each source file whose tests run on one store only, and one for
 * each group of commands.
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { JobsError } from '../../src/model/errors.ts'
import { audit } from '../../src/operate/audit/audit.ts'
import type { HandChange } from '../../src/operate/audit/hand-change.ts'
import { PACE, withRecord } from '../../src/operate/audit/recording.ts'
import { Passage } from '../../src/operate/look/passage.ts'
import { alterAll } from '../../src/operate/look/stored-jobs.ts'
import { type AuditPage, operate } from '../../src/operate.ts'
import type { Audit, AuditRecord, Store } from '../../src/store/contract/store.ts'
import { Caller } from '../conformance/caller.ts'

const actor = { who: 'ada', host: 'web-1', from: 'code' } as const
const bounds = { count: 10, age: 1_000 }
const change: HandChange<number> = { what: 'retry', on: 'jobs of key charge', count: (n) => n }

/** Makes a store that keeps the written entries. The calls with these numbers fail. */
function storeOf(failures: Record<number, JobsError> = {}) {
  const written: { id: string; count: number; outcome: string; on: string; error?: string }[] = []
  let calls = 0
  const write: Audit['write'] = async (id, text) => {
    const failure = failures[++calls]
    if (failure !== undefined) throw failure
    written.push({ id, ...JSON.parse(text) })
  }
  const store = { audit: { write, list: async () => ({ now: 0, entries: [] }) } }
  return { store, outcomes: () => written.map(({ outcome, count }) => `${outcome} ${count}`), written }
}

const refused = new JobsError('STORE_REFUSED', 'the disk is full')
const away = new JobsError('STORE_UNREACHABLE', 'the server is away')

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

test('a change has one entry, which is written before the change, during it, and at its end', async () => {
  const { store, outcomes, written } = storeOf()
  const answer = await withRecord(store, bounds, actor, change, async (noted) => {
    expect(outcomes()).toEqual(['running 0'])
    noted(200)
    await vi.advanceTimersByTimeAsync(250)
    // If the process were killed now, these entries would exist.
    expect(outcomes()).toEqual(['running 0', 'running 200'])
    await vi.advanceTimersByTimeAsync(30_000)
    noted(1_200)
    const before = written.length
    await vi.advanceTimersByTimeAsync(2 * PACE)
    expect(outcomes().slice(before)).toEqual(['running 1200', 'running 1200'])
    return 1_500
  })
  expect(answer).toBe(1_500)
  expect(outcomes().at(-1)).toBe('done 1500')
  expect(new Set(written.map(({ id }) => id)).size).toBe(1)
  const { length } = written
  await vi.advanceTimersByTimeAsync(2 * PACE)
  expect(written).toHaveLength(length)
})

test('the progress of a change counts the changed jobs, and not the jobs that it left out', async () => {
  vi.useRealTimers()
  await using jobs = createJobs({ connection: 'sqlite::memory:' })
  class SendJob extends Job {
    override readonly key = 'send'
    handle() {}
  }
  await jobs.dispatchMany(new SendJob(), [undefined, undefined, undefined])
  const { store } = await insideOf(jobs).open()
  await new Caller(store, 'ada', 'default').claimOne()
  const noted: number[] = []
  const passage = new Passage({ onProgress: (_, __, changed) => noted.push(changed) })
  const ids = (await jobs.list()).jobs.map(({ id }) => id)
  await alterAll(store, 'default', [...ids, 'gone'], { kind: 'edit', payload: '{}' }, passage)
  expect(noted).toEqual([2])
})

test('a change is refused if its audit entry cannot be written first, unless the store refuses all writes', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const act = vi.fn(async () => 3)
  await expect(withRecord(storeOf({ 1: away }).store, bounds, actor, change, act)).rejects.toBe(away)
  expect(act).not.toHaveBeenCalled()
  // A purge may make room in a full store, so it is allowed.
  expect(await withRecord(storeOf({ 1: refused }).store, bounds, actor, change, act)).toBe(3)
  expect(warned.mock.calls[0]).toEqual([
    'The audit of the store lacks this: retry jobs of key charge by ada at web-1: running, 0 changed. the disk is full',
    { code: 'LARK_AUDIT_INCOMPLETE' },
  ])
})

test('if the end of a change cannot be recorded, the change is made all the same, and a warning contains the missing entry', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  expect(await withRecord(storeOf({ 2: away }).store, bounds, actor, change, async () => 3)).toBe(3)
  expect(warned.mock.calls[0]![0]).toContain('ada at web-1: done, 3 changed. the server is away')
})

test('the text of an audit entry is bounded and has no payload values, and the text for a purge has no names either', async () => {
  const { store, written } = storeOf()
  const where = { email: 'ada@example.com' }
  const named = { queue: 'emails', group: 'ada', tag: 'vip' }
  for (const what of ['purge', 'cancel'] as const)
    for (const on of [{ where }, named])
      await withRecord(store, bounds, actor, { ...change, what, on }, async () => 1)
  const ids = Array.from({ length: 30 }, (_, n) => `${n}`.padEnd(100, 'x'))
  await withRecord(store, bounds, actor, { ...change, on: ids, queue: 'emails' }, async () => 1)
  const failing = withRecord(store, bounds, actor, change, async () => {
    throw new Error('x'.repeat(1_000))
  })
  await expect(failing).rejects.toThrow('xxx')
  expect(written.filter(({ outcome }) => outcome !== 'running').map(({ on }) => on)).toEqual([
    'jobs where email is …',
    'jobs of queue emails, group …, tag …',
    'jobs where email is …',
    'jobs of queue emails, group ada, tag vip',
    expect.stringMatching(/^30 jobs of queue emails: 0x+, .{300,}…$/),
    change.on,
  ])
  expect(written.at(-1)!.error).toHaveLength(500)
})

test.each(['edit', 'dispatch', 'import'] as const)(
  'an audit entry has only the code of the error of an %s',
  async (what) => {
    const { store, written } = storeOf()
    const errors = [new JobsError('PAYLOAD_INVALID', 'no domain: ada@', {}), new TypeError('what is ada@?')]
    for (const error of errors)
      await withRecord(store, bounds, actor, { ...change, what }, () => Promise.reject(error)).catch(() => {})
    const ended = written.filter(({ outcome }) => outcome === 'failed')
    expect(ended.map(({ error }) => error)).toEqual(['PAYLOAD_INVALID', 'TypeError'])
  },
)

function pageOf(now: number, entries: AuditRecord[]): Promise<AuditPage> {
  return audit({ audit: { list: async () => ({ now, entries }) } } as unknown as Store, {})
}

test('a change that has not been updated for long counts as interrupted, and unreadable entries are counted', async () => {
  const text = JSON.stringify({ ...actor, what: 'retry', on: 'jobs', count: 1_200, outcome: 'running' })
  const record = { id: 'a', at: 1_000, writtenAt: 6_000, text }
  const lost = { endedAt: 6_000, outcome: 'interrupted', count: 1_200, atLeast: true }
  const running = (await pageOf(6_000 + 6 * PACE, [record])).entries[0]
  expect(running).not.toHaveProperty('endedAt')
  expect(running).not.toHaveProperty('atLeast')
  expect((await pageOf(6_001 + 6 * PACE, [record])).entries).toMatchObject([lost])
  const foreign = ['', '[]', '{"who":7}', text.replace('1200', '"many"')]
  const page = await pageOf(0, [...foreign.map((text) => ({ ...record, text })), record])
  expect(page).toMatchObject({ entries: [{ id: 'a' }], damaged: 4 })
})

test('the actor of a change is checked; the default is the system user', async () => {
  vi.useRealTimers()
  await using jobs = createJobs({ connection: 'sqlite::memory:' })
  for (const actor of ['', { from: 'nowhere' }, { nam: 'ada' }, 7])
    expect(() => operate(jobs, { actor: actor as never })).toThrow(
      expect.objectContaining({ code: 'OPERATE_INVALID' }),
    )
  await operate(jobs).pause({ all: true })
  await operate(jobs, { actor: { from: 'command' } }).resume({ queue: 'default' })
  const [resumed, paused] = (await operate(jobs).audit()).entries
  expect([resumed!.from, paused!.from, paused!.on]).toEqual(['command', 'code', 'every queue'])
  expect(paused!.who).toMatch(/./)
  const operating = operate(jobs)
  for (const wrong of [{ what: 'x' }, { limit: 0 }, { whom: 'ada' }, { since: '1 day' }])
    await expect(operating.audit(wrong as never)).rejects.toMatchObject({ code: 'FILTER_INVALID' })
  await expect(operating.audit({ cursor: 'x' })).rejects.toMatchObject({ code: 'CURSOR_INVALID' })
})
