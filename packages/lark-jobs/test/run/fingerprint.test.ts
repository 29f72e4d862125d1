/** Fingerprints of failures: the parts that count, and the parts that differ from job to job. */
import { expect, test } from 'vitest'
import type { JobError } from '../../src/model/record.ts'
import { fingerprintOf, isKind, shortNames, stableMessage } from '../../src/run/fingerprint.ts'

function failed(fields: Partial<JobError> = {}, key = 'charge') {
  const error = { run: 1, name: 'Error', message: 'no', ...fields }
  return fingerprintOf({ id: '0Vr5kPq3Zx1aB', key, errors: [error] })!
}

test.each([
  ['Card 4242424242424242 was declined', 'Card … was declined'],
  ["Order 'A-17' of \"Ada\" can't be paid", "Order '…' of \"…\" can't be paid"],
  [
    'GET https://api.example.com/v1/charges/ch_3Mx9aB12?key=secret failed',
    'GET https://api.example.com/v…/charges/… failed',
  ],
  ['connect ECONNREFUSED 127.0.0.1:5432', 'connect ECONNREFUSED …'],
  ['no row 7f1c9a4e-3b22-4c6d-9a11-0f2b3c4d5e6f', 'no row …'],
  ['bad commit deadbeefcafe', 'bad commit …'],
  ['timeout of 3000ms\n  exceeded', 'timeout of … exceeded'],
  ['job 0Vr5kPq3Zx1aB is gone', 'job … is gone'],
  ['S3 is away', 'S… is away'],
  ['no user7 in shard12, nor user12345', 'no user… in shard…, nor user…'],
  ['refused ada.lovelace+x@mail.example.com: 550', 'refused …: …'],
])('%s', (message, stable) => {
  expect(stableMessage(message, '0Vr5kPq3Zx1aB')).toBe(stable)
})

// With a regular expression that looks back from each character, this test would take minutes.
test('the fingerprint of a long message is computed quickly', { timeout: 10_000 }, () => {
  for (const letter of ["'", 'a@a.', '.a-', '"a', 'a://', '1', '“', '… '])
    expect(stableMessage(letter.repeat(200_000), '0Vr5kPq3Zx1aB').length).toBeLessThan(200_000)
})

test('failures belong to different kinds if class, name, code, message or function differ, and not if line numbers or folders of releases differ', () => {
  const stack = (line: number, release: string) =>
    `Error: no\n    at next (/app/node_modules/x/y.js:1:1)\n    at async Charge.handle (/app/${release}/src/jobs/Charge.ts:${line}:7)`
  const one = failed({ stack: stack(7, 'r1') })
  expect(one.frame).toBe('Charge.handle jobs/Charge.ts')
  expect(failed({ stack: stack(99, 'r2') })).toEqual(one)
  const others = [
    failed(),
    failed({ name: 'TypeError' }),
    failed({ code: 'EPIPE' }),
    failed({ message: 'yes' }),
    failed({}, 'refund'),
  ]
  expect(new Set([one, ...others].map(({ hash }) => hash)).size).toBe(6)
  // If an error only wraps another error, the code of the cause counts.
  expect(failed({ cause: { name: 'Error', message: 'x', code: 'EPIPE' } })).toEqual(others[2])
  expect(fingerprintOf({ id: 'x', key: 'charge', errors: [] })).toBeUndefined()
})

test('the name of a kind of failures is only as long as necessary', () => {
  const names = shortNames(['3f2a11112222', '3f2a19999999', 'aaaabbbbcccc'])
  expect([...names.values()].sort()).toEqual(['3f2a11', '3f2a19', 'aaaa'])
  expect(isKind('3f2')).toBe(false)
  expect(isKind('3F2A')).toBe(false)
})
