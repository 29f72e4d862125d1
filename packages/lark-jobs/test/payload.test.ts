import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { decode, encode, MAX_PAYLOAD } from '../src/payload.ts'

const refused = (payload: unknown) => {
  try {
    encode(payload, 'SendEmailJob')
  } catch (error) {
    return error as { code: string; message: string }
  }
  throw new Error('was not refused')
}

class Money {
  amount = 5
}
class Price {
  toJSON() {
    return { amount: 5 }
  }
}
const cycle: Record<string, unknown> = { name: 'a' }
cycle.self = { again: [cycle] }

describe('what has no JSON form is refused by its path', () => {
  test.each([
    [{ user: { save() {} } }, 'payload.user.save is a function'],
    [{ user: Symbol('x') }, 'payload.user is a symbol'],
    [{ n: 10n }, 'payload.n is a BigInt'],
    [{ n: Number.NaN }, 'payload.n is NaN'],
    [[1, Number.POSITIVE_INFINITY], 'payload[1] is Infinity'],
    [cycle, 'payload.self.again[0] is a cycle: it contains itself'],
    [{ at: new Date(0) }, 'payload.at is a Date'],
    [{ m: new Map() }, 'payload.m is a Map'],
    [{ s: new Set() }, 'payload.s is a Set'],
    [{ m: new Money() }, 'payload.m is a Money'],
    [{ list: [undefined] }, 'payload.list[0] is undefined'],
    [{ 'a b': { c: 1n } }, 'payload["a b"].c is a BigInt'],
    [() => {}, 'payload is a function'],
    [new Money(), 'payload is a Money'],
    [{ bytes: new Uint8Array(1) }, 'payload.bytes is an Uint8Array'],
  ])('%o', (payload, message) => {
    expect(refused(payload)).toMatchObject({ code: 'PAYLOAD_NOT_JSON', message: `SendEmailJob: ${message}` })
  })
})

test.each([0, '', false, null, [], {}, 'ünïcödé 😀', [1, [2, { a: null }]], { __proto__: null, a: 1 }])(
  'what JSON can hold comes back equal: %o',
  (payload) => {
    expect(decode(encode(payload, 'J'))).toEqual(payload)
  },
)

test('no payload is none, and a property that is undefined is dropped', () => {
  expect(decode(encode(undefined, 'J'))).toBeUndefined()
  expect(decode(encode({ a: undefined, b: 1 }, 'J'))).toEqual({ b: 1 })
})

test('a class with toJSON goes as what it gives, which is checked as well', () => {
  expect(decode(encode({ price: new Price() }, 'J'))).toEqual({ price: { amount: 5 } })
  expect(refused({ price: { __proto__: { toJSON: () => 1n } } }).message).toMatch('payload.price is a BigInt')
})

test('the same object twice is no cycle', () => {
  const shared = { a: 1 }
  expect(decode(encode({ x: shared, y: [shared] }, 'J'))).toEqual({ x: { a: 1 }, y: [{ a: 1 }] })
})

test('plain objects of another realm are plain', () => {
  expect(encode(runInNewContext('({ a: { b: [1] } })'), 'J')).toBe('{"a":{"b":[1]}}')
})

test('the limit counts bytes of UTF-8, not characters', () => {
  const fits = 'ä'.repeat(MAX_PAYLOAD / 2 - 1)
  expect(Buffer.byteLength(encode(fits, 'J'))).toBe(MAX_PAYLOAD)
  expect(refused(`${fits}ä`)).toMatchObject({
    code: 'PAYLOAD_TOO_LARGE',
    message: `SendEmailJob: the payload has ${MAX_PAYLOAD + 2} bytes, the limit is ${MAX_PAYLOAD}`,
  })
})

// The check runs out of stack first, or JSON.stringify does, depending on the depth.
test.each([4_500, 5_000, 5_500, 6_000, 10_000, 100_000])(
  'what is nested %i deep is refused, or kept',
  (depth) => {
    let payload: unknown = 1
    for (let i = 0; i < depth; i++) payload = [payload]
    let text: string
    try {
      text = encode(payload, 'J')
    } catch (error) {
      expect(error).toMatchObject({ code: 'PAYLOAD_NOT_JSON', message: 'J: payload is nested too deeply' })
      return
    }
    expect(text).toBe('['.repeat(depth) + 1 + ']'.repeat(depth))
    expect(depth).toBeLessThan(10_000)
  },
)
