/** Payloads that refer to results. */
import { expect, it } from 'vitest'
import { payloadOf, valueAt } from '../../src/flow/reference.ts'
import type { Path } from '../../src/model/flow.ts'

const results = new Map([
  [0, '{"url":"a.png","sizes":[1,{"w":2}]}'],
  [1, undefined],
])
const ref = (at: Path, node: number, path: Path) => ({ at, node, path })

it('parts of results are inserted where the payload refers to them', () => {
  const payload = '{"from":null,"all":[null,null],"n":1}'
  const refs = [
    ref(['from'], 0, ['url']),
    ref(['all', 0], 0, ['sizes', 1]),
    ref(['all', 1], 0, ['sizes', 1, 'w']),
  ]
  expect(payloadOf(payload, refs, results)).toBe('{"from":"a.png","all":[{"w":2},2],"n":1}')
})

it('a reference may be the whole payload', () => {
  expect(payloadOf('null', [ref([], 0, ['sizes'])], results)).toBe('[1,{"w":2}]')
  expect(payloadOf('null', [ref([], 1, [])], results)).toBe('')
})

it('a reference to a missing part is left out, or becomes null in a list', () => {
  const refs = [ref(['a'], 0, ['nothing', 'there']), ref(['b', 0], 1, ['x']), ref(['c'], 7, [])]
  expect(payloadOf('{"a":null,"b":[null],"c":null}', refs, results)).toBe('{"b":[null]}')
})

it('the mark with the version of the payload is kept', () => {
  expect(payloadOf('{"a":null}  ', [ref(['a'], 0, ['url'])], results)).toBe('{"a":"a.png"}  ')
})

it('a payload that becomes too large with the results is refused', () => {
  const large = new Map([[0, JSON.stringify('x'.repeat(600_000))]])
  expect(payloadOf('{"a":null}', [ref(['a'], 0, [])], large)).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
})

it('a reference reads only own properties of a result', () => {
  expect(valueAt({}, ['constructor'])).toBeUndefined()
  expect(valueAt('text', ['length'])).toBeUndefined()
  expect(valueAt([1], [0])).toBe(1)
  expect(payloadOf('{"a":null}', [ref(['a'], 0, ['__proto__'])], results)).toBe('{}')
})
