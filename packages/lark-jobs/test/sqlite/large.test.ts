/** Large payloads are stored apart from the rows that change, and are removed with their jobs. */
import { afterEach, expect, test, vi } from 'vitest'
import { memberId } from '../../src/model/effect.ts'
import { SqliteDatabase } from '../../src/store/sqlite/database.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Caller } from '../conformance/caller.ts'
import { openFlow, take } from '../conformance/effects.ts'
import { end } from '../conformance/flow-home.ts'
import { completed, failed, ids, job } from '../conformance/jobs.ts'
import { Folder, options } from './folder.ts'
import { open as openRaw } from './raw.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

const payload = 'x'.repeat(400_000)

/** Returns a list that gets the length of the longest text in each answer from now on. */
function longest(): number[] {
  const found: number[] = []
  const original = SqliteDatabase.prototype.all
  vi.spyOn(SqliteDatabase.prototype, 'all').mockImplementation(function (
    this: SqliteDatabase,
    sql,
    ...values
  ) {
    const rows = original.call(this, sql, ...values)
    const texts = rows
      .flatMap((row) => Object.values(row as object))
      .filter((each) => typeof each === 'string')
    found.push(texts.reduce((sum, text) => sum + text.length, 0))
    return rows as never
  })
  return found
}

test('a claim reads only the payloads that it hands out, a change of state reads none, and a payload is removed with its job', async () => {
  await using folder = await Folder.make()
  const few = { count: 3, age: 3_600_000 }
  const store = new SqliteStore(folder.file, {
    retention: { ...options.retention, completed: few, failed: few },
  })
  await store.open()
  const ada = new Caller(store, 'ada', 'emails')
  const list = Array.from({ length: 12 }, () => job({ payload }))
  for (const given of list) await ada.enqueue(given)
  const sizes = longest()
  const held = await ada.claim(100)
  expect(held).toHaveLength(2)
  expect(Math.max(...sizes)).toBeLessThan(900_000)
  sizes.length = 0
  await ada.settle(held[0]!, failed)
  await ada.settle(held[1]!, { kind: 'released', in: 0 })
  await store.alter('emails', ids(list), { kind: 'retry' })
  await store.heads('emails', { state: 'waiting' })
  expect(Math.max(...sizes)).toBeLessThan(10_000)
  for (let claim = await ada.claim(9); claim.length > 0; claim = await ada.claim(9))
    for (const one of claim) await ada.settle(one, completed)
  await store.alter('emails', ids(list), { kind: 'remove' })
  const last = job({ payload })
  await ada.enqueue(last)
  await store.clear('emails', 'waiting')
  await store.close()
  const file = openRaw(folder.file)
  expect(file.prepare('SELECT count(*) AS count FROM payloads').get([])).toMatchObject({ count: 0 })
  expect(file.prepare('SELECT count(*) AS count FROM jobs').get([])).toMatchObject({ count: 0 })
  file.close()
})

test('the record of a hidden member has a payload only as long as a hook may need the payload', async () => {
  await using folder = await Folder.make()
  const none = { count: 0, age: 0 }
  const store = new SqliteStore(folder.file, {
    retention: { completed: none, failed: none, cancelled: none },
  })
  await store.open()
  const ada = new Caller(store, 'ada', 'emails')
  const payloads = () => {
    const file = openRaw(folder.file)
    const small = file.prepare("SELECT count(*) AS count FROM jobs WHERE payload <> ''").get([])
    const large = file.prepare('SELECT count(*) AS count FROM payloads').get([])
    file.close()
    return [small, large].map((found) => (found as { count: number }).count)
  }
  const list = ['7', payload, '7', payload].map((text, index) => {
    return job({ id: memberId({ flow: 'flow', home: 'home', index }), hooked: index < 2, payload: text })
  })
  for (const given of list) await ada.enqueue(given)
  expect(payloads()).toEqual([2, 2])
  await store.alter('emails', ids(list), { kind: 'cancel', reason: 'user' })
  expect(payloads()).toEqual([1, 1])
  const found = await take(store)
  expect(found.filter(({ kind }) => kind === 'hook')).toMatchObject([
    { job: { payload: '7' } },
    { job: { payload } },
  ])
  await take(store, found)
  expect(payloads()).toEqual([0, 0])
  expect(await store.flows.fates('emails', ids(list))).toMatchObject(list.map(() => ({ kind: 'ended' })))
  await store.close()
})

test('the missing members of a large flow are found among a million other members', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const size = 1_024 * 1_001 + 5
  await openFlow(store, size)
  await store.flows.apply('home', [end(1_024 * 1_001 + 2)])
  const file = openRaw(folder.file)
  file.exec(`
    WITH RECURSIVE pages (page) AS (SELECT 0 UNION ALL SELECT page + 1 FROM pages WHERE page < 1000)
    INSERT INTO members (flow, page, bits) SELECT 1, page, '${'f'.repeat(256)}' FROM pages`)
  file.close()
  expect(await store.flows.missing('home', 'flow', -1, 9)).toEqual(
    [0, 1, 3, 4].map((index) => 1_024 * 1_001 + index),
  )
})
