/**
 * docs/compatibility.md must be made from the stored results of the matrix and have all rows. Each row must
 * have passed with the present packages and fixtures. Build the packages before.
 */
import { expect, test } from 'vitest'
import { kept, pageOf, staleOf } from '../matrix/harness/report.js'
import { rows } from '../matrix/rows.js'
import { read } from './source.ts'

const nameOf = ({ kind, name }: { kind: string; name: string }) => `${kind}: ${name}`

test('the compatibility page has the outcome of each row of the matrix', () => {
  expect(read('docs/compatibility.md')).toBe(pageOf(kept()))
  expect(kept().results.map(nameOf)).toEqual(rows.map(nameOf))
})

test('no row of the matrix has failed, or was run with other declarations, builds or fixtures', () => {
  expect(staleOf(rows).map(nameOf), 'Try these rows again: npm run matrix -- --stale').toEqual([])
})
