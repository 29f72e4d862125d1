import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { decode, encode, MAX_CONTEXT, MAX_DEPTH, MAX_PAYLOAD } from '../../src/model/payload.ts'
import { Random } from '../conformance/random.ts'

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

describe('a value without a JSON form is refused with its path', () => {
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

test('a value that cannot be read is refused with the error that it threw', () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const thrower = {
    get user() {
      throw new Error('not now')
    },
  }
  const unreadable = (why: RegExp) => ({
    code: 'PAYLOAD_NOT_JSON',
    message: expect.stringMatching(why),
    hint: expect.stringContaining('what JSON can hold'),
  })
  for (const value of [proxy, { a: [proxy] }])
    expect(refused(value)).toMatchObject(unreadable(/^SendEmailJob: payload cannot be read: .*revoked/))
  expect(refused(thrower)).toMatchObject(unreadable(/: payload cannot be read: not now$/))
  expect(refused({ at: { __proto__: { toJSON: () => thrower.user } } })).toMatchObject(unreadable(/not now$/))
})

test.each([0, '', false, null, [], {}, 'ünïcödé 😀', [1, [2, { a: null }]], { __proto__: null, a: 1 }])(
  'a JSON value is the same after it was stored and read: %o',
  (payload) => {
    expect(decode(encode(payload, 'J'))).toEqual(payload)
  },
)

test('a missing payload stays undefined, and a property with the value undefined is left out', () => {
  expect(decode(encode(undefined, 'J'))).toBeUndefined()
  expect(decode(encode({ a: undefined, b: 1 }, 'J'))).toEqual({ b: 1 })
})

test('an object with toJSON is replaced by the result of toJSON, which is checked, too', () => {
  expect(decode(encode({ price: new Price() }, 'J'))).toEqual({ price: { amount: 5 } })
  expect(refused({ price: { __proto__: { toJSON: () => 1n } } }).message).toMatch('payload.price is a BigInt')
})

test('a payload that contains the same object twice is not a cycle', () => {
  const shared = { a: 1 }
  expect(decode(encode({ x: shared, y: [shared] }, 'J'))).toEqual({ x: { a: 1 }, y: [{ a: 1 }] })
})

test('plain objects of another realm are accepted', () => {
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

const nested = (depth: number, inner: unknown = 1) => {
  let payload = inner
  for (let i = 0; i < depth; i++) payload = i % 2 === 0 ? [payload] : { a: payload }
  return payload
}

test(`${MAX_DEPTH} levels are accepted; one more is refused, and so are a million`, () => {
  expect(decode(encode(nested(MAX_DEPTH), 'J'))).toEqual(nested(MAX_DEPTH))
  for (const depth of [MAX_DEPTH + 1, 5_000, 1_000_000])
    expect(refused(nested(depth))).toMatchObject({
      code: 'PAYLOAD_NOT_JSON',
      message: `SendEmailJob: payload is nested more than ${MAX_DEPTH} deep`,
      hint: expect.stringContaining('Pass it flat'),
    })
})

test('a toJSON that always returns a new object makes the payload too deep, and a toJSON that returns a cycle is refused as a cycle', () => {
  class Endless {
    toJSON() {
      return new Endless()
    }
  }
  class Round {
    toJSON() {
      return { self: [this] }
    }
  }
  expect(refused({ a: new Endless() }).message).toBe(
    `SendEmailJob: payload is nested more than ${MAX_DEPTH} deep`,
  )
  expect(refused({ a: new Round() }).message).toBe(
    'SendEmailJob: payload.a.self[0] is a cycle: it contains itself',
  )
})

/** A list that counts how many of its elements were read. */
function counting(length: number, element: unknown) {
  const read = { count: 0 }
  const list = new Proxy(new Array(length).fill(element), {
    get(target, key, receiver) {
      if (typeof key === 'string' && /^\d+$/.test(key)) read.count++
      return Reflect.get(target, key, receiver)
    },
  })
  return { list, read }
}

test('a value that is too large is refused before it is written, and is not read beyond the limit', () => {
  // 10 MB: each element has five bytes and a comma.
  const { list, read } = counting(1_700_000, 'abc')
  expect(refused(nested(100, list))).toMatchObject({
    code: 'PAYLOAD_TOO_LARGE',
    message: `SendEmailJob: the payload has more than ${1.25 * MAX_PAYLOAD} bytes, the limit is ${MAX_PAYLOAD}`,
  })
  expect(read.count).toBeLessThan((1.25 * MAX_PAYLOAD) / 6 + 2)
  let written = 0
  const loud = { toJSON: () => ++written && 'x'.repeat(2 * MAX_PAYLOAD) }
  expect(refused({ a: Object.setPrototypeOf({}, loud), b: 1 }).code).toBe('PAYLOAD_TOO_LARGE')
  expect(written).toBe(1)
})

test('contexts and results are checked like payloads', () => {
  for (const [what, code, large] of [
    ['context', 'CONTEXT_NOT_JSON', 'CONTEXT_TOO_LARGE'],
    ['result', 'RESULT_NOT_JSON', 'PAYLOAD_TOO_LARGE'],
  ] as const) {
    expect(() => encode(nested(MAX_DEPTH + 1), 'J', what)).toThrow(expect.objectContaining({ code }))
    expect(() => encode(['x'.repeat(MAX_PAYLOAD)], 'J', what)).toThrow(
      expect.objectContaining({ code: large }),
    )
  }
})

// The counted bytes are never more than those of JSON.stringify, so a value that fits is not refused.
test('a value with exactly the maximum number of bytes is accepted, whatever it contains', () => {
  const values: unknown[] = [
    0,
    -1.5,
    1e21,
    '',
    'ä',
    '😀',
    '\ud800',
    '\n',
    true,
    false,
    null,
    [],
    {},
    [[]],
    { a: {} },
    [1, 2],
  ]
  const random = new Random(7)
  for (let round = 0; round < 500; round++) {
    const parts = Array.from({ length: random.below(30) }, () => random.pick(values))
    const payload = random.chance(2) ? parts : Object.fromEntries(parts.map((part, i) => [`k${i}`, part]))
    const bytes = Buffer.byteLength(JSON.stringify([payload, '']))
    const fill = 'x'.repeat(MAX_CONTEXT - bytes)
    expect(Buffer.byteLength(encode([payload, fill], 'J', 'context'))).toBe(MAX_CONTEXT)
    expect(() => encode([payload, `${fill}x`], 'J', 'context')).toThrow(`has ${MAX_CONTEXT + 1} bytes`)
  }
})
