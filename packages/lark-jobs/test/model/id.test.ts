import { expect, test } from 'vitest'
import { isMade, madeAt, newId, newNonce } from '../../src/model/id.ts'

test('ids have 13 letters and digits', () => {
  expect(newId()).toMatch(/^[0-9A-Za-z]{13}$/)
  expect(newNonce()).toMatch(/^[0-9A-Za-z]{8}$/)
})

test('ids sort by the time at which they were made, even within a millisecond', () => {
  const now = Date.now() + 10_000
  const ids = [...Array(5_000)].map((_, i) => newId(now + Math.floor(i / 1_000)))
  expect([...ids].sort()).toEqual(ids)
  expect(new Set(ids).size).toBe(ids.length)
})

test('ids stay unique if more ids are made in one millisecond than three letters can count', () => {
  const now = Date.now() + 30_000
  let last = ''
  let unsorted = 0
  for (let i = 0; i < 62 ** 3 + 10; i++) {
    const id = newId(now)
    if (id <= last || id.length !== 13) unsorted++
    last = id
  }
  expect(unsorted).toBe(0)
})

test('no id is repeated when the clock goes back', () => {
  const later = newId(Date.now() + 60_000)
  expect(newId(1) > later).toBe(true)
})

test('the time of an id can be read, and any other text has no time', () => {
  const now = Date.now() + 120_000
  expect(madeAt(newId(now))).toBe(now)
  expect(madeAt(newId(now))).toBe(now)
  for (const text of ['', 'order-7', 'ordér70000000', '000000']) expect(madeAt(text)).toBe(0)
})

test('an id of the application with 13 letters and digits is not taken for an id of Lark', () => {
  expect(isMade(newId())).toBe(true)
  expect(isMade('4006381333931')).toBe(false)
  expect(isMade('order12345678')).toBe(false)
  expect(isMade(`${newId()}0`)).toBe(false)
})
