import { expect, test } from 'vitest'
import { outlasts } from '../../src/commands/look/watched.ts'
import { JobsError } from '../../src/model/errors.ts'

test('a live screen continues after an error of the store, and ends after any other error', () => {
  for (const code of ['STORE_UNREACHABLE', 'STORE_UNCERTAIN', 'STORE_REFUSED'] as const)
    expect(outlasts(new JobsError(code, 'no'))).toBe(true)
  expect(outlasts(new JobsError('UNKNOWN_QUEUE', 'no'))).toBe(false)
  expect(outlasts(new Error('no'))).toBe(false)
})
