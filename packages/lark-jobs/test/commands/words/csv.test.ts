/** Tests how rows of CSV are written. */
import { expect, test } from 'vitest'
import { csvLine } from '../../../src/commands/words/csv.ts'

test('a text cannot break a row of CSV, or become a formula', () => {
  expect(csvLine(['a,b', 'say "no"', 'two\nlines', '=1+1', undefined, 1.5])).toBe(
    `"a,b","say ""no""","two\nlines",'=1+1,,1.5`,
  )
})
