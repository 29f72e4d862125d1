/** docs/compatibility.md is the page of what is kept of the rows, and all rows of the matrix are in it. */
import { expect, test } from 'vitest'
import { kept, pageOf } from '../matrix/harness/report.js'
import { rows } from '../matrix/rows.js'
import { read } from './source.ts'

const nameOf = ({ kind, name }: { kind: string; name: string }) => `${kind}: ${name}`

test('the page has the outcome of each row', () => {
  expect(read('docs/compatibility.md')).toBe(pageOf(kept()))
  expect(kept().results.map(nameOf)).toEqual(rows.map(nameOf))
})
