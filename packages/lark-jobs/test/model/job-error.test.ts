import { describe, expect, test } from 'vitest'
import type { KeptError } from '../../src/index.ts'
import { errorLine, jobError, partsOf } from '../../src/model/run/job-error.ts'

const kept = (thrown: unknown) => jobError(thrown, 1, 0)
const depthOf = ({ cause }: KeptError): number => (cause === undefined ? 0 : 1 + depthOf(cause))

describe('the stored form of an error', () => {
  test('has a cause only once if the cause is the error itself or an outer error', () => {
    const one = new Error('one')
    const two = new Error('two', { cause: one })
    one.cause = two
    expect(depthOf(kept(one))).toBe(1)
    const self = new AggregateError([])
    self.errors.push(self)
    expect(kept(self)).not.toHaveProperty('errors')
  })

  test('has a limit for the depth and the number of causes', () => {
    let deep = new Error('at the bottom')
    for (let i = 0; i < 10_000; i++) deep = new Error(`above ${i}`, { cause: deep })
    expect(depthOf(kept(deep))).toBe(5)
    const wide = new AggregateError(Array.from({ length: 100_000 }, (_, i) => new Error(`of many ${i}`)))
    expect(kept(wide)).toMatchObject({ errors: { length: 5 }, more: 99_995 })
    const tree = (depth: number): Error =>
      new AggregateError(depth === 0 ? [] : Array.from({ length: 5 }, () => tree(depth - 1)))
    expect([...partsOf(kept(tree(4)), '')].length).toBeLessThanOrEqual(11)
  })

  test('has a limit for its size', () => {
    const long = (cause?: unknown) =>
      Object.assign(new Error('x'.repeat(1e6), { cause }), { code: 'y'.repeat(1e6), name: 'z'.repeat(1e6) })
    const errors = Array.from({ length: 10 }, () => long(long(long())))
    const error = kept(Object.assign(long(long()), { errors }))
    expect(JSON.stringify(error).length).toBeLessThan(12_000)
    expect(error.errors?.[0]?.message).toMatch(/^x{1000}$/)
  })

  test('omits properties that throw when they are read', () => {
    const refusing = (...names: string[]) => {
      const error = new Error('fine')
      for (const name of names)
        Object.defineProperty(error, name, {
          get() {
            throw new Error('no')
          },
        })
      return error
    }
    const error = kept(refusing('cause', 'errors', 'code', 'stack', 'name', 'suppressed'))
    expect(error).toEqual({ run: 1, name: 'Error', message: 'fine', took: 0 })
    const { proxy, revoke } = Proxy.revocable([], {})
    const holding = Object.assign(new Error('fine'), { errors: proxy, cause: refusing('cause', 'message') })
    revoke()
    expect(kept(holding)).toMatchObject({
      message: 'fine',
      cause: { message: 'a value was thrown that has no text form' },
    })
    const bad = new Proxy([], { get: () => 10n })
    expect(kept(Object.assign(new Error('fine'), { errors: bad }))).not.toHaveProperty('errors')
  })

  test('has both errors of a SuppressedError', () => {
    const both = { error: new Error('at the end'), suppressed: new Error('at first') }
    expect(kept(Object.assign(new Error('suppressed'), both))).toMatchObject({
      errors: [{ message: 'at the end' }, { message: 'at first' }],
    })
  })
})

describe('in one line', () => {
  test.each([
    [new Error('plain\nand more'), 'plain'],
    [new Error(''), 'Error'],
    [{ code: 42 }, '{ code: 42 }'],
    [new Error('a', { cause: new Error('b', { cause: 'c' }) }), 'a (cause: b (cause: c))'],
    [
      new TypeError('fetch failed', { cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }) }),
      'fetch failed (cause: ECONNREFUSED: connect)',
    ],
    [new AggregateError([new Error('a'), new Error('b')], 'all failed'), 'all failed (a; b)'],
    [
      new AggregateError('abcdefg'.split(''), 'all failed', { cause: new Error('z') }),
      'all failed (a; b; c; d; e; 2 more; cause: z)',
    ],
  ])('%s', (thrown, line) => {
    expect(errorLine(kept(thrown))).toBe(line)
  })
})
