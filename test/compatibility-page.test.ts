/**
 * docs/compatibility.md is made from the stored results of the matrix, it has all rows of the matrix, and
 * each row has passed with the present packages and fixtures. The packages must be built.
 */
import { expect, test } from 'vitest'
import { kept, pageOf, staleOf } from '../matrix/harness/report.js'
import { rows } from '../matrix/rows.js'
import { read } from './source.ts'

const nameOf = ({ kind, name }: { kind: string; name: string }) => `${kind}: ${name}`

test('the page has the outcome of each row', () => {
  expect(read('docs/compatibility.md')).toBe(pageOf(kept()))
  expect(kept().results.map(nameOf)).toEqual(rows.map(nameOf))
})

test('no row has failed, or was tried with other declarations, builds or fixtures', () => {
  expect(staleOf(rows).map(nameOf), 'Try these rows again: npm run matrix -- --stale').toEqual([])
})
